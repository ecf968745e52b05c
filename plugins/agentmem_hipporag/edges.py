"""Edges as arrays: what an entry is, and the table from its code to a weight.

An edge is its support: every entry names the source (one version of one record) that states it, so taking a source
back takes exactly its entries back, and a weight is the sum of what the live sources say. Counts are integers;
weights are looked up only when the graph is walked. Knows nothing of names, storage or questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]

COUNT_BITS = 5
COUNT_MAX = (1 << COUNT_BITS) - 1


class Kind(IntEnum):
    """Why two nodes are joined. Two kinds are directed: a page speaks for its title less than the title for it."""

    CONTEXT = 0  # a passage names an entity
    PAGE_TO_TITLE = 1
    TITLE_TO_PAGE = 2
    RELATION = 3  # a triple joins two entities
    SYNONYM = 4  # two names are close in meaning; the count is the similarity in steps


REVERSE = np.array([Kind.CONTEXT, Kind.TITLE_TO_PAGE, Kind.PAGE_TO_TITLE, Kind.RELATION, Kind.SYNONYM], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Weights:
    """How much an entry of each kind carries; `synonym_floor` is the similarity at the lowest step."""

    context: float = 1.0
    page_to_title: float = 1.0
    title_to_page: float = 1.0
    relation: float = 1.0
    synonym: float = 1.0
    synonym_floor: float = 0.8

    def table(self) -> NDArray[np.float32]:
        """(256,), float32: the weight of every code."""
        counts = np.arange(COUNT_MAX + 1, dtype=np.float32)
        rows = np.zeros((8, COUNT_MAX + 1), dtype=np.float32)
        rows[Kind.CONTEXT, 1:] = self.context  # a passage names an entity or it does not
        rows[Kind.PAGE_TO_TITLE, 1:] = self.page_to_title
        rows[Kind.TITLE_TO_PAGE, 1:] = self.title_to_page
        rows[Kind.RELATION] = self.relation * counts
        rows[Kind.SYNONYM] = self.synonym * (self.synonym_floor + (1 - self.synonym_floor) * counts / COUNT_MAX)
        return rows.reshape(-1)


def encode(kind: Kind, count: int = 1) -> int:
    """One byte: the kind and how often the source says so (at most 31)."""
    return (int(kind) << COUNT_BITS) | min(max(count, 0), COUNT_MAX)


def kind_of(codes: Codes | Ints) -> Codes:
    return (codes >> COUNT_BITS).astype(np.uint8)


class Entries(NamedTuple):
    """Directed entries, parallel arrays of one length: from `row` to `target`, said by source `via`."""

    row: Ints
    target: Ints
    via: Ints
    code: Codes

    @classmethod
    def none(cls) -> Entries:
        empty = np.zeros(0, dtype=np.int32)
        return cls(empty, empty, empty, np.zeros(0, dtype=np.uint8))

    @classmethod
    def both_ways(cls, edges: Ints, via: Ints) -> Entries:
        """From undirected edges (m, 3) of (from, to, code) with their sources (m,)."""
        a, b = edges[:, 0], edges[:, 1]
        code = edges[:, 2].astype(np.uint8)
        back = (REVERSE[code >> COUNT_BITS] << COUNT_BITS) | (code & COUNT_MAX)
        return cls(
            np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([via, via]), np.concatenate([code, back])
        )

    def joined(self, other: Entries) -> Entries:
        return Entries(
            np.concatenate([self.row, other.row]),
            np.concatenate([self.target, other.target]),
            np.concatenate([self.via, other.via]),
            np.concatenate([self.code, other.code]),
        )

    def sorted_by_row(self) -> Entries:
        order = np.argsort(self.row, kind="stable")
        return Entries(self.row[order], self.target[order], self.via[order], self.code[order])
