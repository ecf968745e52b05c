"""Runs a plugin's verb with a deadline, on a daemon thread that is left behind when it does not come back."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Overdue(Exception):
    """The call did not return in time; its thread is abandoned."""


class Call(Generic[T]):
    """A call on its way; `result` waits for it."""

    def __init__(self, function: Callable[[], T], name: str) -> None:
        self._done = threading.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._value = function()
            except BaseException as error:  # handed to the caller, SystemExit of a plugin included
                self._error = error
            finally:
                self._done.set()

        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(run,), name=f"agentmem-{name}", daemon=True
        )
        self._thread.start()

    @property
    def running(self) -> bool:
        return not self._done.is_set()

    def result(self, timeout_s: float | None) -> T:
        """The value, the call's own exception, or Overdue."""
        if not self._done.wait(timeout_s):
            raise Overdue
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set whenever no error is
