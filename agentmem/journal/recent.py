"""What was read from the journal, kept while its head stands where it stood: memories recall the same records.

Nothing in the journal changes without a new change at its head, so whatever was read at that head is still true; with
the next change everything kept is dropped. Knows no SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentmem.records import Record

_RECORDS = 20_000
_CHARACTERS = 20_000_000


class Kept:
    """What was read at one head."""

    def __init__(self, head: int) -> None:
        self.head = head
        self.records: dict[str, Record] = {}
        self.counts: dict[Any, int] = {}
        self._characters = 0

    def put(self, records: Iterable[Record]) -> None:
        """Keep some records; when there are too many, only these."""
        new = {record.id: record for record in records}
        self._characters += sum(len(record.body) for record in new.values())
        if len(self.records) + len(new) > _RECORDS or self._characters > _CHARACTERS:
            self.records, self._characters = {}, 0
        self.records.update(new)


class Recent:
    """The last head's readings. Threads may share it: a reading is put beside the head that was read before it."""

    def __init__(self) -> None:
        self._kept = Kept(-1)

    def at(self, head: int) -> Kept:
        kept = self._kept
        if kept.head != head:
            kept = self._kept = Kept(head)
        return kept
