"""Recall of the evidence: what share of the records that hold the answer is among the first k hits.

Writes a set through the real path (one namespace per conversation, memories derive as they do for people) and asks each
question through the real route, recall and fusion; every memory's own ranking stands beside the fused one.

With ``--derived`` what a set holds besides its turns is written as records that derive from them. A hit on such a
record counts for nothing: it is no evidence, and takes a place. ``+sources`` counts it for the turns behind it instead,
which flatters: a summary stands for all turns of its session.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agentmem.bench.report import Report, bootstrap, percentile
from agentmem.bench.sets import DERIVED, ITEM, ITEMS, EvaluationSet, Question, read_set
from agentmem.errors import BadInput
from agentmem.records import Draft, Hit
from agentmem.settings import DEFAULT_MEMORIES
from agentmem.summaries import RESTS

if TYPE_CHECKING:
    from agentmem.agent import Agent

FUSED = "fused"
SOURCES = "+sources"
ADVERSARIAL = "adversarial"
_UNRANKED = frozenset({"context"})  # answers with everything; there is nothing to rank


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agentmem bench recall", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="a folder with a dev.json, see agentmem.bench.sets"
    )
    parser.add_argument("--memories", default=",".join(m for m in DEFAULT_MEMORIES if m not in _UNRANKED))
    parser.add_argument("--k", default="2,5,10", help="depths at which recall is measured")
    parser.add_argument("--derived", default="", metavar="KINDS", help=f"write these as well: {','.join(DERIVED)}")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--limit", type=int, help="ask only the first N questions")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="as for other commands")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    depths = _depths(options.k)
    memories = [name.strip() for name in options.memories.split(",") if name.strip() and name.strip() not in _UNRANKED]
    data = read_set(Path(options.data))
    derived = _derived(options.derived, data)

    from agentmem.agent import Agent

    settings = {"set": data.name, "memories": memories, "k": depths, "embedder": options.embedder, "set_": options.set}
    if options.derived:
        settings["derived"] = options.derived
    report = Report("recall", settings)
    with (
        tempfile.TemporaryDirectory() as folder,
        Agent.open(folder, memories=tuple(memories), embedder=options.embedder, settings=options.set) as agent,
    ):
        index_s = _write(agent, data, derived)
        answers = _ask(agent, data.questions[: options.limit], max(depths))
    _tell(report, answers, index_s, depths, data, derived=bool(derived))
    report.finish(options.json)
    return 0


class Answers:
    """For every ranking the share of the evidence found at each rank, and how long it took."""

    def __init__(self) -> None:
        self.ranked: dict[str, list[tuple[Question, list[set[str]]]]] = defaultdict(list)
        self.places: dict[str, list[list[bool]]] = defaultdict(list)  # which hits are derived records
        self.ms: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, question: Question, hits: Sequence[Hit], ms: float) -> None:
        items = [{str(hit.record.attributes.get(ITEM) or "")} - {""} for hit in hits]
        behind = [set(map(str, hit.record.attributes.get(ITEMS, ()))) for hit in hits]
        self.ranked[name].append((question, items))
        self.ranked[f"{name}{SOURCES}"].append((question, [a | b for a, b in zip(items, behind, strict=True)]))
        self.places[name].append([bool(b) for b in behind])
        self.ms[name].append(ms)

    def recalls(self, name: str, k: int, *, category: str | None = None, but: str | None = None) -> list[float]:
        """Recall@k in %, one number a question."""
        return [
            100.0 * len(question.wanted & set().union(*items[:k])) / len(question.wanted)
            for question, items in self.ranked[name]
            if (category is None or question.category == category) and question.category != but
        ]

    def displaced(self, name: str, k: int) -> float:
        """How many of the first k hits are derived records, in the mean."""
        return sum(sum(places[:k]) for places in self.places[name]) / max(1, len(self.places[name]))


def _derived(text: str, data: EvaluationSet) -> list[Draft]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in data.derived:
            known = ", ".join(data.derived) or "none"
            raise BadInput(f"the set '{data.name}' holds no derived records named '{name}'; it holds: {known}")
    return [draft for name in names for draft in data.derived[name]]


def _depths(text: str) -> list[int]:
    try:
        depths = sorted({int(part) for part in text.split(",")})
    except ValueError:
        depths = []
    if not depths or depths[0] < 1:
        raise BadInput(f"--k takes whole numbers from 1 on, separated by commas, not '{text}'")
    return depths


def _write(agent: Agent, data: EvaluationSet, derived: Sequence[Draft]) -> dict[str, float]:
    """Write everything down; returns the seconds that each memory's index took (the first pays for the vectors)."""
    for batch in data.batches:
        if batch:
            agent.remember_many(batch)
    if derived:
        ids = {str(record.attributes.get(ITEM)): record.id for record in agent.records()}
        drafts = [_resting(draft, ids) for draft in derived]
        agent.home.write(drafts, verb="derive", actor="agent")  # as the agent does: nothing derives from them again
    seconds = {}
    for view in agent.home.views.usable():
        started = time.perf_counter()
        view.catch_up()
        seconds[view.name] = time.perf_counter() - started
    return seconds


def _resting(draft: Draft, ids: Mapping[str, str]) -> Draft:
    """The draft with the records that it derives from, now that they have ids."""
    rests = [[ids[item] for item in items] for items in draft.attributes.get(RESTS, ())]
    attributes = {**draft.attributes, RESTS: rests} if rests else draft.attributes
    return replace(draft, derived_from=tuple(ids[i] for i in draft.attributes[ITEMS]), attributes=attributes)


def _ask(agent: Agent, questions: Sequence[Question], depth: int) -> Answers:
    answers = Answers()
    for question in questions:
        agent.search(question.text, namespace=question.namespace, k=1, readonly=True)  # embeds; vectors are kept
        started = time.perf_counter()
        found = agent.search(question.text, namespace=question.namespace, k=depth, readonly=True)
        answers.add(FUSED, question, found.hits, 1000 * (time.perf_counter() - started))
        for name in agent.home.views.names():  # each by itself, whatever the router chose
            alone = agent.search(question.text, namespace=question.namespace, k=depth, memory=name, readonly=True)
            (recall,) = alone.recalls
            if recall.error is not None:
                raise BadInput(f"{name} failed on '{question.text}': {recall.error}")
            answers.add(name, question, recall.hits, recall.ms)
    return answers


def _tell(
    report: Report,
    answers: Answers,
    index_s: dict[str, float],
    depths: Sequence[int],
    data: EvaluationSet,
    *,
    derived: bool,
) -> None:
    names = [name for name in answers.ms if name != FUSED]
    baseline = names[0] if names else FUSED
    deepest = max(depths)
    categories = sorted({question.category for question in data.questions})
    for name in [*names, FUSED]:
        row: dict[str, object] = {"memory": name, "n": len(answers.ranked[name])}
        for k in depths:
            value = bootstrap(answers.recalls(name, k))
            row[f"recall@{k}"] = str(value) if k == deepest else value.value
            report.figure(f"{name}.recall@{k}", value.value)
            for category in categories:
                part = answers.recalls(name, k, category=category)
                if part and len(categories) > 1:
                    report.figure(f"{name}.{category}.recall@{k}", sum(part) / len(part))
            answerable = answers.recalls(name, k, but=ADVERSARIAL)
            if ADVERSARIAL in categories and answerable:
                report.figure(f"{name}.answerable.recall@{k}", sum(answerable) / len(answerable))
        if ADVERSARIAL in categories:
            row[f"answerable@{deepest}"] = report.figures.get(f"{name}.answerable.recall@{deepest}", float("nan"))
        row[f"x {baseline}"] = report.figures[f"{name}.recall@{deepest}"] / max(
            report.figures[f"{baseline}.recall@{deepest}"], 1e-9
        )
        if derived:
            through = answers.recalls(f"{name}{SOURCES}", deepest)
            figures = {f"{name}.derived@{deepest}": answers.displaced(name, deepest)}
            figures[f"{name}{SOURCES}.recall@{deepest}"] = sum(through) / len(through)
            row["derived hits"], row[f"{SOURCES}@{deepest}"] = figures.values()
            for label, figure in figures.items():
                report.figure(label, figure)
        row["ms p50"] = percentile(answers.ms[name], 0.5)
        report.figure(f"{name}.query_ms_p50", percentile(answers.ms[name], 0.5))
        if name in index_s:
            row["index s"] = index_s[name]
            report.figure(f"{name}.index_s", index_s[name])
        report.row(**row)
