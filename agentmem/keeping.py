"""Keeps a home's memories up to date while nobody asks: for servers, where a home is open for days and by several.

The owner of the views applies what other processes append, so that theirs have little to answer on their own; a
process that is not the owner becomes it when the owner is gone. When nothing has happened for a while memories may tidy
up; sessions that have been quiet for long enough are summarised. It knows homes, no protocol.
"""

from __future__ import annotations

import threading
import time

from agentmem.contract import Capability
from agentmem.errors import AgentmemError
from agentmem.home import Home
from agentmem.summarising import Summariser

_SESSIONS_S = 600.0  # how often it is looked for sessions that are over


class Keeper:
    """A daemon thread of one open home; `close` it before the home.

    ``every_s`` is how often the journal is looked at; after ``idle_s`` without a change memories are told "idle" once.
    """

    def __init__(self, home: Home, *, every_s: float = 1.0, idle_s: float = 30.0) -> None:
        self._home = home
        self._every_s, self._idle_s = every_s, idle_s
        self._ended = threading.Event()
        self._summariser = Summariser(home)
        self._thread = threading.Thread(target=self._keep, name="agentmem-keeper", daemon=True)

    def start(self) -> Keeper:
        self._thread.start()
        return self

    def close(self) -> None:
        self._ended.set()
        self._summariser.close()
        self._thread.join(10.0)

    def _keep(self) -> None:
        self._warm()
        seen, since, tidied = -1, time.monotonic(), False
        looked = since
        while not self._ended.wait(self._every_s):
            try:
                if self._home.readonly or not self._home.take_ownership():
                    continue
                head = self._home.journal.records.head()
                if head != seen:
                    self._home.views.catch_up()
                    seen, since, tidied = head, time.monotonic(), False
                elif not tidied and time.monotonic() - since > self._idle_s:
                    self._home.maintain("idle")
                    tidied, seen = True, self._home.journal.records.head()
                if time.monotonic() - looked > _SESSIONS_S:
                    looked = time.monotonic()
                    self._summariser.start()
            except AgentmemError as error:
                self._home.emit("fault", {"memory": "keeper", "error": str(error)})

    def _warm(self) -> None:
        """Load what the first recall would wait for: the embedder."""
        try:
            needs = [view.memory.capabilities for view in self._home.views.usable() if view.pid is None]
            if any(Capability.NEEDS_EMBED in capabilities for capabilities in needs):
                self._home.embedder.embed(["warm"])
        except AgentmemError as error:
            self._home.emit("fault", {"memory": "keeper", "error": str(error)})
