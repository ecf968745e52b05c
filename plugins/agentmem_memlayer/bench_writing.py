"""The writing half of ``agentmem bench layer``: facts put into rows on the demo model, judged and taken back.

Makes its own data from a seed and needs none. Success is always judged by free generation, and what should stay is
compared with what the bare model says.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.bench.report import Report, bootstrap
from agentmem.records import EditRequest

if TYPE_CHECKING:
    from agentmem_lm.demo.world import Fact, World
    from agentmem_lm.model import CausalModel

_EXAMINED = 10  # facts whose admission is timed
_SHARED = 24  # subjects of which two facts are written


@dataclass(frozen=True)
class Case:
    """A fact of the world and the answer that is written in its place."""

    fact: Fact
    answer: str
    request: EditRequest


@dataclass(frozen=True)
class Probe:
    """A prompt and what should be said."""

    score: str
    prompt: str
    answer: str


def measure_writing(report: Report, count: int, seed: int) -> None:
    """Facts written one after another; then everything asked; then subsets taken back; then two facts a subject."""
    from agentmem import Agent
    from agentmem_lm.demo import world

    lore = world.build()
    with (
        tempfile.TemporaryDirectory() as home,
        Agent.open(home, memories=["memlayer"], local_model="demo", settings=["memlayer.examine=false"]) as agent,
    ):
        model = agent.home.local_model.loaded()  # type: ignore[union-attr]
        cases, known = sample_cases(model, lore, count, seed)
        bare = model.logits([case.request.prompt.format(case.fact.subject) for case in cases[:20]])
        memory: Any = agent.home.views["memlayer"].memory
        _ = memory.addressing  # fitted once for a model; not part of an edit
        receipts, spent = write_all(agent, cases)
        tell(report, "", scored(model, probes(lore, cases, known)), seed)
        seconds(report, "CPU seconds a fact", spent)
        report.figure("write.s_median", statistics.median(spent))
        exact = undo_is_exact(agent, model, cases[:20], receipts[:20], receipts[20:], bare, random.Random(seed))
        report.row(what="undo exact", n=4, share=float(exact))
        report.figure("undo_exact", float(exact))
        pairs = two_facts_each(model, lore, known, random.Random(seed))
        write_all(agent, pairs)
        tell(report, "two_each.", scored(model, probes(lore, pairs, known)), seed)
        memory.config = memory.config.model_copy(update={"examine": True})
        seconds(report, "CPU seconds a fact, with admission", write_all(agent, cases[-_EXAMINED:])[1])


def write_all(agent: Any, cases: Sequence[Case]) -> tuple[list[Any], list[float]]:
    """(the receipts, the CPU seconds of each edit)."""
    spent, receipts = [], []
    for case in cases:
        started = time.process_time()
        receipts.append(_edit(agent, case))
        spent.append(time.process_time() - started)
    return receipts, spent


def tell(report: Report, prefix: str, scores: dict[str, list[bool]], seed: int) -> None:
    """A row and a figure for each score."""
    for score, outcomes in scores.items():
        interval = bootstrap([float(right) for right in outcomes], seed=seed)
        report.row(what=prefix + score, n=interval.n, share=interval.value, low=interval.low, high=interval.high)
        report.figure(f"write.{prefix}{score}", interval.value)


def seconds(report: Report, what: str, spent: Sequence[float]) -> None:
    """A row with median and range."""
    report.row(what=what, n=len(spent), share=statistics.median(spent), low=min(spent), high=max(spent))


def _edit(agent: Any, case: Case) -> Any:
    wish = case.request
    return agent.edit(
        subject=wish.subject,
        prompt=wish.prompt,
        target=wish.target,
        memory="memlayer",
        paraphrases=list(wish.paraphrases),
        preserve=list(wish.preserve),
    )


def sample_cases(model: CausalModel, lore: World, count: int, seed: int) -> tuple[list[Case], list[Fact]]:
    """Facts that the model knows, of as many subjects, each with another answer; and all known facts of the sample."""
    from agentmem_lm.demo.wordings import WORDINGS, question_prompt

    draws = random.Random(seed)
    facts = draws.sample([fact for fact in lore.facts if fact.relation != "former_home"], 8 * count)
    asked = [question_prompt(WORDINGS[f.relation].questions[0].format(f.subject)) for f in facts]
    known = [fact for fact, said in zip(facts, answers(model, asked, base=True), strict=True) if said == fact.object]
    first = {fact.subject: fact for fact in reversed(known)}
    cases = []
    for fact in list(first.values())[:count]:
        answer = draws.choice([name for name in lore.objects[fact.relation] if name != fact.object])
        cases.append(Case(fact, answer, request_of(lore, fact, answer)))
    return cases, known


def two_facts_each(model: CausalModel, lore: World, known: Sequence[Fact], draws: random.Random) -> list[Case]:
    """Two facts of each of some subjects, of which the model knows more."""
    from agentmem_lm.demo.wordings import WORDINGS, question_prompt

    subjects = [name for name in dict.fromkeys(fact.subject for fact in known) if len(lore.by_subject[name]) > 2]
    cases: list[Case] = []
    for name in subjects:
        facts = [fact for fact in lore.facts if fact.subject == name and fact.relation != "former_home"]
        asked = [question_prompt(WORDINGS[fact.relation].questions[0].format(name)) for fact in facts]
        right = [f for f, said in zip(facts, answers(model, asked, base=True), strict=True) if said == f.object]
        if len(right) < 3:
            continue
        for fact in draws.sample(right, 2):
            answer = draws.choice([other for other in lore.objects[fact.relation] if other != fact.object])
            cases.append(Case(fact, answer, request_of(lore, fact, answer)))
        if len(cases) == 2 * _SHARED:
            break
    return cases


def request_of(lore: World, fact: Fact, answer: str) -> EditRequest:
    """One edit prompt, four further wordings (statements and questions), and four prompts to preserve."""
    from agentmem_lm.demo.wordings import WORDINGS, question_prompt

    own = WORDINGS[fact.relation]
    further = (question_prompt(own.questions[0]), own.statements[1], question_prompt(own.questions[1]))
    others = [WORDINGS[name] for name in lore.by_subject[fact.subject] if name != fact.relation]
    preserve = [question_prompt(other.questions[0]) for other in others] + [other.statements[0] for other in others]
    return EditRequest(
        subject=fact.subject,
        prompt=own.statements[0],
        target=answer,
        paraphrases=(*further, own.statements[2]),
        preserve=tuple(preserve[:4]),
    )


def probes(lore: World, cases: Sequence[Case], known: Sequence[Fact]) -> Iterator[Probe]:
    """Every prompt of the second half; an empty answer stands for what the bare model says."""
    from agentmem_lm.demo.wordings import WORDINGS, question_prompt

    edited = {case.fact.subject for case in cases}
    written = {(case.fact.subject, case.fact.relation) for case in cases}
    for case in cases:
        name, own = case.fact.subject, WORDINGS[case.fact.relation]
        yield Probe("success", own.statements[0].format(name), case.answer)
        for text in (*own.held_statements, *own.statements[3:]):
            yield Probe("paraphrase_statement", text.format(name), case.answer)
        for text in (*own.held_questions, *own.questions[2:]):
            yield Probe("paraphrase_question", question_prompt(text.format(name)), case.answer)
        for relation in lore.by_subject[name]:
            if (name, relation) not in written:
                yield Probe("same_subject", question_prompt(WORDINGS[relation].questions[1].format(name)), "")
        for other in lore.look_alikes(name, 1):
            for relation in lore.by_subject[other] if other not in edited else ():
                yield Probe("near", question_prompt(WORDINGS[relation].questions[0].format(other)), "")
    for fact in known:
        if fact.subject not in edited:
            yield Probe("kept", question_prompt(WORDINGS[fact.relation].questions[0].format(fact.subject)), "")


def scored(model: CausalModel, wanted: Iterator[Probe]) -> dict[str, list[bool]]:
    """Whether each prompt is answered as it should be, by score; ``paraphrase`` joins statements and questions."""
    every = list(wanted)
    prompts = [probe.prompt for probe in every]
    before, after = answers(model, prompts, base=True), answers(model, prompts, base=False)
    outcomes: dict[str, list[bool]] = {}
    for probe, was, said in zip(every, before, after, strict=True):
        right = said == (probe.answer or was)
        outcomes.setdefault(probe.score, []).append(right)
        if probe.score.startswith("paraphrase"):
            outcomes.setdefault("paraphrase", []).append(right)
    return outcomes


def answers(model: CausalModel, prompts: Sequence[str], *, base: bool) -> list[str]:
    """What is said up to the end of the sentence."""
    said = model.generate(list(prompts), max_new_tokens=10, stop=("\n", "."), base=base)
    return [text.strip() for text in said]


def undo_is_exact(
    agent: Any,
    model: CausalModel,
    cases: Sequence[Case],
    receipts: Sequence[Any],
    rest: Sequence[Any],
    bare: Sequence[Any],
    draws: random.Random,
) -> bool:
    """Whether logits depend on what is live alone: subsets taken back in two orders, and at last everything."""
    import numpy as np

    prompts = [case.request.prompt.format(case.fact.subject) for case in cases]

    def is_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
        return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))

    exact = True
    everything = model.logits(prompts)
    for _ in range(2):
        gone = draws.sample(list(receipts), len(receipts) // 2)
        undone = [agent.undo(receipt) for receipt in gone]
        one_way = model.logits(prompts)
        for receipt in reversed(undone):
            agent.undo(receipt)
        exact &= is_same(model.logits(prompts), everything)
        undone = [agent.undo(receipt) for receipt in reversed(gone)]
        exact &= is_same(model.logits(prompts), one_way)
        for receipt in reversed(undone):
            agent.undo(receipt)
    for receipt in (*receipts, *rest):
        agent.undo(receipt)
    return exact and is_same(model.logits(prompts), bare)
