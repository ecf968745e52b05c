"""What weight edits are measured with: requests about the demo world, and what should and should not change.

Prompts and right answers from a world and a seed; knows no model and no method. The wordings that score are never among
those of a request: rewrites apart, statements and questions are the world's held-out ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentmem.records import EditRequest
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.probes import probes
from agentmem_lm.demo.wordings import WORDINGS, question_prompt
from agentmem_lm.demo.world import Fact, World

SCORES = ("rewrite", "para_statement", "para_question", "same_subject", "near", "locality", "context")
UNCHANGED = ("same_subject", "near", "locality", "context")


@dataclass(frozen=True)
class Case:
    """One fact and what it is edited to."""

    fact: Fact
    target: str
    request: EditRequest

    @property
    def prompt(self) -> str:
        """By which `everything` asks for the fact that was edited."""
        return first_wording(self.fact)


@dataclass(frozen=True)
class Asked:
    """A scored prompt: ``before`` is the right answer without edits, ``after`` the right one with them."""

    score: str
    prompt: str
    before: str
    after: str


def cases(world: World, count: int, seed: int, *, one_wording: bool = False) -> list[Case]:
    """Counterfactual edits of ``count`` distinct subjects; each with four more wordings and four preserve prompts."""
    draws = Draws(seed)
    out = []
    for subject in draws.sample(world.subjects, count):
        fact = draws.choice(list(world.by_subject[subject].values()))
        target = draws.choice([name for name in world.objects[fact.relation] if name != fact.object])
        known = WORDINGS[fact.relation]
        first, *others = draws.shuffled(known.statements)
        questions = [question_prompt(text) for text in draws.sample(known.questions, 2)]
        request = EditRequest(
            subject=subject,
            prompt=first,
            target=target,
            relation=fact.relation,
            paraphrases=() if one_wording else (*others[:2], *questions),
            preserve=() if one_wording else preserved(world, draws, fact),
        )
        out.append(Case(fact, target, request))
    return out


def preserved(world: World, draws: Draws, fact: Fact, count: int = 4) -> tuple[str, ...]:
    """Prompts about the subject's other facts, statements and questions in turn."""
    others = draws.shuffled([name for name in world.by_subject[fact.subject] if name != fact.relation])
    out: list[str] = []
    while len(out) < count:
        known = WORDINGS[others[len(out) % len(others)]]
        ask = (len(out) + len(out) // len(others)) % 2 == 1
        text = question_prompt(draws.choice(known.questions)) if ask else draws.choice(known.statements)
        if text not in out:
            out.append(text)
    return tuple(out)


def asked(world: World, edits: Sequence[Case], seed: int, *, others: int = 100) -> list[Asked]:
    """Everything that is scored after these edits."""
    draws = Draws(seed + 1)
    done = {case.fact.subject for case in edits}
    out: list[Asked] = []
    for case in edits:
        fact, known = case.fact, WORDINGS[case.fact.relation]
        out.append(Asked("rewrite", case.request.prompt.format(fact.subject), fact.object, case.target))
        for text in known.held_statements:
            out.append(Asked("para_statement", text.format(fact.subject), fact.object, case.target))
        for text in known.held_questions:
            out.append(Asked("para_question", question_prompt(text.format(fact.subject)), fact.object, case.target))
        for other in world.by_subject[fact.subject].values():
            if other.relation != fact.relation:
                out.append(_unchanged("same_subject", draws, other))
        near = [name for name in world.look_alikes(fact.subject) if name not in done]
        for name in near[:2]:
            out.append(_unchanged("near", draws, draws.choice(list(world.by_subject[name].values()))))
    far = [name for name in world.subjects if name not in done]
    for name in draws.sample(far, min(others, len(far))):
        out.append(_unchanged("locality", draws, draws.choice(list(world.by_subject[name].values()))))
    for probe in probes(world, others, seed + 1, ("read_one",)):
        if probe.subject not in done:
            out.append(Asked("context", probe.prompt, probe.answer, probe.answer))
    return out


def everything(world: World) -> list[Asked]:
    """Every fact of the world, asked once in the first wording of its training."""
    return [Asked("world", first_wording(fact), fact.object, fact.object) for fact in world.facts]


def first_wording(fact: Fact) -> str:
    """The fact's prompt in the first wording of its relation."""
    return WORDINGS[fact.relation].statements[0].format(fact.subject)


def says_answer(text: str, answer: str) -> bool:
    """Whether a generated text is exactly the answer, its full stop apart."""
    return text.strip().removesuffix(".") == answer


def _unchanged(score: str, draws: Draws, fact: Fact) -> Asked:
    """One of the fact's held-out wordings, and its true object."""
    known = WORDINGS[fact.relation]
    held = [*known.held_statements, *(question_prompt(text) for text in known.held_questions)]
    return Asked(score, draws.choice(held).format(fact.subject), fact.object, fact.object)
