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

_DIGITS = 12  # scores are rounded before they are compared, so that the order of additions never decides a rank
_LONGEST_PATH = 6
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


def dense_prior(similarities: Vectors, top: int, share: float = PRIOR_SHARE) -> tuple[NDArray[np.int64], Floats]:
    """The best `top` passages (at most a `share` of all) by similarity and how far each is above the rest: 1 at the best, 0 at the first left out.

    Counting from the cut and not from the worst of all passages keeps the contrast the same in a large store.
    """
    n = len(similarities)
    top = min(top, max(int(share * n), LEAST_PRIOR))
    if not n:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    values = similarities.astype(np.float64)
    if n > top:
        best = np.argpartition(-values, top)[: top + 1]
        floor = values[best].min()
        best = np.sort(best[values[best] > floor])
        if not len(best):
            best = np.array([int(values.argmax())])
    else:
        best, floor = np.arange(n), values.min()
    height = values[best] - floor
    return best, height / height.max() if height.max() > 0 else np.ones(len(best))


def entity_seeds(links: Sequence[Link], df: NDArray[np.int32], n_pages: int, pages: Ints, prior: Floats, entity_mass: float) -> Seeds:
    """Mass on the question's entities by 1 / (passages that name them), the rest on the prior's passages.

    The entities get `entity_mass` if one of them is telling: named by few of the `n_pages` passages. The speaker of
    every other turn of a chat tells nothing, and then the passages get nearly all. Without a prior the links do.
    """
    nodes = np.array([link.node for link in links], dtype=np.int32)
    strength = np.array([link.strength for link in links])
    named_by = np.maximum(df[nodes], 1)
    weight = strength / named_by
    telling = strength * np.minimum(1.0, max(HUB, HUB_SHARE * n_pages) / named_by)
    total = prior.sum()
    share = (entity_mass * float(telling.max()) if total > 0 else 1.0) if len(links) else 0.0
    passages = prior / total * (1 - share) if total > 0 else prior
    entities = weight / weight.sum() * share if len(links) else weight
    return Seeds(np.concatenate([nodes, pages]).astype(np.int32), np.concatenate([entities, passages]))


def rank_pages(spread: Spread, sight: Sight, bonus: Floats, k: int) -> tuple[Ints, Floats]:
    """The best pages of a spread; `bonus`: (n_pages,) parallel to `sight.pages`, at least 1, multiplies the score.

    Returns somewhat more than `k`, all ties at the cut included; the caller breaks ties by record id.
    """
    place = np.searchsorted(spread.nodes, sight.pages)
    place = np.minimum(place, len(spread.nodes) - 1)
    hit = np.flatnonzero(spread.nodes[place] == sight.pages)
    score = np.round(spread.score[place[hit]] * bonus[hit], _DIGITS)
    pages = sight.pages[hit]
    if len(score) > k:
        cut = np.partition(score, len(score) - k)[len(score) - k]
        keep = score >= cut
        score, pages = score[keep], pages[keep]
    return pages, score


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
    similarities = np.zeros(0, dtype=np.float32)
    if vectors is not None and query is not None and len(sight.rows):
        similarities = vectors.similarities(query, sight.rows)
    prior_at, prior = dense_prior(similarities, config.prior_top)
    dense_ms = (time.perf_counter() - started) * 1e3
    if not links:
        return Ranking(*best_by(sight.pages, similarities.astype(np.float64), k), ms={"dense": dense_ms})
    seeds = entity_seeds(links, sight.df, len(sight.pages), sight.pages[prior_at], prior, config.entity_mass)
    started = time.perf_counter()
    spread = walk(graph, sight, seeds, config)
    push_ms = (time.perf_counter() - started) * 1e3
    pages, scores = rank_pages(spread, sight, late_bonus(similarities, len(sight.pages), config.late), k)
    return Ranking(pages.tolist(), scores.tolist(), spread, links, {"dense": dense_ms, "push": push_ms})


def late_bonus(similarities: Vectors, n_pages: int, late: float) -> Floats:
    """(n_pages,): 1 + late × similarity scaled to [0, 1] over the passages in sight."""
    if not len(similarities):
        return np.ones(n_pages)
    values = similarities.astype(np.float64)
    span = values.max() - values.min()
    bonus: Floats = 1 + late * (values - values.min()) / (span if span > 0 else 1.0)
    return bonus


def best_by(pages: Ints, values: Floats, k: int) -> tuple[list[int], list[float]]:
    """The best `k` and all that tie with the last of them, in no particular order."""
    if not len(values):
        return [], []
    rounded = np.round(values, 7)
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
        index, target, weight, _ = row_entries(terrain, back)
        total = np.bincount(index, weights=weight, minlength=len(back))
        to_here = np.bincount(index[target == path[-1]], weights=weight[target == path[-1]], minlength=len(back))
        at = np.minimum(np.searchsorted(spread.nodes, back), len(spread.nodes) - 1)
        held = np.where(spread.nodes[at] == back, spread.score[at], 0.0)
        flow = held * np.divide(to_here, total, out=np.zeros(len(back)), where=total > 0)
        if flow.max() <= 0:
            break
        path.append(int(back[int(flow.argmax())]))
    return path[::-1] if path[-1] in seeds else [page]
