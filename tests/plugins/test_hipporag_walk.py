"""The walk: localised push against exact power iteration, and what personalised PageRank must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agentmem_hipporag.edges import Entries, Ints, Kind, Weights, encode
from agentmem_hipporag.exact import power_iteration, transition_matrix
from agentmem_hipporag.linking import Link
from agentmem_hipporag.push import Scratch, Spread, Terrain, push
from agentmem_hipporag.retrieval import Prior, dense_prior, entity_seeds
from agentmem_hipporag.segments import Segment, open_segment, write_segment

N_PAGES, N_NAMES = 300, 900


def random_edges(seed: int = 0) -> Ints:
    rng = np.random.default_rng(seed)
    page = np.repeat(np.arange(N_PAGES), 12)
    name = N_PAGES + (N_NAMES * rng.random(len(page)) ** 2).astype(int)
    pairs = np.unique(np.stack([page, name], axis=1), axis=0)
    kinds = np.where(rng.random(len(pairs)) < 0.1, encode(Kind.PAGE_TO_TITLE), encode(Kind.CONTEXT))
    return np.column_stack([pairs, kinds]).astype(np.int32)


def terrain_of(edges: Ints, n: int, live: Ints | None = None) -> Terrain:
    segment = Segment.of(Entries.both_ways(edges, edges[:, 0]))
    alive = None
    if live is not None:
        alive = np.zeros(N_PAGES, dtype=np.bool_)
        alive[live] = True
    gain = np.random.default_rng(7).choice([0.0, 1.0, 3.0], n).astype(np.float32)
    gain[:N_PAGES] = 1
    counted = edges if live is None else edges[np.isin(edges[:, 0], live)]
    degree = np.bincount(counted[:, :2].ravel(), minlength=n).astype(np.int32)
    return Terrain([segment], Weights(title_to_page=10).table(), gain, degree, alive)


def seeds_of(rng: np.random.Generator, n: int) -> tuple[Ints, np.ndarray]:
    nodes = np.sort(rng.choice(n, 40, replace=False)).astype(np.int32)
    mass = rng.random(40)
    return nodes, mass / mass.sum()


def spread_of(terrain: Terrain, nodes: Ints, mass: np.ndarray, eps: float = 1e-5, damping: float = 0.6) -> Spread:
    return push(terrain, nodes, mass, damping=damping, eps=eps, scratch=Scratch.of(len(terrain.gain)))


@pytest.fixture
def terrain() -> Terrain:
    return terrain_of(random_edges(), N_PAGES + N_NAMES)


def dense_of(spread: Spread, n: int) -> np.ndarray:
    out = np.zeros(n)
    out[spread.nodes] = spread.score
    return out


def test_push_with_a_tiny_threshold_equals_power_iteration(terrain: Terrain) -> None:
    nodes, mass = seeds_of(np.random.default_rng(1), len(terrain.gain))
    exact = power_iteration(transition_matrix(terrain), nodes, mass, damping=0.6)
    assert np.abs(dense_of(spread_of(terrain, nodes, mass, eps=1e-13), len(exact)) - exact).max() < 1e-7


def test_the_top_ten_are_those_of_power_iteration(terrain: Terrain) -> None:
    rng = np.random.default_rng(2)
    matrix = transition_matrix(terrain)
    shared = []
    for _ in range(30):
        nodes, mass = seeds_of(rng, len(terrain.gain))
        exact = power_iteration(matrix, nodes, mass, damping=0.6)[:N_PAGES]
        near = dense_of(spread_of(terrain, nodes, mass), len(terrain.gain))[:N_PAGES]
        shared.append(len(set(np.argsort(-exact)[:10]) & set(np.argsort(-near)[:10])) / 10)
    assert np.mean(shared) >= 0.95


def test_scores_sum_to_one_and_the_scratch_comes_back_empty(terrain: Terrain) -> None:
    nodes, mass = seeds_of(np.random.default_rng(3), len(terrain.gain))
    scratch = Scratch.of(len(terrain.gain))
    spread = push(terrain, nodes, mass, damping=0.6, eps=1e-4, scratch=scratch)
    assert spread.score.sum() == pytest.approx(1)
    assert not scratch.mass.any()
    assert not scratch.score.any()


def test_without_damping_the_mass_stays_where_it_starts(terrain: Terrain) -> None:
    nodes, mass = seeds_of(np.random.default_rng(4), len(terrain.gain))
    spread = spread_of(terrain, nodes, mass, damping=1e-9)
    assert dense_of(spread, len(terrain.gain))[nodes] == pytest.approx(mass, abs=1e-7)


def test_the_numbers_of_nodes_do_not_matter() -> None:
    edges, n = random_edges(), N_PAGES + N_NAMES
    order = np.concatenate([np.random.default_rng(5).permutation(N_PAGES), np.arange(N_PAGES, n)]).astype(np.int32)
    moved = edges.copy()
    moved[:, 0] = order[edges[:, 0]]
    nodes, mass = seeds_of(np.random.default_rng(6), n)
    before = dense_of(spread_of(terrain_of(edges, n), nodes, mass), n)
    after = dense_of(spread_of(terrain_of(moved, n), order[nodes], mass), n)
    assert after[order] == pytest.approx(before, abs=1e-12)


def test_a_component_apart_changes_nothing(terrain: Terrain) -> None:
    n = N_PAGES + N_NAMES
    nodes, mass = seeds_of(np.random.default_rng(8), n)
    before = spread_of(terrain, nodes, mass)
    apart = np.array([[n, n + 1, encode(Kind.CONTEXT)]], dtype=np.int32)
    more = Segment.of(Entries.both_ways(apart, np.zeros(1, dtype=np.int32)))
    gain = np.append(terrain.gain, np.ones(2, dtype=np.float32))
    degree = np.append(terrain.degree, np.ones(2, dtype=np.int32))
    after = spread_of(Terrain([*terrain.segments, more], terrain.table, gain, degree), nodes, mass)
    assert np.array_equal(before.nodes, after.nodes)
    assert np.array_equal(before.score, after.score)


def test_entries_of_sources_that_do_not_count_are_not_followed() -> None:
    edges, n = random_edges(), N_PAGES + N_NAMES
    live = np.arange(0, N_PAGES, 2, dtype=np.int32)
    nodes, mass = seeds_of(np.random.default_rng(9), n)
    masked = spread_of(terrain_of(edges, n, live), nodes, mass)
    absent = spread_of(terrain_of(edges[edges[:, 0] % 2 == 0], n), nodes, mass)
    assert dense_of(masked, n) == pytest.approx(dense_of(absent, n), abs=1e-12)


def test_the_work_is_bounded_by_the_threshold(terrain: Terrain) -> None:
    nodes, mass = seeds_of(np.random.default_rng(10), len(terrain.gain))
    for eps in (1e-2, 1e-3, 1e-4):
        assert spread_of(terrain, nodes, mass, eps=eps).entries <= 1 / (eps * (1 - 0.6))


def test_a_written_segment_holds_what_was_given(tmp_path: Path) -> None:
    edges = random_edges()
    whole = Entries.both_ways(edges, edges[:, 0])
    pieces = [Entries.both_ways(part, part[:, 0]) for part in np.array_split(edges, 7)]
    write_segment(tmp_path / "base", N_PAGES + N_NAMES + 5, pieces, pieces)
    mapped, small = open_segment(tmp_path / "base").entries(), Segment.of(whole).entries()
    assert len(mapped.row) == len(small.row)
    key = [np.lexsort((e.via, e.target, e.row)) for e in (mapped, small)]
    for name in ("row", "target", "via", "code"):
        assert np.array_equal(getattr(mapped, name)[key[0]], getattr(small, name)[key[1]])


def test_the_prior_counts_from_its_cut() -> None:
    pages, cosines = np.arange(90, 101, dtype=np.int32), np.linspace(0.9, 1, 11)
    prior = dense_prior(pages, cosines, 10)
    assert prior.pages.tolist() == list(range(91, 101))
    assert prior.height[-1] == 1
    assert prior.height[0] == pytest.approx(0.1)
    assert dense_prior(pages, np.ones(11), 10).height.tolist() == [1.0] * 11


def test_an_entity_that_most_passages_name_gets_little_mass() -> None:
    df = np.array([2, 900], dtype=np.int32)
    prior = Prior(np.array([5], dtype=np.int32), np.ones(1))
    telling = entity_seeds([Link(0, "rare", 1.0)], df, 1000, prior, 0.6)
    hub = entity_seeds([Link(1, "speaker", 1.0)], df, 1000, prior, 0.6)
    assert telling.mass[0] == pytest.approx(0.6)
    assert hub.mass[0] < 0.01
    assert telling.mass.sum() == hub.mass.sum() == pytest.approx(1)
