"""Which facts still wait to be put into weights: kept beside the journal, brought up to date by what changed since.

A fact waits when its attributes ask for an edit that no memory has derived from it. Knows records and the journal;
nothing of models or of how an edit is made.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from agentmem.journal import Journal
from agentmem.records import Record, Status

EDIT = "edit"
FACT = "fact"
_BATCH = 500
_ANSWERED = (Status.ACTIVE, Status.ARCHIVED)  # an edit that was refused is an answer too


class EditQueue:
    """A cursor in the journal and the facts that wait there; nothing of it is stored."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seq: int | None = None
        self._waiting: dict[str, Record] = {}
        self._lock = threading.Lock()

    def waiting(self) -> dict[str, list[Record]]:
        """Live facts that wait, in journal order, by the memory that they ask for."""
        with self._lock:
            self._catch_up()
            waiting = sorted(self._waiting.values(), key=lambda record: record.created_seq)
        out: dict[str, list[Record]] = defaultdict(list)
        for record in waiting:
            out[record.attributes[EDIT]["memory"]].append(record)
        return dict(out)

    def _catch_up(self) -> None:
        records = self._journal.records
        head = records.head()
        if self._seq is None or self._seq > head:
            self._waiting = {}
            self._judge(records.find(kinds=(FACT,)))
            self._seq = head
        while self._seq < head:
            changes, upto = self._journal.feed.read(self._seq, _BATCH, kinds=(FACT, EDIT), view="")
            ids = [change.record_id for change in changes]
            found = records.get_many(ids)
            if len(found) < len(set(ids)):  # purged: whose edit it was is no longer told
                self._seq = None
                self._catch_up()
                return
            parents = [p for record in found.values() if record.kind == EDIT for p in record.derived_from]
            facts = [record for record in found.values() if record.kind == FACT]
            self._judge([*facts, *records.get_many(parents).values()])
            if upto == self._seq:
                return
            self._seq = upto

    def _judge(self, facts: Iterable[Record]) -> None:
        """Enter or strike these facts."""
        asking = []
        for record in facts:
            self._waiting.pop(record.id, None)
            if record.kind == FACT and record.is_live and record.attributes.get(EDIT) and target_of(record):
                asking.append(record)
        records = self._journal.records
        answered = {
            (parent, child.attributes.get("memory"))
            for child in records.get_many(sorted(records.child_ids([record.id for record in asking]))).values()
            if child.kind == EDIT and child.status in _ANSWERED
            for parent in child.derived_from
        }
        for record in asking:
            if (record.id, record.attributes[EDIT]["memory"]) not in answered:
                self._waiting[record.id] = record


def target_of(record: Record) -> str | None:
    """What weights should say: the end of the fact's text, which may have been corrected since it was written.

    None when the text no longer begins with the prompt: what the weights should say then is for a person to tell.
    """
    wish: Mapping[str, Any] = record.attributes[EDIT]
    begin = wish["prompt"].replace("{}", wish["subject"]).rstrip()
    target: str = wish["target"]
    if record.body.rstrip().rstrip(".") == f"{begin} {target}".rstrip("."):
        return target
    return record.body.removeprefix(begin).strip().rstrip(".") or None if record.body.startswith(begin) else None
