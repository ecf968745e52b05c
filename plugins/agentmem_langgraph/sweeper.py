"""Calls something every so many seconds on a thread of its own, until it is stopped. Knows not what it calls."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agentmem.errors import AgentmemError


class Sweeper:
    """At most one thread; it ends with the process. ``last_error`` is what the last call failed with."""

    def __init__(self, sweep: Callable[[], object]) -> None:
        self._sweep = sweep
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.last_error: AgentmemError | None = None

    def start(self, interval_s: float) -> None:
        """Begin; does nothing while it runs already."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, args=(interval_s,), name="agentmem-sweeper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """End; True when the thread is gone."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _run(self, interval_s: float) -> None:
        while not self._stopped.wait(interval_s):
            try:
                self._sweep()
                self.last_error = None
            except AgentmemError as error:  # a home that is busy or read-only now may not be so at the next time
                self.last_error = error
