"""The full-information matrix: every arm on every planted question, in several repeats, and what the router did.

Arms are fused from what each memory answered alone, so that all of them see the same store and clock.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agentmem.bench.sets import EvaluationSet
from agentmem.contract import Capability
from agentmem.records import Hit, Query, Recall
from agentmem.router import Route, Situation
from agentmem.routing.arms import Arm, all_arms
from agentmem.routing.features import features_of, signals_of
from agentmem.routing.rules import rule
from agentmem_lm.router_planted import Planted, PlantedSet, keys_of

if TYPE_CHECKING:
    from agentmem.home import Home
    from agentmem.reading import Reading

TEXT = ("bm25", "chroma", "hipporag")
MEMORIES = (*TEXT, "lm")
K = 5  # hits shown of a planted question


@dataclass(slots=True)
class Row:
    """One question: outcomes 0 to 1 by arm and repeat, and for each repeat what the router was told and did."""

    question: Planted
    style: str
    outcomes: dict[Arm, list[float]] = field(default_factory=dict)
    policy: list[float] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    features: list[dict[str, float]] = field(default_factory=list)
    signals: list[dict[str, float]] = field(default_factory=list)
    route_ms: list[float] = field(default_factory=list)
    look_ms: list[float] = field(
        default_factory=list
    )  # to see whether the evidence bears; 0 where nothing was looked at

    @property
    def group(self) -> str:
        return self.question.group

    @property
    def chosen(self) -> list[Arm]:
        """The arms that the router chose at first, by repeat; a rule counts as the set that it names."""
        return [
            Arm.of(str(route.decision["arm"])) if "arm" in route.decision else Arm(tuple(sorted(route.memories)))
            for route in self.routes
        ]


def run(
    planted: PlantedSet, *, repeats: int, embedder: str, router: str, ms: dict[str, list[float]] | None = None
) -> list[Row]:
    """Every arm and the router on every question; ``ms`` takes what each memory needed."""
    from agentmem.agent import Agent
    from agentmem.reading import Reading

    rows = [Row(question, planted.style) for question in planted.questions]
    for repeat in range(repeats):
        namespace = ("planted", planted.style)
        with (
            tempfile.TemporaryDirectory() as folder,
            Agent.open(
                folder, memories=MEMORIES, local_model="demo", embedder=embedder, router=router, observe=False
            ) as agent,
        ):
            drafts = planted.drafts(repeat, namespace)
            agent.remember_many(drafts)
            for view in agent.home.views.usable():
                view.catch_up()
            reading = Reading(agent.home)
            for row in rows:
                _ask(reading, agent.home, row, reading.query(row.question.text, namespace=namespace, k=K), ms)
    return rows


def run_on_set(data: EvaluationSet, *, k: int, embedder: str, router: str, ms: dict[str, list[float]]) -> list[Row]:
    """Every arm and the router on the questions of a set; its store is what it is, so there is one repeat."""
    from agentmem.agent import Agent
    from agentmem.reading import Reading

    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Agent.open(folder, memories=TEXT, embedder=embedder, router=router) as agent,
    ):
        for batch in data.batches:
            if batch:
                agent.remember_many(batch)
        for view in agent.home.views.usable():
            view.catch_up()
        reading = Reading(agent.home)
        for asked in data.questions:
            row = Row(Planted(asked.text, asked.category, "/".join(asked.namespace), asked.wanted), data.name)
            _ask(reading, agent.home, row, reading.query(asked.text, namespace=asked.namespace, k=k), ms)
            rows.append(row)
    return rows


def _ask(reading: Reading, home: Home, row: Row, query: Query, ms: dict[str, list[float]] | None) -> None:
    names = [view.name for view in home.views.usable()]
    weights = [v.name for v in home.views.usable() if Capability.PARAMETRIC in v.memory.capabilities]
    recalls = {recall.memory: recall for recall in reading.ask(query, names)}
    for name, recall in recalls.items():
        if ms is not None:
            ms.setdefault(name, []).append(recall.ms)
    for arm in all_arms([name for name in names if name not in weights], weights):
        hits = _fused(reading, query, [recalls[name] for name in arm.memories], arm.width)
        row.outcomes.setdefault(arm, []).append(grade(row.question, hits))
    started = time.perf_counter()
    route, situation, _ = reading.route(query, ranking=True)
    row.route_ms.append(1000 * (time.perf_counter() - started))
    row.features.append(features_of(query, situation, rule(query, situation).kind))
    row.signals.append(signals_of(list(recalls.values())))
    found = [recalls[name] for name in route.memories]
    looks: list[float] = []
    settled, found = reading.settle(query, _timed(situation, looks), route, found)
    row.look_ms.append(sum(looks))
    hits = [] if settled.abstain else _fused(reading, query, found, settled.width)
    wider = reading.widened(query, settled, hits)
    if wider.width > settled.width:
        settled, hits = wider, _fused(reading, query, found, wider.width)
    row.policy.append(grade(row.question, hits))
    row.routes.append(settled)


def _timed(situation: Situation, ms: list[float]) -> Situation:
    """The same situation; ``ms`` takes what each look at an embedder or a model needed."""

    def timed(look: Any) -> Any:
        def once(passages: Sequence[str]) -> Any:
            started = time.perf_counter()
            try:
                return look(passages)
            finally:
                ms.append(1000 * (time.perf_counter() - started))

        return None if look is None else once

    return replace(situation, weigh=timed(situation.weigh), likeness=timed(situation.likeness))


def _fused(reading: Reading, query: Query, recalls: Sequence[Recall], width: int) -> list[Hit]:
    """What the agent would show of these answers: fused, with further hops, cut to the width."""
    hits = reading.fuse(query, recalls, k=query.k * width)
    return reading.further(query, hits, [recall.memory for recall in recalls])[: query.k * width]


def grade(question: Planted, hits: Sequence[Hit]) -> float:
    """0 to 1: the share of the evidence that is shown, a right answer of the weights, or rightly nothing."""
    if not question.wanted and not question.answer:
        return float(not hits)
    if question.answer:
        return float(any(_says(hit, question.answer) for hit in hits))
    seen: set[str] = set()
    for hit in hits:
        if question.stale and _says(hit, question.stale) and not question.wanted <= seen:
            return 0.0  # what is no longer so stands above what is
        seen |= keys_of(hit.record.attributes)
    return len(question.wanted & seen) / len(question.wanted)


def _says(hit: Hit, answer: str) -> bool:
    """Whether a hit is an answer out of weights that says this."""
    told = hit.record.attributes
    return bool(told.get("parametric")) and str(told.get("answer", "")).strip(" .").casefold() == answer.casefold()
