"""A connection that sends no whole request head in time is closed: uvicorn itself waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    b'{"error":{"message":"the head of the request did not arrive in time; send it faster",'
    b'"type":"timeout_error","param":null,"code":null}}'
)


def impatient(head_s: float) -> type[asyncio.Protocol]:
    """uvicorn's protocol, with at most ``head_s`` seconds between the first byte of a request and the end of its head.

    A connection that never sends a byte is closed after the same time.
    """
    base: Any = AutoHTTPProtocol

    class Impatient(base):  # type: ignore[misc]  # which of uvicorn's two protocols it is, is known at run time
        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._is_between() and not self.transport.is_closing():
                if self._waiting is None:
                    self._wait()
            else:
                self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _is_between(self) -> bool:
            """Whether no request is being answered: its head is not complete yet."""
            return self.cycle is None or self.cycle.response_complete

        def _wait(self) -> None:
            self._waiting = asyncio.get_running_loop().call_later(head_s, self._lose_patience)

        def _stop(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _lose_patience(self) -> None:
            self._waiting = None
            if self._is_between() and not self.transport.is_closing():
                self.transport.write(_LATE)
                self.transport.close()

    return Impatient
