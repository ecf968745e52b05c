"""Where the chat meets the agent: opened on a thread, its verbs called on threads, plain data handed to the screens.

Nothing here draws, and nothing heavy is imported before `Desk.open` runs. Every method that reads or writes blocks, so
screens call them through `ChatApp.background`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem_tui.attaching import with_files
from agentmem_tui.conversation import AGENT, USER, Entry, Why, part_id, record_ids_of, why_of
from agentmem_tui.plaintext import one_line

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.cli.options import Options
    from agentmem.events import Event
    from agentmem.records import Namespace, Receipt, Record
    from agentmem.slash import Done, SlashCommands

_TITLE = "thread"  # kind of the record that names a thread
_LISTED = 200


@dataclass(frozen=True)
class ThreadLine:
    """One thread in the sidebar."""

    name: str
    title: str
    messages: int
    last_at: float


@dataclass(frozen=True)
class State:
    """What the status line tells."""

    model: str
    records: int
    pending: int
    owner: bool
    faults: tuple[str, ...] = ()


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

    def last_thread(self) -> str:
        """The thread that was used last: where the user left."""
        found = self.agent.home.journal.records.threads(namespace=self.namespace)
        return found[0][0] if found else self.thread

    def new_thread(self) -> str:
        self.thread = f"t-{self.agent.home.new_id()[:8]}"
        return self.thread

    def threads(self) -> list[ThreadLine]:
        """The threads with live messages, newest first, named by their user or by their first message."""
        reader = self.agent.home.journal.records
        titles = {r.thread: r.body for r in reader.find(namespace=self.namespace, kinds=(_TITLE,))}
        lines = []
        for name, count, last_at in reader.threads(namespace=self.namespace)[:_LISTED]:
            title = titles.get(name)
            if title is None:
                first = next(reader.find(namespace=self.namespace, kinds=("turn",), thread=name, limit=1), None)
                title = name if first is None else first.body
            lines.append(ThreadLine(name, one_line(title, 60), count, last_at))
        return lines

    def rename_thread(self, name: str, title: str) -> Receipt:
        """Give a thread a title: a record like any other, so it can be undone."""
        found = self.agent.home.journal.records.find(namespace=self.namespace, kinds=(_TITLE,), thread=name)
        old = [record.id for record in found]
        return self.agent.remember(
            title, kind=_TITLE, thread=name, namespace=self.namespace, memories=(), supersedes=old
        )

    def delete_thread(self, name: str) -> Receipt:
        """Archive everything that was said in a thread, in one change that can be undone."""
        journal = self.agent.home.journal
        records = list(journal.records.find(namespace=self.namespace, thread=name))
        with journal.transaction("archive", reason="thread deleted") as tx:
            for record in records:
                tx.set_status(record.id, "archive")
        return tx.receipt()

    def conversation(self, thread: str) -> list[Entry]:
        """What was said in a thread, oldest first, with what was taken back since marked as such."""
        from agentmem.records import Status

        shown = (Status.ACTIVE, Status.RETRACTED, Status.SUPERSEDED, Status.ABSENT)
        found = self.agent.home.journal.records.find(
            namespace=self.namespace, kinds=("turn",), thread=thread, statuses=shown
        )
        return [_entry(record) for record in found]

    def standing(self, record_ids: Sequence[str]) -> dict[str, str]:
        """For each message that no longer counts, why; "" for those that do."""
        found = self.agent.home.journal.records.get_many([i for i in record_ids if i])
        return {record_id: _taken_back(record) for record_id, record in found.items()}

    def cut_off(self, thread: str) -> list[str]:
        """The texts of turns that were cut off (their process died)."""
        return [str(turn.start.get("text", "")) for turn in self.agent.loop.cut_off(thread)]

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

    def paths(self, beginning: str) -> list[str]:
        """Files and folders whose path begins so, for completion; hidden ones only when asked for."""
        return complete_path(beginning)


def complete_path(beginning: str, limit: int = 50) -> list[str]:
    """Paths that begin with ``beginning``; folders end with a slash."""
    path = Path(beginning).expanduser()
    folder, stem = (path, "") if beginning.endswith("/") or not beginning else (path.parent, path.name)
    head = beginning[: len(beginning) - len(stem)]
    out = []
    try:
        for child in sorted(folder.iterdir(), key=lambda p: (not p.is_dir(), p.name.lower())):
            if child.name.startswith(stem) and (stem.startswith(".") or not child.name.startswith(".")):
                out.append(f"{head}{child.name}{'/' if child.is_dir() else ''}")
            if len(out) >= limit:
                break
    except OSError:
        return []  # no such folder, or not ours to read: nothing to complete
    return out


def _entry(record: Record) -> Entry:
    role = AGENT if record.attributes.get("role") == "assistant" or record.speaker == "assistant" else USER
    return Entry(
        role,
        record.body,
        turn=str(record.attributes.get("turn", "")),
        record_id=record.id,
        at=record.valid_from or record.recorded_at,
        stopped=str(record.attributes.get("stopped", "")),
        taken_back=_taken_back(record),
    )


def _taken_back(record: Record) -> str:
    if record.is_live:
        return ""
    return {"retracted": "what it rests on was changed", "superseded": "a newer fact took its place"}.get(
        record.status.value, "taken back"
    )


Call = Callable[[Desk], Any]
