"""The graph in memory: rows of entries, how many live sources name each node, and what a question may see of it.

Its content is a function of the live sources, never of the order in which they came. Opening maps the compacted rows
and replays what came since. Knows nodes by number; names and questions are elsewhere.
"""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmem_hipporag.edges import Entries, Ints, Kind, kind_of
from agentmem_hipporag.push import Scratch, Terrain
from agentmem_hipporag.segments import Segment, open_segment, positions, write_segment
from agentmem_hipporag.store import Selection, Store

TAIL_ENTRIES = 8_192  # above this the newest entries join the middle segment
MIDDLE_ENTRIES = 262_144  # above this (or a quarter of the base) the middle segment is written out
_CHUNK = 20_000  # sources written at a time


class Column:
    """A numpy array that grows at its end."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._held = values
        self._used = len(values)

    @property
    def values(self) -> NDArray[Any]:
        return self._held[: self._used]

    def extend_to(self, size: int) -> None:
        """At least `size` long; new places are zero."""
        if size > len(self._held):
            grown = np.zeros(max(size, len(self._held) * 3 // 2, 64), dtype=self._held.dtype)
            grown[: self._used] = self._held[: self._used]
            self._held = grown
        self._used = max(self._used, size)


@dataclass(frozen=True, slots=True)
class Gains:
    """How much a walk is drawn to a node by what it is: an entity with a page of its own leads somewhere, one that a
    single passage names leads back only."""

    with_page: float = 1.0
    loner: float = 1.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What one question sees.

    `df`: (n_nodes,), sources naming each node; `gain`, `degree`: (n_nodes,); `live`: (n_sources,), None when all are;
    `rows`: (n_pages,), sorted places of the visible passages' vectors, `pages`, the nodes they belong to, and
    `is_page`: (n_nodes,), the same the other way round.
    """

    df: NDArray[np.int32]
    gain: NDArray[np.float32]
    degree: Ints
    live: NDArray[np.bool_] | None
    n_names: int
    rows: NDArray[np.int64]
    pages: Ints
    is_page: NDArray[np.bool_]


class KnowledgeGraph:
    """Nodes are numbered passages and names; entries join them. One instance per open store."""

    def __init__(self, store: Store, folder: Path, gains: Gains) -> None:
        self.store = store
        self.folder = folder
        self.gains = gains
        self.live = Column(np.zeros(0, dtype=np.bool_))  # per source
        self.page_of = Column(np.zeros(0, dtype=np.int32))  # per source
        self.row_of = Column(np.zeros(0, dtype=np.int32))  # per source: place of its vector + 1, 0 without one
        self.df = Column(np.zeros(0, dtype=np.int32))  # per name: live sources that name it
        self.titles = Column(np.zeros(0, dtype=np.int32))  # per name: live passages that bear it as title
        self.degree = Column(np.zeros(0, dtype=np.int32))  # per node: live entries between passages and names
        self.pages = Column(np.zeros(0, dtype=np.int32))  # per node: live sources of which it is the passage
        self.gain = Column(np.zeros(0, dtype=np.float32))
        self.base: Segment | None = None
        self.middle = Segment.of(Entries.none())
        self._tail: list[tuple[int, Ints]] = []
        self._tail_entries = 0
        self._tail_segment: Segment | None = None
        self._sights: OrderedDict[Selection, Sight] = OrderedDict()
        self._scratch = Scratch.of(0)
        self.n_dead = 0
        self._open()

    # ---- opening and compaction

    def _open(self) -> None:
        first = 0
        written = json.loads(self.store.meta("base", "{}"))
        if written:
            folder = self.folder / written["folder"]
            self.base = open_segment(folder)
            for name in ("live", "page_of", "row_of", "df", "titles", "pages", "degree", "gain"):
                setattr(self, name, Column(np.load(folder / f"{name}.npy")))
            first = int(written["sources"])
        fresh: list[tuple[int, Ints]] = []
        for source, page, row, edges in self.store.edges_from(first):
            self._count(source, page, row, edges)
            fresh.append((source, edges))
        self._middle_gets(fresh)
        for source in self.store.ended():
            self._uncount(source, *self.store.edges_of(source))

    def compact(self) -> None:
        """Write the entries of live sources as one mapped segment. A crash in between leaves the old one in use."""
        n_sources, n_nodes = self.store.n_sources(), self.store.n_nodes()
        name = f"base-{n_sources}"
        if (self.folder / name).exists():
            name = f"base-{n_sources}-{len(list(self.folder.glob('base-*')))}"
        folder = self.folder / name
        write_segment(folder, n_nodes, self._chunks(), self._chunks())
        for column in ("live", "page_of", "row_of", "df", "titles", "pages", "degree", "gain"):
            np.save(folder / f"{column}.npy", getattr(self, column).values)
        with self.store.transaction():
            self.store.set_meta("base", json.dumps({"folder": name, "sources": n_sources}))
            self.store.forget_ended()
        self.base = open_segment(folder)
        self.n_dead = 0
        self.middle = Segment.of(Entries.none())
        self._sights.clear()
        self._tail, self._tail_entries, self._tail_segment = [], 0, None
        for other in self.folder.glob("base-*"):
            if other.name != name:
                shutil.rmtree(other)

    def _chunks(self) -> Iterator[Entries]:
        held: list[tuple[int, Ints]] = []
        for source, _, _, edges in self.store.edges_from(0):
            if not self.live.values[source]:
                continue
            held.append((source, edges))
            if len(held) == _CHUNK:
                yield _entries(held)
                held = []
        if held:
            yield _entries(held)

    @property
    def wants_compaction(self) -> bool:
        limit = max(MIDDLE_ENTRIES, len(self.base) // 4 if self.base is not None else 0)
        return len(self.middle) > limit

    # ---- what sources say

    def add(self, source: int, page: int, row: int | None, edges: Ints) -> None:
        """A source counts from now on. `edges`: (m, 3) of (from, to, code), each told once."""
        self._count(source, page, row, edges)
        self._tail.append((source, edges))
        self._tail_entries += 2 * len(edges)
        self._tail_segment = None
        if self._tail_entries > TAIL_ENTRIES:
            self._middle_gets(self._tail)
            self._tail, self._tail_entries = [], 0
        self._sights.clear()

    def end(self, source: int) -> None:
        """A source counts no longer."""
        self._uncount(source, *self.store.edges_of(source))
        self._sights.clear()

    def _middle_gets(self, told: list[tuple[int, Ints]]) -> None:
        if told:
            self.middle = Segment.of(self.middle.entries().joined(_entries(told)))

    def _count(self, source: int, page: int, row: int | None, edges: Ints) -> None:
        n = max(page, int(edges[:, :2].max(initial=0))) + 1
        for column in (self.df, self.titles, self.pages, self.degree, self.gain):
            column.extend_to(n)
        for column in (self.live, self.page_of, self.row_of):
            column.extend_to(source + 1)
        self.live.values[source] = True
        self.page_of.values[source] = page
        self.row_of.values[source] = 0 if row is None else row + 1
        self._weigh(page, row, edges, 1)

    def _uncount(self, source: int, page: int, edges: Ints) -> None:
        if not self.live.values[source]:
            return
        self.live.values[source] = False
        self.n_dead += 1
        row = self.row_of.values[source]
        self._weigh(page, None if row == 0 else row - 1, edges, -1)

    def _weigh(self, page: int, row: int | None, edges: Ints, sign: int) -> None:
        """`row` tells a passage from what a model read out of one: only the passage itself can be found."""
        kinds = kind_of(edges[:, 2])
        named = edges[(kinds == Kind.CONTEXT) | (kinds == Kind.PAGE_TO_TITLE), 1]
        np.add.at(self.df.values, named, sign)
        np.add.at(self.degree.values, named, sign)
        self.degree.values[page] += sign * len(named)
        np.add.at(self.titles.values, edges[kinds == Kind.PAGE_TO_TITLE, 1], sign)
        if row is not None:
            self.pages.values[page] += sign
        changed = np.append(named, page)
        self.gain.values[changed] = _gain(
            self.df.values[changed], self.titles.values[changed], self.pages.values[changed], self.gains
        )

    # ---- what a question sees

    @property
    def segments(self) -> list[Segment]:
        if self._tail_segment is None:
            self._tail_segment = Segment.of(_entries(self._tail))
        every = ([self.base] if self.base is not None else []) + [self.middle, self._tail_segment]
        return [segment for segment in every if len(segment)]

    @property
    def n_nodes(self) -> int:
        return len(self.df.values)

    def scratch(self) -> Scratch:
        self._scratch = self._scratch.grown(self.n_nodes)
        return self._scratch

    def sight(self, selection: Selection) -> Sight:
        """What a question with this selection sees; computed once until the graph changes."""
        if selection in self._sights:
            self._sights.move_to_end(selection)
            return self._sights[selection]
        sight = self._whole() if selection.is_everything else self._part(self.store.selected(selection))
        self._sights[selection] = sight
        while len(self._sights) > 16:
            self._sights.popitem(last=False)
        return sight

    def _whole(self) -> Sight:
        live = self.live.values if self.n_dead else None
        found = np.flatnonzero(self.live.values & (self.row_of.values > 0))
        n_names = int((self.df.values > 0).sum())
        return Sight(
            self.df.values,
            self.gain.values,
            self.degree.values,
            live,
            n_names,
            *self._rows(found),
            self.pages.values > 0,
        )

    def _rows(self, sources: NDArray[np.int64]) -> tuple[NDArray[np.int64], Ints]:
        """Places of the vectors of passages (rows are given in the order of sources, so they come out sorted)."""
        return self.row_of.values[sources].astype(np.int64) - 1, self.page_of.values[sources]

    def _part(self, sources: Ints) -> Sight:
        allowed = np.zeros(len(self.live.values), dtype=np.bool_)
        allowed[sources] = True
        if len(sources) == self.live.values.sum() and np.array_equal(allowed, self.live.values):
            return self._whole()
        n = self.n_nodes
        sources = sources[sources < len(self.live.values)]
        df, titles, pages, degree = (np.zeros(n, dtype=np.int32) for _ in range(4))
        found = sources[self.row_of.values[sources] > 0]
        np.add.at(pages, self.page_of.values[found], 1)
        for segment in self.segments:
            rows = np.unique(self.page_of.values[sources])
            start, length = segment.bounds(rows)
            at, row = positions(start, length), np.repeat(rows, length)
            at, row = at[allowed[segment.via[at]]], row[allowed[segment.via[at]]]
            kinds = kind_of(segment.code[at])
            named = (kinds == Kind.CONTEXT) | (kinds == Kind.PAGE_TO_TITLE)
            df += np.bincount(segment.target[at[named]], minlength=n).astype(np.int32)
            titles += np.bincount(segment.target[at[kinds == Kind.PAGE_TO_TITLE]], minlength=n).astype(np.int32)
            degree += np.bincount(row[named], minlength=n).astype(np.int32)
        degree += df
        gain = _gain(df, titles, pages, self.gains)
        return Sight(df, gain, degree, allowed, int((df > 0).sum()), *self._rows(np.sort(found)), pages > 0)

    def terrain(self, sight: Sight, table: NDArray[np.float32]) -> Terrain:
        return Terrain(self.segments, table, sight.gain, sight.degree, sight.live)


def _entries(told: list[tuple[int, Ints]]) -> Entries:
    if not told:
        return Entries.none()
    edges = np.concatenate([e for _, e in told])
    via = np.repeat(np.array([s for s, _ in told], dtype=np.int32), [len(e) for _, e in told])
    return Entries.both_ways(edges, via)


def _gain(df: Ints, titles: Ints, pages: Ints, gains: Gains) -> NDArray[np.float32]:
    """A dead node is never entered; passages count 1, names by what they lead to."""
    names = np.where(titles > 0, gains.with_page, np.where(df > 1, 1.0, np.where(df > 0, gains.loner, 0.0)))
    return np.where(pages > 0, 1.0, names).astype(np.float32)
