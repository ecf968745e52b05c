"""A small exact word index in memory, for memories whose records are few and short (notes, subgoals).

Scores are the share of the question's words that a text holds, rare words counting more (idf). It knows records and
nothing of files: what it holds is built again from the journal at every start.
"""

from __future__ import annotations

import math
import re
import threading
from collections import defaultdict
from collections.abc import Sequence

from agentmem.records import Change, Hit, Query, Record


def words(text: str) -> list[str]:
    """The words of a text, lower-cased."""
    return re.findall(r"\w+", text.casefold())


class WordIndex:
    """Records by their words; safe to read from several threads while one writes."""

    def __init__(self) -> None:
        self._records: dict[str, tuple[Record, frozenset[str]]] = {}
        self._holders: dict[str, set[str]] = defaultdict(set)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._records)

    def apply(self, changes: Sequence[Change]) -> None:
        """Hold exactly what the changes say; the same change may come again."""
        with self._lock:
            for change in changes:
                self._drop(change.record_id)
                if change.record is not None:
                    found = frozenset(words(change.text or change.record.body))
                    self._records[change.record_id] = (change.record, found)
                    for word in found:
                        self._holders[word].add(change.record_id)

    def search(self, query: Query, why: str, *, newer_first: bool = False) -> list[Hit]:
        """The best ``query.k`` records that share a word with the question, best first, ties by id.

        ``newer_first`` lets the newer of two records that fit equally well win, by at most a hundredth of the score.
        """
        asked = set(words(query.text))
        with self._lock:
            weight = {word: self._weight(word) for word in asked}
            whole = sum(weight.values()) or 1.0
            scores: dict[str, float] = defaultdict(float)
            for word in sorted(asked):
                for record_id in self._holders.get(word, ()):
                    scores[record_id] += weight[word]
            hits = [
                Hit(record, scores[record_id] / whole, why)
                for record_id in scores
                if query.admits(record := self._records[record_id][0])
            ]
        if newer_first:
            hits.sort(key=lambda hit: (hit.record.created_seq, hit.record.id))
            hits = [Hit(h.record, h.score * (0.99 + 0.01 * n / len(hits)), why) for n, h in enumerate(hits, start=1)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.record.id))[: max(query.k, 0)]

    def records(self) -> list[Record]:
        """All records held, by id."""
        with self._lock:
            return [self._records[record_id][0] for record_id in sorted(self._records)]

    def clear(self) -> None:
        """Hold nothing."""
        with self._lock:
            self._records.clear()
            self._holders.clear()

    def _weight(self, word: str) -> float:
        return math.log(1.0 + (1.0 + len(self._records)) / (0.5 + len(self._holders.get(word, ()))))

    def _drop(self, record_id: str) -> None:
        held = self._records.pop(record_id, None)
        for word in held[1] if held else ():
            self._holders[word].discard(record_id)
            if not self._holders[word]:
                del self._holders[word]
