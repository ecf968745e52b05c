"""What was read from the journal, kept while it is true: memories recall the same records, turn after turn.

Nothing in the journal changes without a new change at its head, so whatever was read at a head is true until the next
one. Then what was counted is dropped, and of the records those that changed since. Knows no SQL.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from agentmem.records import Record

_RECORDS = 20_000
_CHARACTERS = 20_000_000

Changed = Callable[[int], Collection[str] | None]
"""Ids of the records that changed after a number; None when they are too many to name."""


class Kept:
    """What is known at one head."""

    def __init__(self, head: int, records: Mapping[str, Record]) -> None:
        self.head = head
        self.records = records
        self.counts: dict[Any, int] = {}


class Recent:
    """The readings of the last head. Threads may share it: a reading is kept if its head is still the last one."""

    def __init__(self, changed: Changed) -> None:
        self._changed = changed
        self._records: dict[str, Record] = {}
        self._characters = 0
        self._kept = Kept(-1, self._records)
        self._lock = threading.Lock()

    def at(self, head: int) -> Kept:
        """What is known at this head, or at a later one that another thread has seen."""
        with self._lock:
            if head > self._kept.head:
                self._drop(self._changed(self._kept.head) if self._records else ())
                self._kept = Kept(head, self._records)
            return self._kept

    def put(self, kept: Kept, records: Iterable[Record]) -> None:
        """Keep records that were read after ``kept`` was given out; when there are too many, only these."""
        new = {record.id: record for record in records}
        size = sum(len(record.body) for record in new.values())
        with self._lock:
            if kept is not self._kept:
                return  # what changed since may be among them
            if len(self._records) + len(new) > _RECORDS or self._characters + size > _CHARACTERS:
                self._drop(None)
            self._drop(new.keys() & self._records.keys())
            self._records.update(new)
            self._characters += size

    def _drop(self, ids: Collection[str] | None) -> None:
        """Forget some records, or (None) all."""
        if ids is None:
            self._records.clear()
            self._characters = 0
            return
        for record_id in ids:
            gone = self._records.pop(record_id, None)
            self._characters -= len(gone.body) if gone is not None else 0
