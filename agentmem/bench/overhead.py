"""What memory costs apart from models: a durable write, a fused recall of everything and of 1 %, a batch, an opening.

Records are short made-up sentences; their vectors are made up as well and ready (random unit vectors around topics), so
that no figure holds an embedder's time.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from agentmem.bench.report import Report, percentile
from agentmem.contract import Vectors
from agentmem.records import Draft

_DIM = 384
_TOPICS = 500
_SCOPES = 100  # namespaces of 1 % each
_BATCH = 5_000  # records in one transaction
_SYLLABLES = ("ba", "do", "fi", "ga", "ko", "lu", "me", "no", "pi", "ra", "se", "ti", "vu", "za", "che", "sto")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agentmem bench overhead", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="1000,10000,100000", help="records in the home, ascending")
    parser.add_argument("--memories", default="chroma,bm25,context")
    parser.add_argument("--writes", type=int, default=100, help="single writes timed at each size")
    parser.add_argument("--queries", type=int, default=100, help="recalls timed at each size")
    parser.add_argument("--loop-rounds", type=int, default=5, help="rounds of the loop beside a bare graph; 0: none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    from agentmem.agent import Agent

    report = Report("overhead", {k: v for k, v in vars(options).items() if k != "json"})
    world = World(options.seed)
    memories = tuple(name.strip() for name in options.memories.split(","))
    with tempfile.TemporaryDirectory() as folder:

        def opened() -> Agent:
            return Agent.open(folder, memories=memories, embedder=_Ready())

        written = 0
        for size in (int(part) for part in options.sizes.split(",")):
            started = time.perf_counter()
            with opened() as agent:
                for start in range(written, size, _BATCH):
                    agent.remember_many([world.draft(i) for i in range(start, min(start + _BATCH, size))])
                agent.home.views.catch_up()
                batch_s = time.perf_counter() - started
            started = time.perf_counter()
            with opened() as agent:
                agent.recall(world.sentence(), readonly=True)
                open_s = time.perf_counter() - started
                _measure(report, agent, world, size, options, added=size - written, batch_s=batch_s, open_s=open_s)
            written = size + options.writes
    if options.loop_rounds:
        from agentmem.bench import loop

        turns = Report("overhead")
        loop.add_to(turns, loop.measure(rounds=options.loop_rounds), memories=4)
        turns.finish()
        print()
        report.figures |= turns.figures
    report.finish(options.json)
    return 0


def _measure(
    report: Report,
    agent: object,
    world: World,
    size: int,
    options: argparse.Namespace,
    *,
    added: int,
    batch_s: float,
    open_s: float,
) -> None:
    from agentmem.agent import Agent

    assert isinstance(agent, Agent), "an agent is measured"
    questions = [world.sentence() for _ in range(options.queries)]
    for question in questions[:3]:
        agent.recall(question, readonly=True)
    whole = _timed(lambda i: agent.recall(questions[i], readonly=True), options.queries)
    scope = _timed(lambda i: agent.recall(questions[i], namespace=world.scope(i), readonly=True), options.queries)
    writes = _timed(lambda i: agent.remember(world.sentence(), namespace=world.scope(i)), options.writes)
    for name, values in (("write", writes), ("recall", whole), ("recall_ns", scope)):
        report.figure(f"{name}_ms_p50@{size}", percentile(values, 0.5))
        report.figure(f"{name}_ms_p95@{size}", percentile(values, 0.95))
    report.figure(f"batch_s@{size}", batch_s)
    report.figure(f"open_s@{size}", open_s)
    report.row(
        records=size,
        **{
            "write ms p50": percentile(writes, 0.5),
            "recall ms p50": percentile(whole, 0.5),
            "p95": percentile(whole, 0.95),
            "recall of 1 % ms p50": percentile(scope, 0.5),
            "batch s": batch_s,
            "added": added,
            "open s": open_s,
            "n": options.queries,
        },
    )


def _timed(call: Callable[[int], object], n: int) -> list[float]:
    out = []
    for i in range(n):
        started = time.perf_counter()
        call(i)
        out.append(1000 * (time.perf_counter() - started))
    return out


class World:
    """Made-up sentences: words by Zipf's law, fifteen to a sentence."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._words = ["".join(self._rng.choices(_SYLLABLES, k=self._rng.randint(1, 4))) for _ in range(30_000)]
        self._weights = np.cumsum(1.0 / np.arange(1, len(self._words) + 1)).tolist()

    def sentence(self) -> str:
        return " ".join(self._rng.choices(self._words, cum_weights=self._weights, k=15))

    def scope(self, i: int) -> tuple[str, ...]:
        return (f"scope-{i % _SCOPES}",)

    def draft(self, i: int) -> Draft:
        return Draft(body=self.sentence(), kind="fact", namespace=self.scope(i))


class _Ready:
    """Vectors as if an embedder had made them already: a topic's direction and a text's own, from their hashes."""

    model_id = "made-up"
    dim = _DIM

    def embed(self, texts: Sequence[str]) -> Vectors:
        out = np.empty((len(texts), _DIM), np.float32)
        for row, text in zip(out, texts, strict=True):
            seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
            row[:] = _topic(seed % _TOPICS) + np.random.default_rng(seed).standard_normal(_DIM, np.float32)
            row /= np.linalg.norm(row)
        return out

    def count_tokens(self, text: str) -> int:
        return len(text) // 4


@lru_cache(maxsize=_TOPICS)
def _topic(number: int) -> Vectors:
    return np.random.default_rng(number).standard_normal(_DIM, np.float32)
