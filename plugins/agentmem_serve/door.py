"""What stands before every route: who may come in, how much may be brought, and how long anyone may take.

A plain ASGI layer: a body that is too long is refused before it is read. Knows tokens, hosts, sizes and clocks, and
nothing of the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from agentmem_serve.wire import refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN = frozenset({"/v1/health", "/openapi.json"})
"""Paths that need no token: they tell nothing of the memory."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_DRAIN_BYTES, _DRAIN_S = 8_000_000, 1.0


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    body_bytes: int = 4_000_000
    body_s: float = 20.0  # for the whole of a request's body
    send_s: float = 60.0  # for a client to take one piece of an answer


class _TooLong(Exception):
    pass


class _TooSlow(Exception):
    pass


class Door:
    """Wraps an app. Without a ``token`` only requests addressed to this machine by name come in."""

    def __init__(self, app: App, *, token: str | None, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._digest = None if token is None else _digest(token)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        turned_away = self._stranger(scope, headers)
        if turned_away is not None:
            await self._refuse(turned_away, receive, send)
            return
        try:
            body = await self._body(receive)
        except (_TooLong, _TooSlow) as error:
            await self._refuse(self._sentence(error), receive, send)
            return
        if body is None:  # the client has left
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receiving() -> Message:
            return unread.pop() if unread else await receive()

        async def sending(message: Message) -> None:
            # a client that stops reading must not keep a turn, or a thread, for ever
            await asyncio.wait_for(send(message), self._limits.send_s)

        with contextlib.suppress(TimeoutError):
            await self._app(scope, receiving, sending)

    # ---- who

    def _stranger(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> Response | None:
        if self._digest is not None:
            if scope["path"] not in OPEN and not self._knows(headers.get(b"authorization", b"")):
                what = "the token is not the right one" if b"authorization" in headers else "there is no token"
                sentence = f"{what}; send the header 'Authorization: Bearer TOKEN'"
                return refusal(401, sentence, {"www-authenticate": "Bearer"})
        elif not _is_local(headers):
            # a page in the user's browser may reach loopback, also under a name that resolves to it
            return refusal(403, "without a token only this machine is served, addressed as localhost or 127.0.0.1")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18:
            return refusal(400, "the header Content-Length is no number")
        if int(length) > self._limits.body_bytes:
            return self._sentence(_TooLong())
        return None

    def _knows(self, header: bytes) -> bool:
        kind, _, token = header.partition(b" ")
        assert self._digest is not None, "only asked when there is a token"
        given = hashlib.sha256(token.strip()).digest()
        return hmac.compare_digest(given, self._digest) and kind.lower() == b"bearer"

    # ---- how much, how long

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body, within its limits; None when the client has left."""
        parts: list[bytes] = []
        count, more = 0, True
        try:
            async with asyncio.timeout(self._limits.body_s):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    more = bool(message.get("more_body", False))
                    count += len(parts[-1])
                    if count > self._limits.body_bytes:
                        raise _TooLong
        except TimeoutError:
            raise _TooSlow from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _sentence(self, error: Exception) -> Response:
        if isinstance(error, _TooLong):
            limit = self._limits.body_bytes
            return refusal(413, f"the body is longer than the {limit} bytes taken here; send it in parts")
        return refusal(408, f"the body did not arrive within {self._limits.body_s:g} s; send it faster, or in parts")

    async def _refuse(self, response: Response, receive: Receive, send: Send) -> None:
        """Answer, close the connection, and let a client that is still sending read the answer first."""
        raw = [*response.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": response.status_code, "headers": raw})
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        read = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while read < _DRAIN_BYTES:
                    message = await receive()
                    read += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        break
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _is_local(headers: dict[bytes, bytes]) -> bool:
    host = _name(headers.get(b"host", b"").decode("latin-1"))
    origin = headers.get(b"origin", b"").decode("latin-1")
    return host in _LOCAL and (not origin or _name(origin.partition("://")[2]) in _LOCAL)


def _name(host: str) -> str:
    """A host without its port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host
