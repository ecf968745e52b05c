"""BM25 over the live set, document by document. Knows numbers and terms only.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, equation 3.15, with the idf of
Lucene and tantivy, ln(1 + (n - df + 1/2) / (df + 1/2)), which is never negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

K1 = 1.2
B = 0.75
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Collection:
    """How many live documents there are, and how many terms they have together."""

    documents: int
    terms: int

    @property
    def mean_length(self) -> float:
        return self.terms / self.documents if self.documents else 1.0


def idf(documents: int, frequency: int) -> float:
    """The weight of a term that ``frequency`` of ``documents`` hold."""
    return math.log(1.0 + (documents - frequency + 0.5) / (frequency + 0.5))


class Scorer:
    """Scores documents for the terms in ``weights`` (term -> idf) of one question."""

    def __init__(self, weights: Mapping[str, float], mean_length: float) -> None:
        self._weights = [(f" {term}:", len(term) + 2, weight) for term, weight in weights.items()]
        self._mean_length = mean_length

    def score(self, counts: str, length: int) -> float:
        """A document's score, rounded to six places; 0 when it has none of the terms.

        ``counts`` is the document's terms as the table packs them: " crane:2 red:1 ".
        """
        norm = K1 * (1.0 - B + B * length / self._mean_length)
        total = 0.0
        for mark, width, weight in self._weights:
            place = counts.find(mark)
            if place >= 0:
                start = place + width
                count = int(counts[start : counts.index(" ", start)])
                total += weight * count * (K1 + 1.0) / (count + norm)
        return round(total, _DECIMALS)
