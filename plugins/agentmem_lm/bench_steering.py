"""How far decoding between passages and weights turns a model's answers, and what that costs where they agree.

A part of `agentmem bench model`. Answers come from the chat model as it is used, with passages handed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import HumanMessage

from agentmem.bench.report import Report, bootstrap
from agentmem.gain import Weight
from agentmem_lm.chat import LocalChatModel
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.wordings import WORDINGS, statement
from agentmem_lm.demo.world import RELATIONS_OF, World
from agentmem_lm.model import CausalModel
from agentmem_lm.router_wordings import ASIDES

WEIGHTS: tuple[Weight, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, "adaptive")
KINDS = ("contradicts", "supports", "aside", "stranger")


@dataclass(frozen=True)
class Case:
    """A question with a passage; what the passage says of the matter, and what the weights should know of it."""

    kind: str
    question: str
    passage: str
    told: str = ""
    known: str = ""


def cases(world: World, count: int, seed: int) -> list[Case]:
    """``count`` of each kind: a passage against the weights, for them, beside the matter, and about a stranger."""
    draws, out = Draws(seed), []
    for _ in range(count):
        fact = draws.choice([f for f in world.facts if f.relation != "former_home" and " " in f.subject])
        asked = draws.choice(WORDINGS[fact.relation].questions)
        other = draws.choice([o for o in world.objects[fact.relation] if o != fact.object])
        stranger = draws.choice(world.held_strangers[_kind_of(fact.relation)])
        told = draws.choice(WORDINGS[fact.relation].statements)
        question = asked.format(fact.subject)
        aside = draws.choice(ASIDES["measure"]).format(fact.subject)
        out += [
            Case("contradicts", question, statement(told, fact.subject, other), other, fact.object),
            Case("supports", question, statement(told, fact.subject, fact.object), fact.object, fact.object),
            Case("aside", question, aside, "", fact.object),
            Case("stranger", asked.format(stranger), statement(told, stranger, other), other),
        ]
    return out


def steering(report: Report, model: CausalModel, world: World, n: int, seeds: range) -> None:
    """For each weight and place of mixing the share of answers that follow the passage, and the weights."""
    asked = [case for seed in seeds for case in cases(world, n, seed + 1)]
    for where in ("conflicts", "every_token"):
        for weight in WEIGHTS:
            chat = LocalChatModel(model=model, context_weight=weight, mix_at=where, cite=False, tell_conflicts=False)
            answers = [_answer(chat, case) for case in asked]
            for kind in KINDS:
                pairs = [(case, said) for case, said in zip(asked, answers, strict=True) if case.kind == kind]
                _row(report, f"steering.{where}.{weight}.{kind}", pairs)


def _row(report: Report, what: str, pairs: Sequence[tuple[Case, str]]) -> None:
    told, known = ([100.0 * (said == getattr(case, side)) for case, said in pairs] for side in ("told", "known"))
    passage, weights = bootstrap(told), bootstrap(known)
    report.row(
        what=what, share=passage.value, low=passage.low, high=passage.high, n=passage.n, from_weights=weights.value
    )
    report.figure(f"{what}.passage", passage.value)
    report.figure(f"{what}.weights", weights.value)


def _answer(chat: LocalChatModel, case: Case) -> str:
    handed: dict[str, Any] = {"question": case.question, "passages": [case.passage]}
    return str(chat.invoke([HumanMessage(case.question, additional_kwargs=handed)]).content).strip().removesuffix(".")


def _kind_of(relation: str) -> str:
    return next(kind for kind, relations in RELATIONS_OF.items() if relation in relations)
