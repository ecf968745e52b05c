"""A sound keyword memory, the basis of the faulty ones: words counted, nothing on disk."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agentmem.contract import Memory
from agentmem.records import Change, Hit, Query, Recall, Record


class KeywordMemory(Memory):
    name = "keyword"

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self.index.pop(change.record_id, None)
            if change.record is not None:
                self.index[change.record_id] = (change.record, words(change.text))

    def recall(self, query: Query) -> Recall:
        asked = words(query.text)
        hits = [
            Hit(record, len(asked & found) / len(asked))
            for record, found in self.index.values()
            if asked & found and query.admits(record)
        ]
        return Recall(hits=tuple(sorted(hits, key=lambda hit: (-hit.score, hit.record.id))[: query.k]))

    @property
    def index(self) -> dict[str, tuple[Record, set[str]]]:
        return self.__dict__.setdefault("_index", {})


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
