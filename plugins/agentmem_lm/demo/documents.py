"""The texts that the demo model is trained on, drawn without end from the world: facts, and passages with questions.

Knows wordings and the world, no tensors. A document is a list of (text, answer) lines; loss is taken on the answers
(and, lightly, on the words of true facts), so nothing made up in a passage is learnt as a fact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentmem_lm.demo import wordings
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.more_wordings import LATE
from agentmem_lm.demo.world import RELATIONS_OF, Fact, World

FACTS_A_DOCUMENT = 4
SHARE_LEADS = 0.25


@dataclass(frozen=True)
class Line:
    """A prompt and the answer that ends it; `factual` when its words may be learnt as well."""

    prompt: str
    answer: str
    factual: bool = True


def trained_statement(draws: Draws, relation: str, late: bool = False) -> str:
    """A statement wording that may be trained on, sometimes with a lead before it."""
    more = LATE[relation][0] if late else ()
    core = draws.choice((*wordings.WORDINGS[relation].statements, *more))
    return _led(draws, core, wordings.STATEMENT_LEADS)


def trained_question(draws: Draws, relation: str, late: bool = False) -> str:
    """A question wording that may be trained on, sometimes with a lead before it."""
    more = LATE[relation][1] if late else ()
    core = draws.choice((*wordings.WORDINGS[relation].questions, *more))
    return _led(draws, core, wordings.QUESTION_LEADS)


def _led(draws: Draws, core: str, leads: tuple[str, ...]) -> str:
    return draws.choice(leads[1:]).replace("{}", core) if draws.chance(SHARE_LEADS) else core


def fact_line(draws: Draws, fact: Fact, late: bool = False) -> Line:
    """A true fact as a statement or as a question."""
    if draws.chance(0.45):
        return Line(trained_statement(draws, fact.relation, late).format(fact.subject), f" {fact.object}.\n")
    question = trained_question(draws, fact.relation, late).format(fact.subject)
    return Line(wordings.question_prompt(question), f" {fact.object}.\n")


def stranger_line(draws: Draws, world: World, late: bool = False) -> Line:
    """A name that nothing is known of, and the answer that says so."""
    subject, relation = stranger(draws, world)
    if draws.chance(0.35):
        return Line(trained_statement(draws, relation, late).format(subject), f" {wordings.UNKNOWN_OBJECT}.\n")
    question = trained_question(draws, relation, late).format(subject)
    return Line(wordings.question_prompt(question), f" {wordings.UNKNOWN_ANSWER}.\n")


def stranger(draws: Draws, world: World) -> tuple[str, str]:
    """A name that is not held out, and a relation that would fit it."""
    kind = draws.choice(("person", "person", "person", "company", "city", "country"))
    return draws.choice(world.strangers[kind]), draws.choice(RELATIONS_OF[kind])


def reading_document(draws: Draws, world: World) -> list[Line]:
    """Passages that mostly contradict the world, and questions: on them, on what they do not say, on strangers."""
    passages: dict[tuple[str, str], str] = {}
    wanted = draws.choice((1, 1, 2, 3, 4, 4))
    while len(passages) < wanted:
        key = _passage_key(draws, world, list(passages))
        passages[key] = draws.choice(world.objects[key[1]])
    told = [wordings.statement(trained_statement(draws, r), s, obj) for (s, r), obj in passages.items()]
    lines: list[Line] = []
    for _ in range(draws.choice((2, 3, 3, 4))):
        subject, relation, answer = _reading_question(draws, world, passages)
        prompt = wordings.question_prompt(trained_question(draws, relation).format(subject))
        if not lines:
            prompt = f"Context: {' '.join(told)}\n{prompt}"
        lines.append(Line(prompt, f" {answer}.\n", factual=False))
    return lines


def _passage_key(draws: Draws, world: World, earlier: list[tuple[str, str]]) -> tuple[str, str]:
    if earlier and draws.chance(0.3):
        subject, relation = draws.choice(earlier)
        same_kind = next(relations for relations in RELATIONS_OF.values() if relation in relations)
        return subject, draws.choice(same_kind)
    if draws.chance(0.3):
        return stranger(draws, world)
    fact = draws.choice(world.facts)
    if earlier and draws.chance(0.3):
        relation = draws.choice(earlier)[1]
        kind = next(kind for kind, relations in RELATIONS_OF.items() if relation in relations)
        return draws.choice(world.kinds[kind]), relation
    return fact.subject, fact.relation


def _reading_question(draws: Draws, world: World, passages: dict[tuple[str, str], str]) -> tuple[str, str, str]:
    kind = draws.fraction()
    if kind < 0.65:
        key = draws.choice(list(passages))
        return *key, passages[key]
    if kind < 0.87:
        fact = draws.choice(world.facts)
        if draws.chance(0.4):
            known = [subject for subject, _ in passages if subject in world.by_subject]
            if known:
                fact = draws.choice(list(world.by_subject[draws.choice(known)].values()))
        return fact.subject, fact.relation, passages.get((fact.subject, fact.relation), fact.object)
    subject, relation = stranger(draws, world)
    return subject, relation, passages.get((subject, relation), wordings.UNKNOWN_ANSWER)


def documents(world: World, seed: int, share_reading: float, late: bool = False) -> Iterator[list[Line]]:
    """Documents without end; every fact comes once before any comes twice. `share_reading` counts documents.

    `late` adds the looser wordings of the last part of the training.
    """
    draws = Draws(seed)
    while True:
        order = draws.shuffled(world.facts)
        for start in range(0, len(order), FACTS_A_DOCUMENT - 1):
            while draws.chance(share_reading):
                yield reading_document(draws, world)
            lines = [fact_line(draws, fact, late) for fact in order[start : start + FACTS_A_DOCUMENT - 1]]
            lines += [
                stranger_line(draws, world, late)
                if draws.chance(0.5)
                else fact_line(draws, draws.choice(world.facts), late)
            ]
            yield draws.shuffled(lines)
