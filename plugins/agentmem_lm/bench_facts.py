"""`agentmem bench facts`: the same new facts written to every memory, and what each makes of them.

Facts of the demo world are changed. Weight memories take them as edits and are scored by free greedy generation; text
memories hold the old facts and are told the new ones, and are scored by what an agent that may ask that memory alone
answers by quoting. rewrite: asked as it was told; paraphrase: in other words; locality: other subjects' answers stay;
two_hop: a question over the new fact and one about its object; after_100: rewrite after more writes; after_undo: the
share that is as it was before. Seconds are CPU; tokens are what a model has to be shown to answer one question.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentmem.bench.report import Report, bootstrap
from agentmem.contract import Capability
from agentmem.errors import BadInput
from agentmem.models.protocol import estimate_tokens
from agentmem.registry import load
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.wordings import CHAINS, WORDINGS, question_prompt, statement
from agentmem_lm.demo.world import Fact, World, build
from agentmem_lm.editing_cases import Case, cases

SCORES = ("rewrite", "paraphrase", "locality", "two_hop", "after_100", "after_undo")
_LATER = 30 * 86_400.0


@dataclass(frozen=True)
class Asked:
    """A question, the prompt that a model is given for it, and the answers that are right before and after."""

    question: str
    prompt: str
    before: str
    after: str


def main(argv: list[str]) -> int:
    """Write the facts to every memory, one home each, and report one table."""
    parser = argparse.ArgumentParser(prog="agentmem bench facts", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--memories", default="chroma,bm25,hipporag,context,wise,memit,memlayer")
    parser.add_argument("--facts", type=int, default=8)
    parser.add_argument("--more", type=int, default=100, help="further writes before rewrite is asked again; 0: none")
    parser.add_argument("--model", default="demo", help="demo, or a folder with a model trained on the demo world")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args(argv)
    if given.facts < 1 or given.more < 0:
        raise BadInput("--facts takes at least 1 and --more at least 0")
    world = build()
    made = _chained(world, given.facts, given.seed)
    done = {case.fact.subject for case in made}
    more = [c for c in cases(world, given.more + given.facts, given.seed + 1) if c.fact.subject not in done]
    report = Report("facts", {key: value for key, value in vars(given).items() if key != "json"})
    for name in given.memories.split(","):
        weights = Capability.NEEDS_LOCAL_MODEL in load("memories", name).capabilities
        with tempfile.TemporaryDirectory() as folder:
            run = _Weights(folder, name, given) if weights else _Texts(folder, name, given, world)
            try:
                _measure(report, run, name, world, made, more[: given.more], given.seed)
            finally:
                run.agent.close()
    report.finish(given.json)
    return 0


def _chained(world: World, count: int, seed: int) -> list[Case]:
    """Changed facts whose new object has a fact of its own, so that a question over both has an answer."""
    starts = dict(CHAINS.keys())
    found = [
        case
        for case in cases(world, 12 * count, seed)
        if case.fact.relation in starts and starts[case.fact.relation] in world.by_subject.get(case.target, {})
    ]
    return found[:count]


# ---- the two ways of holding a fact


class _Weights:
    """A memory of edits: written by `agent.edit_many`, asked by completing the prompt."""

    def __init__(self, folder: str, name: str, given: argparse.Namespace) -> None:
        from agentmem import Agent
        from agentmem_lm.provider import open_model

        self.folder, self.name = Path(folder), name
        self.agent = Agent.open(folder, memories=name, embedder="hash", local_model=open_model(given.model))
        held: Any = self.agent.home.views[name].memory
        getattr(held, "layer", None)  # the site is found once a model, not once an edit
        self.tokens: list[int] = []

    def write(self, made: Sequence[Case], *, facts: Sequence[Fact] = ()) -> list[Any]:
        receipts = [self.agent.edit_many([case.request for case in made], memory=self.name)]
        self.agent.flush_edits()
        return receipts

    def answer(self, asked: Sequence[Asked]) -> list[str]:
        self.tokens += [0] * len(asked)
        said = self.agent.complete([one.prompt for one in asked], max_new_tokens=12)
        return [str(text).strip().removesuffix(".") for text in said]

    @staticmethod
    def right(said: str, wanted: str, other: str) -> bool:
        return said == wanted


class _Texts:
    """A memory of texts: holds the old facts, is told the new ones a month later, answers by quoting."""

    def __init__(self, folder: str, name: str, given: argparse.Namespace, world: World) -> None:
        from agentmem import Agent

        self.folder, self.name, self.world = Path(folder), name, world
        self.agent = Agent.open(folder, memories=name, embedder=given.embedder, synchronous="NORMAL")
        self.tokens: list[int] = []

    def write(self, made: Sequence[Case], *, facts: Sequence[Fact] = ()) -> list[Any]:
        from agentmem.records import Draft

        now = time.time()
        if facts:
            told = [statement(WORDINGS[f.relation].statements[0], f.subject, f.object) for f in facts]
            self.agent.remember_many([Draft(body=text, valid_from=now - _LATER) for text in dict.fromkeys(told)])
            return []
        told = [statement(WORDINGS[c.fact.relation].statements[0], c.fact.subject, c.target) for c in made]
        receipt = self.agent.remember_many([Draft(body=text, valid_from=now) for text in told])
        self.agent.home.views.catch_up()
        return [receipt]

    def answer(self, asked: Sequence[Asked]) -> list[str]:
        out = []
        for one in asked:
            answer = self.agent.ask(one.question, memory=self.name, incognito=True)
            self.tokens.append(sum(estimate_tokens(hit.record.body) for hit in answer.hits))
            out.append(answer.text)
        return out

    @staticmethod
    def right(said: str, wanted: str, other: str) -> bool:
        """Whether the answer leads with what is wanted; what it says of the other value must come after."""
        place = said.find(wanted)
        return place >= 0 and (other == wanted or other not in said[:place])


Run = _Weights | _Texts


# ---- measuring


def _measure(
    report: Report, run: Run, name: str, world: World, made: Sequence[Case], more: Sequence[Case], seed: int
) -> None:
    draws = Draws(seed + 2)
    rewrite, paraphrase, hop = _questions(world, made, draws)
    elsewhere = _elsewhere(world, {c.fact.subject for c in [*made, *more]}, draws, 4 * len(made))
    if isinstance(run, _Texts):
        run.write((), facts=_background(world, made, elsewhere))
    before = _size(run.folder)
    untouched = run.answer(elsewhere)
    as_it_was = run.answer(rewrite)
    started = time.process_time()
    receipts = run.write(made)
    write_s = (time.process_time() - started) / len(made)
    run.agent.home.views.catch_up()
    size = (_size(run.folder) - before) / len(made)
    run.tokens.clear()
    found: dict[str, list[float]] = {}
    for score, asked in (("rewrite", rewrite), ("paraphrase", paraphrase), ("two_hop", hop)):
        said = run.answer(asked)
        found[score] = [100.0 * run.right(t, a.after, a.before) for t, a in zip(said, asked, strict=True)]
    tokens = sum(run.tokens) / max(1, len(run.tokens))
    found["locality"] = [100.0 * (a == b) for a, b in zip(untouched, run.answer(elsewhere), strict=True)]
    added: list[Any] = []
    if more:
        added = run.write(more)
        said = run.answer(rewrite)
        found["after_100"] = [100.0 * run.right(t, a.after, a.before) for t, a in zip(said, rewrite, strict=True)]
    for receipt in [*added[::-1], *receipts[::-1]]:
        run.agent.undo(receipt)
    found["after_undo"] = [100.0 * (a == b) for a, b in zip(as_it_was, run.answer(rewrite), strict=True)]
    row: dict[str, object] = {"memory": name, "n": len(made)}
    for score in SCORES:
        interval = bootstrap(found.get(score, []), seed=seed)
        row[score] = str(interval)
        report.figure(f"{name}.{score}", interval.value)
    for cost, value in (("write_s", write_s), ("tokens", tokens), ("bytes", size)):
        row[cost] = value
        report.figure(f"{name}.{cost}", value)
    report.row(**row)


def _questions(world: World, made: Sequence[Case], draws: Draws) -> tuple[list[Asked], list[Asked], list[Asked]]:
    rewrite, paraphrase, hop = [], [], []
    starts = dict(CHAINS.keys())
    for case in made:
        fact, known = case.fact, WORDINGS[case.fact.relation]
        first = known.questions[0].format(fact.subject)
        rewrite.append(Asked(first, case.request.prompt.format(fact.subject), fact.object, case.target))
        for text in known.held_questions:
            said = text.format(fact.subject)
            paraphrase.append(Asked(said, question_prompt(said), fact.object, case.target))
        second = starts[fact.relation]
        said = draws.choice(CHAINS[fact.relation, second]).format(fact.subject)
        after = world.by_subject[case.target][second].object
        old = world.by_subject.get(fact.object, {}).get(second)
        hop.append(Asked(said, question_prompt(said), old.object if old else "", after))
    return rewrite, paraphrase, hop


def _elsewhere(world: World, touched: set[str], draws: Draws, count: int) -> list[Asked]:
    """Questions about subjects that no write touches."""
    names = [name for name in world.subjects if name not in touched]
    out = []
    for name in draws.sample(names, count):
        fact = draws.choice(list(world.by_subject[name].values()))
        said = WORDINGS[fact.relation].questions[0].format(name)
        out.append(Asked(said, question_prompt(said), fact.object, fact.object))
    return out


def _background(world: World, made: Sequence[Case], elsewhere: Sequence[Asked]) -> list[Fact]:
    """What a text memory has to hold so that it could know what the model knows: the same facts as they were."""
    subjects: dict[str, None] = {case.fact.subject: None for case in made}
    subjects |= {name: None for case in made for name in (case.fact.object, case.target)}
    asked = " ".join(one.question for one in elsewhere)
    subjects |= {name: None for name in world.subjects if name in asked}
    return [fact for name in subjects for fact in world.by_subject.get(name, {}).values()]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
