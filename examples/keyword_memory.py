"""A working memory in two dozen lines: recalls the records that share words with the question."""

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
        held = ((record, asked & found) for record, found in self.index.values() if query.admits(record))
        return Recall.best((Hit(record, len(shared) / len(asked)) for record, shared in held if shared), query.k)

    @property
    def index(self) -> dict[str, tuple[Record, set[str]]]:
        return self.__dict__.setdefault("_index", {})  # made at first use, so that no constructor is needed


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
