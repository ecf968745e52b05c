"""Recalls the records that share words with the question. Keeps its index in memory; the journal rebuilds it."""

import re
from collections.abc import Sequence

from agentmem.contract import Context, Memory
from agentmem.records import Change, Hit, Query, Recall, Record
from agentmem_notes.config import NotesConfig


class NotesMemory(Memory):
    name = "notes"
    Config = NotesConfig
    config: NotesConfig

    def __init__(self, context: Context, config: NotesConfig | None = None) -> None:
        super().__init__(context, config)
        self._index: dict[str, tuple[Record, set[str]]] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        """Hold what each change says, under its id; nothing when the record is gone."""
        for change in changes:
            self._index.pop(change.record_id, None)
            if change.record is not None:
                self._index[change.record_id] = (change.record, words(change.text))

    def recall(self, query: Query) -> Recall:
        """The records that share most words with the question; ``admits`` keeps to its namespace and filters."""
        asked = words(query.text)
        shared = [(record, asked & found) for record, found in self._index.values() if query.admits(record)]
        hits = [
            Hit(record, len(common) / len(asked), why="shares " + ", ".join(sorted(common)))
            for record, common in shared
            if common and len(common) >= self.config.least_overlap * len(asked)
        ]
        return Recall.best(hits, query.k)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
