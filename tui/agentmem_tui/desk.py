"""Where the chat meets the agent: opened on a thread, its verbs called on threads, plain data handed to the screens.

Nothing here draws, and nothing heavy is imported before `Desk.open` runs. Every method that reads or writes blocks, so
screens call them through `ChatApp.background`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem_tui.attaching import with_files
from agentmem_tui.conversation import Entry, Why, part_id, record_ids_of, why_of
from agentmem_tui.plaintext import one_line
from agentmem_tui.threadbook import ThreadBook, ThreadLine

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.cli.options import Options
    from agentmem.events import Event
    from agentmem.records import Namespace, Receipt
    from agentmem.slash import Done, SlashCommands


@dataclass(frozen=True)
class State:
    """What the status line tells."""

    model: str
    records: int
    pending: int
    owner: bool
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A thread as it is shown when it is opened."""

    entries: list[Entry]
    state: State
    threads: list[ThreadLine]
    cut_off: list[str]  # what was asked by turns that were cut off


class Desk:
    """One agent and the place in it where the user is (thread, namespace, incognito)."""

    def __init__(self, options: Options, *, incognito: bool = False, agent: Agent | None = None) -> None:
        self.options = options
        self.folder = Path(options.home).expanduser()
        self.thread = options.thread
        self.namespace: Namespace = tuple(part for part in options.namespace.split("/") if part)
        self.incognito = incognito
        self.faults: list[str] = []  # what plugins could not do, told once each
        self.opened = threading.Event()
        self._given = agent
        self._agent: Agent | None = None
        self._commands: SlashCommands | None = None

    # ---- opening and closing

    def open(self) -> Agent:
        """Open the home; the heavy imports happen here."""
        if self._agent is None:
            self._agent = self._given or self.options.open()
            self._agent.home.watchers.append(self._heard)
            self.opened.set()
        return self._agent

    @property
    def agent(self) -> Agent:
        return self.open()

    def close(self) -> None:
        """Let go of the home; one that was given stays open."""
        if self._agent is not None:
            self.opened.clear()
            agent, self._agent, self._commands = self._agent, None, None
            if self._heard in agent.home.watchers:
                agent.home.watchers.remove(self._heard)
            if agent is self._given:
                agent.cancel(self.thread)
            else:
                agent.close()

    def _heard(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "fault":
            self.faults.append(f"memory '{data.get('memory', '?')}': {data.get('error', 'failed')}")

    def take_faults(self) -> list[str]:
        """What plugins could not do since the last call."""
        told, self.faults = self.faults, []
        return list(dict.fromkeys(told))

    # ---- threads

    @property
    def book(self) -> ThreadBook:
        """The threads of the namespace where the user is."""
        return ThreadBook(self.agent, self.namespace)

    def last_thread(self) -> str:
        """The thread that was used last: where the user left."""
        return self.book.last() or self.thread

    def new_thread(self) -> str:
        self.thread = f"t-{self.agent.home.new_id()[:8]}"
        return self.thread

    def opened_thread(self) -> Opened:
        """The thread where the user is."""
        return Opened(self.book.conversation(self.thread), self.state(), self.book.lines(), self.cut_off())

    def cut_off(self) -> list[str]:
        """What was asked by turns of the thread that were cut off (their process died)."""
        return [str(turn.start.get("text", "")) for turn in self.agent.loop.cut_off(self.thread)]

    # ---- turns

    def stream(self, text: str) -> Iterator[Event]:
        """A turn as events; files that the message names go along or are read first."""
        from agentmem.events import Notice

        text, notes = with_files(text, self._ingest)
        for note in notes:
            yield Notice(turn="", thread=self.thread, at=time.time(), text=note)
        yield from self.agent.stream(text, thread=self.thread, namespace=self.namespace, incognito=self.incognito)

    def _ingest(self, path: Path) -> str:
        if self.incognito:
            return "not in an incognito turn"
        return self.agent.ingest(path, namespace=self.namespace).summary()

    def stream_resumed(self) -> Iterator[Event]:
        return self.agent.loop.stream_resumed(self.thread)

    def why(self, turn: str) -> Why | None:
        """How an answer came about, from the record of its trace; None when nothing was kept."""
        records = self.agent.home.journal.records
        kept = records.get(part_id(turn, "trace"))
        return None if kept is None else self.why_of(json.loads(kept.body))

    def why_of(self, trace: Mapping[str, Any]) -> Why:
        return why_of(trace, self.agent.home.journal.records.get_many(record_ids_of(trace)))

    # ---- changes

    def undo(self, receipt_id: str = "", *, cascade: bool = False) -> tuple[Receipt, str]:
        """Take a change back: the one named, or the last one. Returns the receipt and what it was, in words."""
        from agentmem.tools import last_change

        receipt_id = receipt_id or last_change(self.agent, self.namespace)
        told = self.told(receipt_id)
        return self.agent.undo(receipt_id, cascade=cascade), told

    def redo(self) -> tuple[Receipt, str]:
        """Bring back what was taken back last."""
        from agentmem.tools import last_undo

        receipt_id = last_undo(self.agent, self.namespace)
        cause = next(row.cause for row in self.rows(200) if row.id == receipt_id)
        return self.agent.undo(receipt_id), self.told(str(cause))

    def computes_edits(self, begins: Callable[[], object]) -> bool:
        """Compute the edits of weights that are queued, calling ``begins`` before; False when none is."""
        if not self.agent.home.edit_queue.waiting():
            return False
        begins()
        return bool(self.agent.flush_edits())

    def told(self, receipt_id: str) -> str:
        """A change in words: ``correct 'The office …'``."""
        row = next((row for row in self.rows(500) if row.id.startswith(receipt_id)), None)
        if row is None:
            return receipt_id[:8]
        records = self.agent.home.journal.records
        touched = records.records_of(row.id)
        first = next(iter(records.get_many(touched[:1]).values()), None)
        more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
        return f"{row.verb} '{one_line(first.body, 60)}'{more}" if first is not None else f"{row.verb}{more}"

    def rows(self, limit: int) -> list[Any]:
        return list(self.agent.home.journal.records.transactions(limit=limit))

    def said_receipt(self, record_id: str) -> str:
        """The change that wrote a record down."""
        return self.agent.history(record_id)[0].receipt_id

    # ---- the chat's commands

    def command_names(self) -> list[tuple[str, str]]:
        from agentmem.slash import SlashCommands

        return [(name, SlashCommands.summary(name)) for name in SlashCommands.names()]

    def command(self, line: str) -> Done:
        """Carry out a slash command; the user's place may change by it."""
        from agentmem.slash import SlashCommands

        if self._commands is None or self._commands.agent is not self.agent:
            self._commands = SlashCommands(self.agent)
        commands = self._commands
        commands.thread, commands.namespace, commands.incognito = self.thread, self.namespace, self.incognito
        done = commands.run(line)
        self.thread, self.namespace, self.incognito = commands.thread, commands.namespace, commands.incognito
        return done

    def answered(self, answer: Any) -> None:
        """Let ``/why``, ``/trace`` and ``/cost`` speak of this answer."""
        from agentmem.slash import SlashCommands

        if self._commands is None:
            self._commands = SlashCommands(self.agent)
        self._commands.last = answer

    def state(self) -> State:
        agent = self.agent
        pending = len(agent.pending(namespace=self.namespace))
        faults = tuple(agent.home.views.faults.values())
        records = agent.home.journal.records.count(namespace=self.namespace)
        return State(agent.settings.model, records, pending, agent.home.is_owner or agent.home.readonly, faults)
