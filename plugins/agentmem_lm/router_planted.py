"""Questions of which it is known which memory can answer them, planted on the fictional world of the demo model.

A store is written anew for every repeat: other wordings, other documents around, another order. Half of the world's
subjects are for learning, the other half for measuring.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentmem.records import Draft, Namespace, Source, Trust
from agentmem_lm.demo import wordings as words
from agentmem_lm.demo.world import RELATIONS_OF, build
from agentmem_lm.router_wordings import ASIDES, PERSONAL, TALK

KINDS = (
    "told",
    "personal",
    "weights",
    "half-told",
    "edited",
    "multi-hop",
    "temporal",
    "aggregate",
    "chit-chat",
    "unknown",
)
"""told: only in text. personal: what a speaker said of themselves. weights: only in the model. half-told: only in the
model, and the text says something else about the same. edited: the model is out of date. unknown: nobody knows."""
STYLES = ("documents", "chat")
ITEM = "item"
_AROUND = 60  # subjects that nobody asks about
_CROWD = (12, 18)  # how many belong to what an aggregate question counts
_DAY = 86_400.0
_START = 1_672_531_200.0

_SPEAKERS = ("Ann", "Bob")
_REPLIES = ("Good to know.", "I see.", "That is new to me.", "Interesting.", "Oh, really?")


@dataclass(frozen=True, slots=True)
class Planted:
    """A question, its sort, the group it belongs to, and what answers it.

    ``wanted``: keys of the records that hold the evidence, all of them; ``answer`` is what the weights should say, or
    ``stale`` what they say and is no longer so. With none of them there is nothing to find.
    """

    text: str
    kind: str
    group: str
    wanted: frozenset[str] = frozenset()
    answer: str = ""
    stale: str = ""


@dataclass(slots=True)
class PlantedSet:
    """Questions over one style of store, and what any repeat of the store has to tell."""

    style: str
    questions: list[Planted] = field(default_factory=list)
    told: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # key -> subject, relation, object; in text
    facts: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # the same, as statements of a person
    said: dict[str, tuple[str, str]] = field(default_factory=dict)  # key -> speaker, what they said of themselves
    aside: dict[str, tuple[str, str]] = field(default_factory=dict)  # key -> subject, sentence that nobody asks for

    def drafts(self, repeat: int, namespace: Namespace) -> list[Draft]:
        """What is written for one repeat: the same facts in other words, among others, in another order."""
        world = build()
        rng = random.Random(f"{self.style}:{repeat}")
        asked = {subject for subject, _, _ in (*self.told.values(), *self.facts.values())}
        asked |= {question.group for question in self.questions}
        free = [name for name in world.subjects if name not in asked and world.kind_of(name) != "company"]
        around = rng.sample(free, _AROUND)
        statements = dict(self.told)
        for subject in around:
            for relation, fact in world.by_subject[subject].items():
                statements[f"around:{subject}:{relation}"] = (subject, relation, fact.object)
        told = {key: (s, _statement(rng, s, r, o)) for key, (s, r, o) in statements.items()} | self.aside
        talk = {key: (None, text) for key, (_, text) in told.items()} if self.style == "chat" else {}
        drafts = _talk(rng, {**self.said, **talk}, namespace)
        if self.style == "documents":
            drafts += _documents(rng, told, namespace)
        for key, (subject, relation, value) in sorted(self.facts.items()):
            body = _statement(rng, subject, relation, value)
            parts = {"subject": subject, "relation": relation, "object": value, "attributes": {ITEM: key}}
            drafts.append(Draft(body=body, kind="fact", namespace=namespace, **parts))  # type: ignore[arg-type]
        return drafts


def plant(style: str, *, count: int, part: str, seed: int = 0) -> PlantedSet:
    """``count`` questions of every kind; ``part`` is "learn" or "measure": no subject is in both."""
    world = build()
    rng = random.Random(f"{part}:{style}:{seed}")
    found = PlantedSet(style)
    people = _shuffled(rng, [name for name in world.kinds["person"] if _part(name) == part])
    strangers = {
        kind: _shuffled(rng, [n for n in names if _part(n) == part]) for kind, names in world.strangers.items()
    }
    nobody = _shuffled(
        rng, [(n, kind) for kind, names in world.held_strangers.items() for n in names if _part(n) == part]
    )
    relations_of = _relations()
    for _ in range(count):
        kind = rng.choice(("person", "person", "company", "city", "country"))
        _ask_told(found, rng, strangers[kind].pop(), rng.choice(relations_of[kind]), world)
        name = people.pop()
        fact = rng.choice([f for r, f in world.by_subject[name].items() if r != "former_home"])
        question = _question(rng, fact.relation, name)
        found.questions.append(Planted(question, "weights", name, answer=fact.object))
        _ask_edited(found, rng, people.pop(), world)
        _ask_temporal(found, rng, strangers["person"].pop(), world)
        name, kind = nobody.pop()
        question = _question(rng, rng.choice(relations_of[kind]), name)
        found.questions.append(Planted(question, "unknown", name))
        openers, endings = TALK[part]
        text = rng.choice(openers) + rng.choice(endings)
        found.questions.append(Planted(text, "chit-chat", text))
        _ask_chain(found, rng, strangers, world)
    _ask_crowds(found, rng, strangers["company"], part, count)
    _ask_speakers(found, rng, part, count)
    for number in range(count):
        _ask_half_told(found, rng, people.pop(), world, ASIDES[part] if number % 2 else ())
    return found


def _ask_told(found: PlantedSet, rng: random.Random, name: str, relation: str, world: Any) -> None:
    key = f"told:{name}:{relation}"
    found.told[key] = (name, relation, rng.choice(world.objects[relation]))
    found.questions.append(Planted(_question(rng, relation, name), "told", name, frozenset({key})))


def _ask_edited(found: PlantedSet, rng: random.Random, name: str, world: Any) -> None:
    """A person has stated something else than what the model learnt."""
    fact = rng.choice([f for r, f in world.by_subject[name].items() if r in ("home", "employer", "job")])
    value = rng.choice([other for other in world.objects[fact.relation] if other != fact.object])
    key = f"fact:{name}:{fact.relation}"
    found.facts[key] = (name, fact.relation, value)
    text = _question(rng, fact.relation, name)
    found.questions.append(Planted(text, "edited", name, frozenset({key}), stale=fact.object))


def _ask_half_told(found: PlantedSet, rng: random.Random, name: str, world: Any, asides: Sequence[str]) -> None:
    """What the model knows of a person of whom the text tells another fact, or one of these sentences."""
    known = [fact for relation, fact in world.by_subject[name].items() if relation != "former_home"]
    fact, other = rng.sample(known, 2)
    if asides:
        found.aside[f"told:{name}:aside"] = (name, rng.choice(asides).format(name))
    else:
        found.told[f"told:{name}:{other.relation}"] = (name, other.relation, other.object)
    found.questions.append(Planted(_question(rng, fact.relation, name), "half-told", name, answer=fact.object))


def _ask_temporal(found: PlantedSet, rng: random.Random, name: str, world: Any) -> None:
    """Two homes, one after the other; the question is for the earlier one."""
    before, now = rng.sample(list(world.objects["home"]), 2)
    key = f"told:{name}:former_home"
    found.told[key] = (name, "former_home", before)
    found.told[f"told:{name}:home"] = (name, "home", now)
    found.questions.append(Planted(_question(rng, "former_home", name), "temporal", name, frozenset({key})))


def _ask_chain(found: PlantedSet, rng: random.Random, strangers: dict[str, list[str]], world: Any) -> None:
    """Two facts in a row about someone whom the model does not know; the first names what the second is about."""
    name = strangers["person"].pop()
    first, second = rng.choice([pair for pair in sorted(words.CHAINS) if pair[0] in _LEADS_TO])
    bridge = rng.choice(strangers[_LEADS_TO[first]][:30])
    one, two = f"told:{name}:{first}", f"told:{bridge}:{second}"
    found.told[one] = (name, first, bridge)
    found.told.setdefault(two, (bridge, second, rng.choice(world.objects[second])))
    text = str(rng.choice(words.CHAINS[first, second])).format(name)
    found.questions.append(Planted(text, "multi-hop", name, frozenset({one, two})))


def _ask_crowds(found: PlantedSet, rng: random.Random, firms: Sequence[str], part: str, count: int) -> None:
    """More people at one company than an ordinary answer shows."""
    people = _shuffled(rng, [f"{first} {last}" for first in _FIRST for last in _LAST[part]])
    wordings = (
        "How many people work for {}?",
        "What is the number of people that {} employs?",
        "List all the people who work for {}.",
        "How many have a position at {}?",
    )
    for firm in firms[-max(1, count // len(wordings)) :]:
        crowd = [people.pop() for _ in range(rng.randint(*_CROWD))]
        keys = [f"told:{name}:employer" for name in crowd]
        found.told.update({key: (name, "employer", firm) for key, name in zip(keys, crowd, strict=True)})
        for wording in wordings:
            found.questions.append(Planted(wording.format(firm), "aggregate", firm, frozenset(keys)))


def _ask_speakers(found: PlantedSet, rng: random.Random, part: str, count: int) -> None:
    """What two people said of themselves, asked for in other words; they speak everywhere, so names tell nothing."""
    own = [
        (speaker, statement.format(value), question.format(speaker))
        for statement, question, values in PERSONAL[part]
        for speaker, value in zip(_SPEAKERS, values, strict=True)
    ]
    for number, (speaker, statement, question) in enumerate(_shuffled(rng, own)):
        key = f"said:{speaker}:{statement}"
        found.said[key] = (speaker, statement)
        if number < count:
            found.questions.append(Planted(question, "personal", key, frozenset({key})))


def _documents(rng: random.Random, said: dict[str, tuple[str, str]], namespace: Namespace) -> list[Draft]:
    """One passage about every subject, its statements in another order."""
    by_subject: dict[str, list[tuple[str, str]]] = {}
    for key, (subject, text) in said.items():
        by_subject.setdefault(subject, []).append((key, text))
    out = []
    for number, subject in enumerate(rng.sample(sorted(by_subject), len(by_subject))):
        told = rng.sample(by_subject[subject], len(by_subject[subject]))
        out.append(
            Draft(
                body=" ".join(text for _, text in told),
                kind="chunk",
                namespace=namespace,
                sources=(Source(f"planted/{number}"),),
                trust=Trust.DOCUMENT,
                attributes={"title": subject, ITEM: " | ".join(key for key, _ in told)},
            )
        )
    return out


def _talk(rng: random.Random, said: Mapping[str, tuple[str | None, str]], namespace: Namespace) -> list[Draft]:
    """Every statement as a turn of its speaker or of either, in sessions of some twenty turns, with replies between."""
    out = []
    about: dict[str, list[str]] = {}
    for key in sorted(said):
        about.setdefault(key.rpartition(":")[0], []).append(key)
    keys = [key for name in rng.sample(sorted(about), len(about)) for key in about[name]]
    for number, key in enumerate(keys):
        session, day = number // 14, _START + number // 14 * 7 * _DAY
        place = {
            "namespace": namespace,
            "thread": "planted",
            "session": str(session),
            "valid_from": day,
            "kind": "turn",
        }
        speaker = said[key][0] or rng.choice(_SPEAKERS)
        out.append(Draft(body=said[key][1], speaker=speaker, attributes={ITEM: key}, **place))  # type: ignore[arg-type]
        if rng.random() < 0.4:
            out.append(Draft(body=rng.choice(_REPLIES), speaker=_SPEAKERS[speaker == _SPEAKERS[0]], **place))  # type: ignore[arg-type]
    return out


def keys_of(attributes: Any) -> frozenset[str]:
    """The planted facts that a record tells."""
    return frozenset(str(attributes.get(ITEM) or "").split(" | ")) - {""}


def _question(rng: random.Random, relation: str, subject: str) -> str:
    asked = words.WORDINGS[relation]
    return str(rng.choice((*asked.questions, *asked.held_questions))).format(subject)


def _statement(rng: random.Random, subject: str, relation: str, value: str) -> str:
    told = words.WORDINGS[relation]
    return f"{str(rng.choice((*told.statements, *told.held_statements))).format(subject)} {value}."


def _part(name: str) -> str:
    return ("learn", "measure")[zlib.crc32(name.encode()) % 2]


def _shuffled(rng: random.Random, items: Sequence[Any]) -> list[Any]:
    return rng.sample(items, len(items))


def _relations() -> dict[str, Sequence[str]]:
    return {kind: [r for r in relations if r != "former_home"] for kind, relations in RELATIONS_OF.items()}


_LEADS_TO = {"birth_city": "city", "home": "city", "employer": "company"}
_FIRST = ("Orla", "Tibor", "Sanna", "Mateo", "Yusra", "Pavel", "Ingrid", "Duarte", "Noor", "Keiko", "Bram", "Zoya",
          "Anouk", "Cosmo", "Delphi", "Elmar", "Frieda", "Gustaf")  # fmt: skip
_LAST = {
    "learn": ("Achterberg", "Brannigan", "Czerny", "Dunmore", "Eklund", "Farkas", "Grimaldi", "Hollis", "Ivarsen"),
    "measure": ("Jankowski", "Kestrel", "Lindqvist", "Moravec", "Novotny", "Okonjo", "Pelletier", "Quarles", "Rostova"),
}
