"""From a question to ranked passages: a dense prior, seeds, a walk, and the path that led to each passage.

Everything here is reading. Knows the graph, the store and vectors; neither records nor agents.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.edges import Floats, Ints
from agentmem_hipporag.graph import KnowledgeGraph, Sight
from agentmem_hipporag.linking import Link
from agentmem_hipporag.push import Spread, push, row_entries
from agentmem_hipporag.vectors import VectorFile, Vectors

_ROUGH = 2e-6  # how far single precision may be off in a cosine
_DIGITS = 12  # scores are rounded before they are compared, so that the order of additions never decides a rank
_LONGEST_PATH = 6
_LIKELY = 8  # neighbours looked at more closely at every step back
HUB = 8  # an entity that more passages name, and more than this share of all, tells less
HUB_SHARE = 0.01
LEAST_PRIOR = 10
PRIOR_SHARE = 0.25  # of the passages at most enter by their similarity


@dataclass(frozen=True, slots=True)
class Seeds:
    """Where the walk starts: unique nodes and their mass, which sums to one."""

    nodes: Ints
    mass: Floats


@dataclass(frozen=True, slots=True)
class Ranking:
    """Passages, best first, with the spread that ranked them (None: the dense order, nothing linked)."""

    pages: list[int]
    scores: list[float]
    spread: Spread | None = None
    links: Sequence[Link] = ()
    ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prior:
    """Passages that enter the walk by their similarity: nodes, and how far each is above the rest, 0 to 1."""

    pages: Ints
    height: Floats


def nearest(vectors: VectorFile | None, query: Vectors | None, sight: Sight, top: int) -> tuple[Ints, Floats]:
    """The `top` passages in sight by cosine and all that tie with the last: nodes and cosines, in no order.

    One pass in single precision finds them; their cosines are then computed in double precision, because the first
    pass rounds by where a vector lies in the file, and a rank must not depend on that.
    """
    if vectors is None or query is None or not len(sight.rows):
        return sight.pages[:0], np.zeros(0)
    rough = vectors.similarities(query, sight.rows)
    at = np.arange(len(rough))
    if len(rough) > top:
        at = np.flatnonzero(rough >= np.partition(rough, len(rough) - top)[len(rough) - top] - _ROUGH)
    exact = vectors.exact(query, sight.rows[at])
    return sight.pages[at], exact


def dense_prior(pages: Ints, cosines: Floats, top: int) -> Prior:
    """The best `top` of the nearest passages; height 1 at the best, 0 at the first one left out.

    Counting from the cut and not from the worst of all passages keeps the contrast the same in a large store. Give
    the nearest `top` + 1, so that the first one left out is among them.
    """
    if not len(pages):
        return Prior(pages, cosines)
    ordered = np.sort(cosines)[::-1]
    floor = ordered[min(top, len(ordered) - 1)]
    inside = cosines > floor if len(cosines) > top else np.ones(len(cosines), dtype=np.bool_)
    if not inside.any():
        inside[:] = True  # all are equal
    height = cosines[inside] - floor
    return Prior(pages[inside], np.round(height / height.max(), 9) if height.max() > 0 else np.ones(len(height)))


def prior_size(n_pages: int, top: int) -> int:
    """How many passages enter by similarity: at most `top`, in a small store a quarter of them."""
    return min(top, max(int(PRIOR_SHARE * n_pages), LEAST_PRIOR))


def entity_seeds(links: Sequence[Link], df: NDArray[np.int32], n_pages: int, prior: Prior, entity_mass: float) -> Seeds:
    """Mass on the question's entities by 1 / (passages that name them), the rest on the prior's passages.

    The entities get `entity_mass` if one of them is telling: named by few of the `n_pages` passages. The speaker of
    every other turn of a chat tells nothing, and then the passages get nearly all. Without a prior the links do.
    """
    nodes = np.array([link.node for link in links], dtype=np.int32)
    strength = np.array([link.strength for link in links])
    named_by = np.maximum(df[nodes], 1)
    weight = strength / named_by
    telling = strength * np.minimum(1.0, max(HUB, HUB_SHARE * n_pages) / named_by)
    total = prior.height.sum()
    share = (entity_mass * float(telling.max()) if total > 0 else 1.0) if len(links) else 0.0
    passages = prior.height / total * (1 - share) if total > 0 else prior.height
    entities = weight / weight.sum() * share if len(links) else weight
    return Seeds(np.concatenate([nodes, prior.pages]).astype(np.int32), np.concatenate([entities, passages]))


def rank_pages(spread: Spread, sight: Sight, prior: Prior, late: float, k: int) -> tuple[list[int], list[float]]:
    """The best pages of a spread; what a passage is above the rest counts once more: score × (1 + late × height).

    Returns `k` and all that tie with the last of them; the caller breaks ties by record id.
    """
    bonus = np.ones(len(spread.nodes))
    bonus[np.searchsorted(spread.nodes, prior.pages)] += late * prior.height
    hit = np.flatnonzero(sight.is_page[spread.nodes])
    return best_by(spread.nodes[hit], spread.score[hit] * bonus[hit], k)


def walk(graph: KnowledgeGraph, sight: Sight, seeds: Seeds, config: HippoRAGConfig) -> Spread:
    """Push the seeds' mass over what the question sees."""
    return push(
        graph.terrain(sight, config.weights().table()),
        seeds.nodes,
        seeds.mass,
        damping=config.walk_damping,
        eps=config.eps,
        scratch=graph.scratch(),
    )


def retrieve(
    graph: KnowledgeGraph,
    vectors: VectorFile | None,
    query: Vectors | None,
    links: Sequence[Link],
    sight: Sight,
    config: HippoRAGConfig,
    k: int,
) -> Ranking:
    """The entity-seeded scheme: prior, seeds, walk, and the similarity once more at the end.

    When the question names nothing that the graph knows, the ranking is the dense one, unchanged.
    """
    started = time.perf_counter()
    if not links:
        found = best_by(*nearest(vectors, query, sight, k), k)
        return Ranking(*found, ms={"dense": 1e3 * (time.perf_counter() - started)})
    top = prior_size(len(sight.pages), config.prior_top)
    prior = dense_prior(*nearest(vectors, query, sight, top + 1), top)
    ms = {"dense": 1e3 * (time.perf_counter() - started)}
    seeds = entity_seeds(links, sight.df, len(sight.pages), prior, config.entity_mass)
    started = time.perf_counter()
    spread = walk(graph, sight, seeds, config)
    ms["push"] = 1e3 * (time.perf_counter() - started)
    return Ranking(*rank_pages(spread, sight, prior, config.late, k), spread, links, ms)


def best_by(pages: Ints, values: Floats, k: int) -> tuple[list[int], list[float]]:
    """The best `k` and all that tie with the last of them, in no particular order."""
    if not len(values):
        return [], []
    rounded = np.round(values, _DIGITS)
    cut = np.partition(rounded, len(rounded) - k)[len(rounded) - k] if len(rounded) > k else rounded.min()
    keep = np.flatnonzero(rounded >= cut)
    return pages[keep].tolist(), rounded[keep].tolist()


def trace(
    graph: KnowledgeGraph, sight: Sight, spread: Spread, links: Sequence[Link], page: int, config: HippoRAGConfig
) -> list[int]:
    """The way by which most mass came to a page, from an entity of the question on: nodes, the page last.

    Only the page itself when its mass is its own (it came in by similarity alone).
    """
    seeds = {link.node for link in links}
    terrain = graph.terrain(sight, config.weights().table())
    path = [page]
    while len(path) < _LONGEST_PATH and path[-1] not in seeds:
        here = np.array([path[-1]], dtype=np.int32)
        _, around, _, _ = row_entries(terrain, here)
        # a seed that nothing is drawn to (a name that one passage bears) still leads out of itself
        back = np.union1d(around, np.array(sorted(seeds))).astype(np.int32)
        back = back[~np.isin(back, path)]
        if not len(back):
            break
        at = np.minimum(np.searchsorted(spread.nodes, back), len(spread.nodes) - 1)
        held = np.where(spread.nodes[at] == back, spread.score[at], 0.0)
        # what a node passes on to each neighbour is about its mass by its degree: rows of hubs need not be read
        likely = np.argsort(-held / np.maximum(sight.degree[back], 1), kind="stable")[:_LIKELY]
        back, held = back[likely], held[likely]
        index, target, weight, _ = row_entries(terrain, back)
        total = np.bincount(index, weights=weight, minlength=len(back))
        to_here = np.bincount(index, weights=np.where(target == path[-1], weight, 0), minlength=len(back))
        flow = held * np.divide(to_here, total, out=np.zeros(len(back)), where=total > 0)
        if flow.max() <= 0:
            break
        path.append(int(back[int(flow.argmax())]))
    return path[::-1] if path[-1] in seeds else [page]
