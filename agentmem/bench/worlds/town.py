"""A small town whose facts change: statements, changes, contradictions and questions in plain English, from a seed.

Every value is a coined word that occurs nowhere else, so that an answer, a file or a stray byte can be searched for it.
Pure data; knows no agent.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

_FIRST = (
    "old harbour north south upper lower green red white stone river hill market glass copper silver garden bridge "
    "abbey castle orchard mill"
).split()
_SECOND = (
    "office bakery museum library clinic school theatre station laboratory archive workshop pharmacy gallery nursery "
    "brewery foundry hostel cinema chapel depot kiosk studio"
).split()
_ONSETS = "b br d dr f fl g gr h j k kl l m n p pl r s st t tr v w z".split()
_VOWELS = "a e i o u au ei ou".split()
_CODAS = "l n r s m nd rk lt sk nt".split()


@dataclass(frozen=True)
class Relation:
    """How one respect of a subject is told, told as changed, ended and asked."""

    name: str
    told: str
    changed: tuple[str, ...]
    ended: str
    asked: str


RELATIONS = (
    Relation(
        "place", "{s} is in {v} Street.", ("{s} moved to {v} Street.", "{s} is now in {v} Street."),
        "{s} is no longer in {v} Street.", "Where is {s}?",
    ),
    Relation(
        "keeper", "The director of {s} is {v}.",
        ("The director of {s} is now {v}.", "{v} is the new director of {s}."),
        "The director of {s} is no longer {v}.", "Who is the director of {s}?",
    ),
    Relation(
        "sponsor", "{s} is sponsored by {v}.", ("{s} is now sponsored by {v}.", "{s} is now sponsored by {v}."),
        "{s} is no longer sponsored by {v}.", "Who sponsors {s}?",
    ),
    Relation(
        "dish", "The speciality of {s} is {v}.",
        ("The speciality of {s} changed to {v}.", "The speciality of {s} is now {v}."),
        "The speciality of {s} is no longer {v}.", "What is the speciality of {s}?",
    ),
)  # fmt: skip


class Town:
    """Subjects, and values that are never given out twice."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"town:{seed}")
        self._used: set[str] = set()
        self.subjects = [f"the {a} {b}" for a in _FIRST for b in _SECOND]
        self._rng.shuffle(self.subjects)

    def value(self) -> str:
        """A coined name such as "Flaurenkost"."""
        while True:
            parts = [self._rng.choice(kind) for kind in (_ONSETS, _VOWELS, _CODAS, _VOWELS, _CODAS, _VOWELS, _CODAS)]
            name = "".join(parts).capitalize()
            if name not in self._used:
                self._used.add(name)
                return name


def sentence(pattern: str, subject: str, value: str = "") -> str:
    """The pattern filled in, with a capital first."""
    text = pattern.format(s=subject, v=value)
    return text[:1].upper() + text[1:]
