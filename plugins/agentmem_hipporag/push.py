"""Personalised PageRank by localised push: only what the question's mass reaches is ever looked at.

The walk: with probability 1 - damping it stops where it is, otherwise it follows an entry of the row in proportion to
weight × gain of the target. Mass below `eps` per entry of a row is not pushed on (Andersen, Chung and Lang 2006, with
the row's length for the degree), so the work is bounded by 1 / (eps · (1 - damping)) entries whatever the size of
the graph. Knows rows and numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmem_hipporag.edges import Floats, Ints
from agentmem_hipporag.segments import Segment, distinct, positions


@dataclass(frozen=True, slots=True)
class Terrain:
    """What the mass walks on. `gain`: (n,), float32, 0 for nodes that must not be entered; `live`: (n_sources,), bool,
    or None when no entry has been taken back; `table`: (256,), float32, weight of a code; `degree`: (n,), int32, how
    many live entries a row has, by which the threshold grows (entries taken back must not count: a ranking would
    remember them)."""

    segments: Sequence[Segment]
    table: NDArray[np.float32]
    gain: NDArray[np.float32]
    degree: Ints
    live: NDArray[np.bool_] | None = None


@dataclass(slots=True)
class Scratch:
    """Two arrays as long as the graph has nodes, kept between questions and always handed back as zeros."""

    mass: Floats
    score: Floats

    @classmethod
    def of(cls, n_nodes: int) -> Scratch:
        return cls(np.zeros(n_nodes), np.zeros(n_nodes))

    def grown(self, n_nodes: int) -> Scratch:
        return self if len(self.mass) >= n_nodes else Scratch.of(n_nodes + n_nodes // 8)


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the mass came to rest. `nodes`: (m,), sorted; `score`: (m,), sums to 1; the work done in `entries`."""

    nodes: Ints
    score: Floats
    entries: int
    rounds: int


def row_entries(terrain: Terrain, nodes: Ints) -> tuple[NDArray[np.int64], Ints, NDArray[np.float32], int]:
    """All entries of some rows that may be followed: index into `nodes`, target, weight; and how many were read."""
    index: list[NDArray[np.int64]] = []
    target: list[Ints] = []
    weight: list[NDArray[np.float32]] = []
    read = 0
    for segment in terrain.segments:
        start, length = segment.bounds(nodes)
        at = positions(start, length)
        if not len(at):
            continue
        read += len(at)
        to = segment.target[at]
        w = terrain.gain[to] * terrain.table[segment.code[at]]
        if terrain.live is not None:
            w = w * terrain.live[segment.via[at]]
        follow = np.flatnonzero(w)
        index.append(np.repeat(np.arange(len(nodes)), length)[follow])
        target.append(to[follow])
        weight.append(w[follow])
    if not index:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32), read
    if len(index) == 1:
        return index[0], target[0], weight[0], read
    return np.concatenate(index), np.concatenate(target), np.concatenate(weight), read


def push(
    terrain: Terrain,
    seeds: Ints,
    mass: Floats,
    *,
    damping: float,
    eps: float,
    scratch: Scratch,
    max_rounds: int = 40,
) -> Spread:
    """Spread `mass` (sums to 1) from `seeds` (unique nodes) until no row holds more than `eps` per entry.

    All rows above the threshold are pushed at once, round by round. What is left below it counts where it lies. Where
    there is no entry to follow, the walk begins anew; so a dead end draws no more than its share, and scores are
    brought to the sum of one at the end.
    """
    waiting, score = scratch.mass, scratch.score
    touched = [seeds]
    waiting[seeds] = mass
    front = seeds
    entries = rounds = 0
    for rounds in range(1, max_rounds + 1):  # noqa: B007 (the number of rounds is reported)
        front = front[waiting[front] > eps * np.maximum(terrain.degree[front], 1)]
        if not len(front):
            break
        held = waiting[front]
        index, target, weight, read = row_entries(terrain, front)
        entries += read
        total = np.bincount(index, weights=weight, minlength=len(front))
        score[front] += (1 - damping) * held
        waiting[front] = 0
        share = np.divide(damping * held, total, out=np.zeros_like(held), where=total > 0)
        np.add.at(waiting, target, share[index] * weight)
        touched.append(target)
        front = distinct(target[waiting[target] > eps])
    nodes = distinct(np.concatenate(touched))
    out = score[nodes] + (1 - damping) * waiting[nodes]
    out /= out.sum()
    score[nodes] = 0
    waiting[nodes] = 0
    return Spread(nodes, out, entries, rounds)
