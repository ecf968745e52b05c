"""Runs a plugin's verb with a deadline, on a daemon thread that is left behind when it does not come back.

Threads that did come back are used again: starting one costs more than most recalls.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_IDLE = 16


class Overdue(Exception):
    """The call did not return in time; its thread is abandoned."""


class _Worker:
    """A daemon thread that does one task after another, until too many others wait as well."""

    _idle: list[_Worker] = []  # noqa: RUF012 (shared by all on purpose; bounded)

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Callable[[], object], str]] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="agentmem", daemon=True)
        self._thread.start()

    @classmethod
    def do(cls, task: Callable[[], object], name: str) -> None:
        try:
            worker = cls._idle.pop()
        except IndexError:
            worker = cls()
        worker._tasks.put((task, name))

    def _work(self) -> None:
        while True:
            task, self._thread.name = self._tasks.get()
            task()
            del task  # what it holds shall not outlive it
            self._thread.name = "agentmem"
            if len(self._idle) >= _MOST_IDLE:
                return
            self._idle.append(self)


os.register_at_fork(after_in_child=_Worker._idle.clear)  # a child has none of its parent's threads


class Call(Generic[T]):
    """A call on its way; `result` waits for it, ``came`` is told (on its thread) when it is back."""

    def __init__(self, function: Callable[[], T], name: str, came: Callable[[Call[T]], object] | None = None) -> None:
        self._back = threading.Lock()  # held until the call is back
        self._back.acquire()
        self.running = True
        self._value: T | None = None
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._value = function()
            except BaseException as error:  # handed to the caller, SystemExit of a plugin included
                self._error = error
            finally:
                self.running = False
                self._back.release()
                if came is not None:
                    came(self)

        context = contextvars.copy_context()
        _Worker.do(lambda: context.run(run), f"agentmem-{name}")

    def result(self, timeout_s: float | None) -> T:
        """The value, the call's own exception, or Overdue."""
        if not self._back.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s)):
            raise Overdue
        self._back.release()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set whenever no error is
