"""An index of words and vectors in memory, for memories whose point is what they do with what is found.

BM25 and cosine, each divided by its best among the records that may answer, then mixed. Exact, a function of the live
set alone, built again from the journal at every start. It knows records and nothing of files.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agentmem.contract import Context, Vectors
from agentmem.records import Change, Query, Record
from agentmem.wordindex import words

_K1, _B = 0.9, 0.4  # BM25 for short texts
_DECIMALS = 6

Ranked = list[tuple[Record, float]]
Scores = NDArray[np.float64]


class HybridIndex:
    """Records by words and, where the context has vectors, by meaning. Safe to read while one thread writes."""

    def __init__(self, context: Context, *, words_share: float = 0.6) -> None:
        self._context = context
        self._words_share = words_share
        self._records: dict[str, Record] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._vectors: dict[str, Vectors] = {}
        self._holders: dict[str, set[str]] = defaultdict(set)
        self._length = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._records)

    def apply(self, changes: Sequence[Change]) -> None:
        """Hold exactly what the changes say; the same change may come again."""
        last = {change.record_id: change for change in changes}
        held = [change for change in last.values() if change.record is not None]
        rows = self._context.vectors.of_changes(held) if self._context.vectors is not None and held else None
        with self._lock:
            for record_id in last:
                self._drop(record_id)
            for place, change in enumerate(held):
                assert change.record is not None, "only changes with a record are held"
                self._records[change.record_id] = change.record
                counts = self._counts[change.record_id] = Counter(words(change.text))
                self._length += counts.total()
                for word in counts:
                    self._holders[word].add(change.record_id)
                if rows is not None:
                    self._vectors[change.record_id] = rows[place]

    def get(self, record_id: str) -> Record | None:
        return self._records.get(record_id)

    def records(self) -> list[Record]:
        """All records held, in the order of the journal."""
        with self._lock:
            return sorted(self._records.values(), key=lambda record: (record.created_seq, record.id))

    def ranked(self, query: Query) -> Ranked:
        """Every record that the query admits and that is like it at all, with its score in (0, 1], best first."""
        with self._lock:
            ids = sorted(record_id for record_id, record in self._records.items() if query.admits(record))
            if not ids or not query.text.strip():
                return []
            by_words = self._by_words(query.text, ids)
            by_meaning = self._by_meaning(query, ids)
            share = self._words_share if by_meaning.any() else 1.0
            scores = (share * _scaled(by_words) + (1 - share) * _scaled(by_meaning)).round(_DECIMALS)
            found = [(self._records[ids[i]], float(scores[i])) for i in np.flatnonzero(scores > 0)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0].id))

    def cosines(self, record_id: str, others: Sequence[str]) -> list[float]:
        """How near other held records are in meaning (0 where there are no vectors)."""
        with self._lock:
            own = self._vectors.get(record_id)
            if own is None:
                return [0.0] * len(others)
            rows = [self._vectors.get(other, np.zeros_like(own)) for other in others]
            return [round(float((own.astype(np.float64) * row).sum()), _DECIMALS) for row in rows]

    def _by_words(self, text: str, ids: Sequence[str]) -> Scores:
        scores = np.zeros(len(ids))
        place = {record_id: i for i, record_id in enumerate(ids)}
        mean = self._length / max(1, len(self._records)) or 1.0
        for word in sorted(set(words(text))):
            holders = self._holders.get(word, set())
            weight = math.log(1 + (len(self._records) - len(holders) + 0.5) / (len(holders) + 0.5))
            for record_id in holders:
                if record_id in place:
                    counts = self._counts[record_id]
                    often = counts[word]
                    norm = _K1 * (1 - _B + _B * counts.total() / mean)
                    scores[place[record_id]] += weight * often * (_K1 + 1) / (often + norm)
        return scores

    def _by_meaning(self, query: Query, ids: Sequence[str]) -> Scores:
        if self._context.vectors is None:
            return np.zeros(len(ids))
        vector = query.vector if query.vector is not None else self._context.vectors.of_query(query.text)
        rows = np.stack([self._vectors[record_id] for record_id in ids]).astype(np.float64)
        scores: Scores = (rows * np.asarray(vector, np.float64)).sum(axis=1)
        return scores

    def _drop(self, record_id: str) -> None:
        if self._records.pop(record_id, None) is None:
            return
        counts = self._counts.pop(record_id)
        self._length -= counts.total()
        self._vectors.pop(record_id, None)
        for word in counts:
            self._holders[word].discard(record_id)
            if not self._holders[word]:
                del self._holders[word]


def _scaled(scores: Scores) -> Scores:
    """Divided by the best; what is not above zero counts as nothing."""
    kept = np.maximum(scores, 0.0)
    best = kept.max(initial=0.0)
    scaled: Scores = kept / best if best > 0 else kept
    return scaled
