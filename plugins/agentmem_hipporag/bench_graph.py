"""How the graph grows: a corpus copied with renamed entities and moved vectors, asked the same questions at every size.

Per size: index time, memory, the push alone, linking and the dense prior apart, entries read, agreement with exact
power iteration on the same graph, and the time of that and of igraph's PageRank in the same run. Also: how long a
store with a million edges takes to open.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agentmem.bench.report import Report, bootstrap, percentile
from agentmem.errors import BadInput
from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.edges import Entries, Kind, encode
from agentmem_hipporag.exact import power_iteration, transition_matrix
from agentmem_hipporag.graph import KnowledgeGraph, Sight
from agentmem_hipporag.indexing import passage_edges, written_words
from agentmem_hipporag.linking import link_question
from agentmem_hipporag.retrieval import Prior, Seeds, dense_prior, entity_seeds, nearest, prior_size, rank_pages, walk
from agentmem_hipporag.segments import write_segment
from agentmem_hipporag.spans import Mentions, mentions
from agentmem_hipporag.store import Selection, Store
from agentmem_hipporag.vectors import VectorFile, Vectors

_SHARED = 10  # one entity in ten keeps its name in all copies
_MOVED = 0.3  # length of the random step added to a unit vector: cosine 0.96 with the original
_REPEATS = 3
_SYNTHETIC_PER_PASSAGE = 60


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages read once: what they name, how their words are written, their vectors; and the questions."""

    ids: list[str]
    told: list[Mentions]
    words: list[list[str]]
    vectors: Vectors
    questions: list[str]
    question_vectors: Vectors
    gold: list[set[str]]
    spans_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One question at one size: its seeds, and how long the parts took (best of three, milliseconds)."""

    seeds: Seeds
    prior: Prior
    link_ms: float
    dense_ms: float
    push_ms: float
    entries: int
    found: list[str]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agentmem bench graph", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="a set with dev.json (passages and questions)")
    parser.add_argument("--scale", default="1,10,50", help="how many copies of the corpus")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--exact", type=int, default=20, help="questions compared with power iteration at each size")
    parser.add_argument(
        "--edges", type=int, default=1_000_000, help="edges of the synthetic store that is opened; 0: none"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    corpus = read_corpus(Path(options.data), options.embedder, options.questions)
    scales = [int(part) for part in options.scale.split(",")]
    report = Report("graph", {**vars(options), "data": Path(options.data).name, "passages": len(corpus.ids)})
    with tempfile.TemporaryDirectory(prefix="agentmem-graph-") as folder:
        for scale in scales:
            measure(corpus, scale, Path(folder) / str(scale), report, options.exact, options.seed)
        if options.edges:
            measure_opening(Path(folder) / "edges", options.edges, report, options.seed)
    report.finish(options.json)
    return 0


def read_corpus(folder: Path, embedder: str, n_questions: int) -> Corpus:
    """The set's passages and questions, embedded once."""
    from agentmem.embed import EmbedderOptions, load_embedder
    from agentmem.embed.cache import default_cache

    file = folder if folder.is_file() else folder / "dev.json"
    if not file.exists():
        raise BadInput(
            f"no file {file.name} in '{folder.name}'; give the folder of a set with passages, such as musique"
        )
    data = json.loads(file.read_text(encoding="utf-8"))
    if "corpus" not in data:
        raise BadInput(f"'{folder.name}' holds no passages; give a set with a corpus, such as musique or hotpotqa")
    passages, questions = data["corpus"], data["questions"][:n_questions]
    model = load_embedder(embedder, default_cache(), EmbedderOptions(export="never"))
    started = time.perf_counter()
    told = [mentions(p["text"], p["title"]) for p in passages]
    return Corpus(
        ids=[p["id"] for p in passages],
        told=told,
        spans_s=time.perf_counter() - started,
        words=[written_words(f"{p['title']} {p['text']}") for p in passages],
        vectors=model.embed([f"{p['title']}\n{p['text']}" for p in passages]),
        questions=[q["question"] for q in questions],
        question_vectors=model.embed([q["question"] for q in questions]),
        gold=[set(q["gold"]) for q in questions],
    )


# ---- one size


def renamed(told: Mentions, copy: int) -> Mentions:
    """The same passage about other things: every name but one in ten is another name in this copy."""
    if copy == 0:
        return told

    def name(key: str) -> str:
        return key if not key or sum(key.encode()) % _SHARED == 0 else f"{key} {copy}x"

    return Mentions(name(told.title), tuple(tuple(name(key) for key in line) for line in told.sentences))


def grow(
    corpus: Corpus, scale: int, folder: Path, config: HippoRAGConfig, seed: int
) -> tuple[KnowledgeGraph, VectorFile, float]:
    """A store with that many copies; the seconds of indexing, spans counted once for each copy."""
    store = Store(folder / "graph.sqlite")
    graph = KnowledgeGraph(store, folder, config.gains())
    vectors = VectorFile(folder / "vectors.f32", corpus.vectors.shape[1])
    rng = np.random.default_rng(seed)
    started = time.perf_counter()
    row = 0
    for copy in range(scale):
        moved = corpus.vectors
        if copy:
            step = rng.standard_normal(moved.shape).astype(np.float32)
            moved = moved + _MOVED * step / np.linalg.norm(step, axis=1, keepdims=True)
            moved = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        vectors.write(row, moved)
        with store.transaction():
            for passage, told, words in zip(corpus.ids, corpus.told, corpus.words, strict=True):
                record = f"{passage}-{copy}"
                page = store.page_id(record)
                edges = passage_edges(store, page, renamed(told, copy))
                source = store.add_source(record, "", page, row, "/", {"kind": "chunk"}, edges, words)
                graph.add(source, page, row, edges)
                row += 1
        if graph.wants_compaction:
            graph.compact()
    graph.compact()
    return graph, vectors, time.perf_counter() - started + corpus.spans_s * scale


def ask(
    corpus: Corpus, number: int, graph: KnowledgeGraph, vectors: VectorFile, sight: Sight, config: HippoRAGConfig
) -> Asked | None:
    """One question, its parts timed apart; None when it names nothing in the graph."""
    best = [math.inf] * 3
    for _ in range(_REPEATS):
        at = [time.perf_counter()]
        links, _ = link_question(corpus.questions[number], graph.store, sight.df, sight.n_names, "/")
        at.append(time.perf_counter())
        if not links:
            return None
        top = prior_size(len(sight.pages), config.prior_top)
        prior = dense_prior(*nearest(vectors, corpus.question_vectors[number], sight, top + 1), top)
        seeds = entity_seeds(links, sight.df, len(sight.pages), prior, config.entity_mass)
        at.append(time.perf_counter())
        spread = walk(graph, sight, seeds, config)
        at.append(time.perf_counter())
        best = [min(old, 1e3 * (b - a)) for old, a, b in zip(best, at, at[1:], strict=False)]
    pages, scores = rank_pages(spread, sight, prior, config.late, 10)
    keys = graph.store.keys_of(pages)
    order = sorted(zip(scores, pages, strict=True), key=lambda hit: (-hit[0], keys[hit[1]]))[:10]
    return Asked(seeds, prior, best[0], best[1], best[2], spread.entries, [keys[page] for _, page in order])


def measure(corpus: Corpus, scale: int, folder: Path, report: Report, n_exact: int, seed: int) -> None:
    """One size: a row of the table, and its figures."""
    config = HippoRAGConfig()
    graph, vectors, index_s = grow(corpus, scale, folder, config, seed)
    sight = graph.sight(Selection())
    asked = [ask(corpus, i, graph, vectors, sight, config) for i in range(len(corpus.questions))]
    linked = [one for one in asked if one is not None]
    exact_ms, overlaps = compare(graph, sight, linked[:n_exact], config)
    found = [
        len({r.partition("-")[0] for r in one.found[:5]} & gold) / len(gold)
        for one, gold in zip(asked, corpus.gold, strict=True)
        if one is not None
    ]
    push = [one.push_ms for one in linked]
    columns = (graph.live, graph.page_of, graph.row_of, graph.df, graph.titles, graph.pages, graph.degree, graph.gain)
    held = sum(column.values.nbytes for column in columns) + graph.scratch().mass.nbytes + graph.scratch().score.nbytes
    memory = (sum(segment.nbytes for segment in graph.segments) + held) / 1e6
    igraph_ms = igraph_time(graph, sight, linked[: max(1, n_exact // 4)], config)
    entries = sum(len(segment) for segment in graph.segments)
    report.row(
        scale=scale,
        passages=len(sight.pages),
        nodes=graph.n_nodes,
        edges=entries // 2,
        index_s=index_s,
        memory_mb=memory,
        link_ms=statistics.median(one.link_ms for one in linked),
        dense_ms=statistics.median(one.dense_ms for one in linked),
        push_ms_p50=statistics.median(push),
        push_ms_p95=percentile(push, 0.95),
        push_interval=str(bootstrap(push, statistic=statistics.median)),
        edges_touched=statistics.median(one.entries for one in linked),
        exact_ms=statistics.median(exact_ms),
        igraph_ms=igraph_ms if igraph_ms is not None else "not installed",
        overlap10=statistics.fmean(overlaps),
        recall5=100 * statistics.fmean(found),
        n=len(linked),
    )
    figures = {
        "push_ms_p50": statistics.median(push),
        "exact_ms_p50": statistics.median(exact_ms),
        "igraph_ms_p50": igraph_ms,
        "dense_ms_p50": statistics.median(one.dense_ms for one in linked),
        "link_ms_p50": statistics.median(one.link_ms for one in linked),
        "edges_touched": statistics.median(one.entries for one in linked),
        "overlap@10": statistics.fmean(overlaps),
        "index_s": index_s,
        "memory_mb": memory,
    }
    for name, value in figures.items():
        if value is not None:
            report.figure(f"{name}@{scale}", value)
    report.figure("overlap@10", min(statistics.fmean(overlaps), report.figures.get("overlap@10", 1.0)))
    graph.store.close()


def compare(
    graph: KnowledgeGraph, sight: Sight, asked: Sequence[Asked], config: HippoRAGConfig
) -> tuple[list[float], list[float]]:
    """Milliseconds of twenty exact rounds per question, and the share of the exact top ten that the push found."""
    matrix = transition_matrix(graph.terrain(sight, config.weights().table()))
    times, shares = [], []
    for one in asked:
        started = time.perf_counter()
        power_iteration(matrix, one.seeds.nodes, one.seeds.mass, damping=config.damping, rounds=20)
        times.append(1e3 * (time.perf_counter() - started))
        score = power_iteration(matrix, one.seeds.nodes, one.seeds.mass, damping=config.damping)
        score[one.prior.pages] *= 1 + config.late * one.prior.height
        best = sight.pages[np.argsort(-np.round(score[sight.pages], 12), kind="stable")[:10]].tolist()
        shares.append(len(set(graph.store.keys_of(best).values()) & set(one.found)) / 10)
    return times, shares


def igraph_time(graph: KnowledgeGraph, sight: Sight, asked: Sequence[Asked], config: HippoRAGConfig) -> float | None:
    """Median milliseconds of igraph's own personalised PageRank (prpack) on the same graph; None without igraph."""
    try:
        import igraph
    except ImportError:
        return None
    terrain = graph.terrain(sight, config.weights().table())
    matrix = transition_matrix(terrain).tocoo()
    pairs = np.stack([matrix.col, matrix.row], axis=1)
    other: Any = igraph.Graph(
        n=matrix.shape[0], edges=pairs, directed=True, edge_attrs={"weight": matrix.data.tolist()}
    )
    times = []
    for one in asked:
        mass = np.zeros(matrix.shape[0])
        mass[one.seeds.nodes] = one.seeds.mass
        reset = mass.tolist()
        started = time.perf_counter()
        other.personalized_pagerank(damping=config.damping, reset=reset, weights="weight", implementation="prpack")
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


# ---- opening


def measure_opening(folder: Path, n_edges: int, report: Report, seed: int) -> None:
    """Seconds to open a compacted store of that many edges, 60 a passage, names drawn by Zipf's law."""
    build_synthetic(folder, n_edges, seed)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        store = Store(folder / "graph.sqlite")
        graph = KnowledgeGraph(store, folder, HippoRAGConfig().gains())
        graph.sight(Selection())
        times.append(time.perf_counter() - started)
        on_disk = sum(file.stat().st_size for file in (folder / "base-0").iterdir())
        held = sum(c.values.nbytes for c in (graph.live, graph.page_of, graph.row_of, graph.df, graph.gain))
        held += graph.titles.values.nbytes + graph.pages.values.nbytes + graph.degree.values.nbytes
        store.close()
    report.row(
        scale="synthetic",
        passages=n_edges // _SYNTHETIC_PER_PASSAGE,
        edges=n_edges,
        open_s=statistics.median(times),
        disk_bytes_per_edge=on_disk / n_edges,
        held_bytes_per_edge=held / n_edges,
    )
    report.figure("open_s", statistics.median(times))
    report.figure("disk_bytes_per_edge", on_disk / n_edges)
    report.figure("held_bytes_per_edge", held / n_edges)


def build_synthetic(folder: Path, n_edges: int, seed: int) -> None:
    """Write the compacted part of a store directly: passages first, then as many names."""
    n_pages = max(1, n_edges // _SYNTHETIC_PER_PASSAGE)
    n_names = 4 * n_pages
    n_nodes = n_pages + n_names

    def chunks() -> Iterator[Entries]:
        rng = np.random.default_rng(seed)
        for start in range(0, n_pages, 20_000):
            pages = np.arange(start, min(start + 20_000, n_pages), dtype=np.int32)
            page = np.repeat(pages, _SYNTHETIC_PER_PASSAGE)
            name = n_pages + (n_names * rng.random(len(page)) ** 3).astype(np.int32)
            code = np.full(len(page), encode(Kind.CONTEXT), dtype=np.int32)
            yield Entries.both_ways(np.stack([page, name, code], axis=1), page)

    base = folder / "base-0"
    write_segment(base, n_nodes, chunks(), chunks())
    lengths = np.diff(np.load(base / "indptr.npy", mmap_mode="r")).astype(np.int32)
    is_page = np.arange(n_nodes) < n_pages
    np.save(base / "live.npy", np.ones(n_pages, dtype=np.bool_))
    np.save(base / "page_of.npy", np.arange(n_pages, dtype=np.int32))
    np.save(base / "row_of.npy", np.arange(1, n_pages + 1, dtype=np.int32))
    np.save(base / "df.npy", np.where(is_page, 0, lengths).astype(np.int32))
    np.save(base / "degree.npy", lengths)
    np.save(base / "titles.npy", np.zeros(n_nodes, dtype=np.int32))
    np.save(base / "pages.npy", is_page.astype(np.int32))
    np.save(base / "gain.npy", (is_page | (lengths > 1)).astype(np.float32))
    store = Store(folder / "graph.sqlite")
    store.set_meta("base", json.dumps({"folder": "base-0", "sources": n_pages}))
    store.close()
