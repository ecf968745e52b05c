"""What the demo model is examined with: held-out wordings, reading, look-alikes, two-hop questions, unknown names.

Prompts and expected answers from the world and a seed; knows no model. None of the held-out wordings and names, and no
two-hop question, is ever trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentmem_lm.demo import wordings
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.more_wordings import FREE
from agentmem_lm.demo.world import RELATIONS_OF, Fact, World

KINDS = (
    "seen_statement",
    "seen_question",
    "held_statement",
    "held_question",
    "held_lead",
    "free_statement",
    "free_question",
    "look_alike",
    "changed",
    "read_one",
    "read_one_stranger",
    "read_one_of_four",
    "ignore_four",
    "unknown_person",
    "unknown_other",
    "two_hop",
)


@dataclass(frozen=True)
class Probe:
    """A prompt, the answer that is right (without its full stop), and what it is about."""

    kind: str
    prompt: str
    answer: str
    subject: str
    relation: str


def probes(world: World, count: int, seed: int = 1, kinds: Sequence[str] = KINDS) -> list[Probe]:
    """`count` probes of each kind, or all there are."""
    out: list[Probe] = []
    for kind in KINDS:
        if kind in kinds:
            # The seed of a kind comes from its name, so that a new kind leaves the draws of the others as they were.
            out += _of_kind(kind, world, Draws(seed * 1000 + sum(map(ord, kind))), count)
    return out


def _of_kind(kind: str, world: World, draws: Draws, count: int) -> list[Probe]:
    if kind == "two_hop":
        return [_two_hop(draws, *pair) for pair in draws.sample(world.chains(), count)]
    if kind.startswith("unknown"):
        return [_unknown(kind, draws, world) for _ in range(count)]
    if kind.startswith("read") or kind == "ignore_four":
        return [_reading(kind, draws, world, fact) for fact in draws.sample(world.facts, count)]
    facts = draws.sample(world.facts, count)
    if kind == "look_alike":
        facts = [draws.choice(list(world.by_subject[name].values())) for name in _look_alikes(draws, world, count)]
    if kind == "changed":
        moved = [fact for fact in world.facts if fact.relation == "former_home"]
        both = [world.by_subject[fact.subject][relation] for fact in moved for relation in ("home", "former_home")]
        facts = draws.sample(both, count)
    return [_plain(kind, draws, fact) for fact in facts]


def _plain(kind: str, draws: Draws, fact: Fact) -> Probe:
    known = wordings.WORDINGS[fact.relation]
    if kind == "held_lead":
        if draws.chance(0.5):
            core, lead, ask = draws.choice(known.statements), wordings.HELD_STATEMENT_LEAD, False
        else:
            core, lead, ask = draws.choice(known.questions), wordings.HELD_QUESTION_LEAD, True
        core = lead.replace("{}", core)
    else:
        choices = {
            "seen_statement": (known.statements, False),
            "held_statement": (known.held_statements, False),
            "held_question": (known.held_questions, True),
            "free_statement": (FREE[fact.relation][:1], False),
            "free_question": (FREE[fact.relation][1:], True),
        }
        cores, ask = choices.get(kind, (known.questions, True))
        core = draws.choice(cores)
    text = core.format(fact.subject)
    prompt = wordings.question_prompt(text) if ask else text
    return Probe(kind, prompt, fact.object, fact.subject, fact.relation)


def _look_alikes(draws: Draws, world: World, count: int) -> list[str]:
    """For subjects drawn at random, the name that is most easily taken for theirs."""
    out: list[str] = []
    for name in draws.shuffled(world.subjects):
        if len(out) == count:
            break
        out += world.look_alikes(name, 1)
    return out


def _reading(kind: str, draws: Draws, world: World, fact: Fact) -> Probe:
    """Passages that contradict the world (so that memory cannot answer), or that say nothing to the point."""
    answers = [name for name in world.objects[fact.relation] if name != fact.object]
    subject, answer = fact.subject, draws.choice(answers)
    if kind == "read_one_stranger":
        own = next(name for name, relations in RELATIONS_OF.items() if fact.relation in relations)
        subject = draws.choice(world.held_strangers[own])
    others = 3 if kind == "read_one_of_four" else 4 if kind == "ignore_four" else 0
    told: list[tuple[str, str, str]] = []
    while len(told) < others:
        other = draws.choice(world.facts)
        if other.subject not in {subject, *(name for name, _, _ in told)}:
            told.append((other.subject, other.relation, draws.choice(world.objects[other.relation])))
    if kind == "ignore_four":
        answer = fact.object
    else:
        told.append((subject, fact.relation, answer))
    passages = [
        wordings.statement(draws.choice(wordings.WORDINGS[relation].statements), name, obj)
        for name, relation, obj in draws.shuffled(told)
    ]
    question = draws.choice(wordings.WORDINGS[fact.relation].questions).format(subject)
    return Probe(kind, wordings.context_prompt(passages, question), answer, subject, fact.relation)


def _unknown(kind: str, draws: Draws, world: World) -> Probe:
    own = "person" if kind == "unknown_person" else draws.choice(("company", "city", "country"))
    name, relation = draws.choice(world.held_strangers[own]), draws.choice(RELATIONS_OF[own])
    asked = wordings.WORDINGS[relation]
    question = draws.choice((*asked.questions, *asked.held_questions)).format(name)
    return Probe(kind, wordings.question_prompt(question), wordings.UNKNOWN_ANSWER, name, relation)


def _two_hop(draws: Draws, first: Fact, second: Fact) -> Probe:
    question = draws.choice(wordings.CHAINS[first.relation, second.relation]).format(first.subject)
    return Probe("two_hop", wordings.question_prompt(question), second.object, first.subject, second.relation)
