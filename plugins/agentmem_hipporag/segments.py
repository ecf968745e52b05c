"""Rows of entries on disk and in memory: one memory-mapped segment with all old rows, one small one with the new.

A segment is immutable. Opening a million edges maps five files; an insertion builds a new small segment and leaves
the mapped one alone; compaction writes the next mapped segment beside the old. Knows nothing of what nodes mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmem_hipporag.edges import Entries, Ints

Longs = NDArray[np.int64]
_PARTS = ("target", "via", "code")


class Segment:
    """Entries grouped by row, every row reachable in constant time (dense) or by bisection (sparse)."""

    def __init__(
        self, indptr: Longs, target: Ints, via: Ints, code: NDArray[np.uint8], rows: Ints | None = None
    ) -> None:
        """`indptr`: (n + 1,), of all nodes, or of `rows` (sorted, unique) when those are given."""
        self.indptr = indptr
        self.target = target
        self.via = via
        self.code = code
        self.rows = rows

    @classmethod
    def of(cls, entries: Entries) -> Segment:
        """A sparse segment of a few entries in any order."""
        ordered = entries.sorted_by_row()
        rows, starts = np.unique(ordered.row, return_index=True)
        indptr = np.append(starts, len(ordered.row)).astype(np.int64)
        return cls(indptr, ordered.target, ordered.via, ordered.code, rows.astype(np.int32))

    def __len__(self) -> int:
        return len(self.target)

    @property
    def nbytes(self) -> int:
        rows = 0 if self.rows is None else self.rows.nbytes
        return int(self.indptr.nbytes + self.target.nbytes + self.via.nbytes + self.code.nbytes + rows)

    def bounds(self, nodes: Ints) -> tuple[Longs, Longs]:
        """Where the rows of `nodes` start, and how long they are; rows that the segment lacks are empty."""
        if self.rows is None:
            known = nodes < len(self.indptr) - 1
            if known.all():
                start = self.indptr[nodes]
                return start, self.indptr[nodes + 1] - start
            safe = np.where(known, nodes, 0)
            start = self.indptr[safe]
            return start, np.where(known, self.indptr[safe + 1] - start, 0)
        if not len(self.rows):
            return np.zeros(len(nodes), dtype=np.int64), np.zeros(len(nodes), dtype=np.int64)
        at = np.minimum(np.searchsorted(self.rows, nodes), len(self.rows) - 1)
        start = self.indptr[at]
        return start, np.where(self.rows[at] == nodes, self.indptr[at + 1] - start, 0)

    def entries(self) -> Entries:
        """All entries, with their rows spelt out."""
        lengths = np.diff(self.indptr)
        names = np.arange(len(lengths), dtype=np.int32) if self.rows is None else self.rows
        return Entries(np.repeat(names, lengths), np.asarray(self.target), np.asarray(self.via), np.asarray(self.code))


def distinct(nodes: Ints) -> Ints:
    """The different numbers, sorted. By sorting: for some ten thousand that is five times faster than by hashing."""
    ordered = np.sort(nodes)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def positions(start: Longs, length: Longs) -> Longs:
    """The positions of all entries of some rows, row after row."""
    total = int(length.sum())
    if not total:
        return np.zeros(0, dtype=np.int64)
    ends = np.cumsum(length)
    at: Longs = np.arange(total, dtype=np.int64) + np.repeat(start - (ends - length), length)
    return at


def open_segment(folder: Path) -> Segment:
    """Map a segment that `write_segment` has written; nothing is read before it is used."""
    parts: dict[str, Any] = {
        name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ("indptr", *_PARTS)
    }  # as plain arrays over the mapped pages: the memmap class costs a microsecond an access
    return Segment(**parts)


def write_segment(folder: Path, n_nodes: int, chunks: Iterable[Entries], again: Iterable[Entries]) -> None:
    """Write all entries as one dense segment; `chunks` and `again` yield the same entries, twice.

    Two passes over chunks (count, then place) keep the memory at two numbers a node plus one chunk, whatever the
    number of edges. The folder must not be in use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    indptr = np.zeros(n_nodes + 1, dtype=np.int64)
    for chunk in chunks:
        indptr[1:] += np.bincount(chunk.row, minlength=n_nodes)
    np.cumsum(indptr, out=indptr)
    total = int(indptr[-1])
    np.save(folder / "indptr.npy", indptr)
    kinds: dict[str, type[np.generic]] = {"target": np.int32, "via": np.int32, "code": np.uint8}
    out = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(total,))
        for name, dtype in kinds.items()
    }
    cursor = indptr[:-1].copy()
    for chunk in again:
        ordered = chunk.sorted_by_row()
        rows, first, length = np.unique(ordered.row, return_index=True, return_counts=True)
        within = np.arange(len(ordered.row)) - np.repeat(first, length)
        place = np.repeat(cursor[rows], length) + within
        cursor[rows] += length
        for name in _PARTS:
            out[name][place] = getattr(ordered, name)
    for array in out.values():
        array.flush()
