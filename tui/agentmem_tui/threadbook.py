"""The threads of one namespace: listed, read as messages, named, archived whole. Plain data out; knows no widget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem_tui.conversation import AGENT, USER, Entry
from agentmem_tui.plaintext import one_line

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.records import Namespace, Receipt, Record

_TITLE = "thread"  # kind of the record that names a thread
_LISTED = 200


@dataclass(frozen=True)
class ThreadLine:
    """One thread in the sidebar."""

    name: str
    title: str
    messages: int
    last_at: float


class ThreadBook:
    """The threads of ``namespace`` in an agent's home. Every method reads or writes and so blocks."""

    def __init__(self, agent: Agent, namespace: Namespace) -> None:
        self._agent = agent
        self._namespace = namespace
        self._reader = agent.home.journal.records

    def last(self) -> str:
        """The thread that was used last; "" when there is none."""
        found = self._reader.threads(namespace=self._namespace)
        return found[0][0] if found else ""

    def lines(self) -> list[ThreadLine]:
        """The threads with live messages, newest first, named by their user or by their first message."""
        titles = {r.thread: r.body for r in self._reader.find(namespace=self._namespace, kinds=(_TITLE,))}
        lines = []
        for name, count, last_at in self._reader.threads(namespace=self._namespace)[:_LISTED]:
            title = titles.get(name)
            if title is None:
                first = next(self._reader.find(namespace=self._namespace, kinds=("turn",), thread=name, limit=1), None)
                title = name if first is None else first.body
            lines.append(ThreadLine(name, one_line(title, 60), count, last_at))
        return lines

    def rename(self, name: str, title: str) -> Receipt:
        """Give a thread a title: a record like any other, so it can be undone."""
        found = self._reader.find(namespace=self._namespace, kinds=(_TITLE,), thread=name)
        old = [record.id for record in found]
        return self._agent.remember(
            title, kind=_TITLE, thread=name, namespace=self._namespace, memories=(), supersedes=old
        )

    def delete(self, name: str) -> Receipt:
        """Archive everything that was said in a thread, in one change that can be undone."""
        journal = self._agent.home.journal
        records = list(journal.records.find(namespace=self._namespace, thread=name))
        with journal.transaction("archive", reason="thread deleted") as tx:
            for record in records:
                tx.set_status(record.id, "archive")
        return tx.receipt()

    def conversation(self, thread: str) -> list[Entry]:
        """What was said in a thread, oldest first, with what was taken back since marked as such."""
        from agentmem.records import Status

        shown = (Status.ACTIVE, Status.RETRACTED, Status.SUPERSEDED, Status.ABSENT)
        found = self._reader.find(namespace=self._namespace, kinds=("turn",), thread=thread, statuses=shown)
        return [_entry(record) for record in found]

    def standing(self, record_ids: Sequence[str]) -> dict[str, str]:
        """For each message that no longer counts, why; "" for those that do."""
        found = self._reader.get_many([i for i in record_ids if i])
        return {record_id: _taken_back(record) for record_id, record in found.items()}


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
