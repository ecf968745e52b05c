"""What a rendered context says about a world: the last word on each thing, read from the top.

Shared by the scripted policies and by the count of facts that a view has lost. It knows sentences and what they are
about, and nothing of plans.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agentmem.bench.worlds.pddl import Atom
from agentmem.bench.worlds.scene import Scene

Key = tuple[str, ...]

#: What a sentence is about, by predicate: ("where", 0) keeps one value per first argument, ("hand",) just one.
ABOUT: dict[str, dict[str, tuple[tuple[str | int, ...], ...]]] = {
    "blocksworld": {
        "on": (("where", 0), ("top", 1)),
        "on-table": (("where", 0),),
        "clear": (("top", 0),),
        "holding": (("hand",),),
        "hand-empty": (("hand",),),
    },
    "gripper": {
        "robot-in": (("me",),),
        "ball-in": (("where", 0),),
        "empty": (("hand", 0),),
        "carries": (("hand", 0),),
        "searched": (("searched", 0),),
    },
    "barman": {
        "gives": (("gives", 0),),
        "first-part": (("first", 0),),
        "second-part": (("second", 0),),
        "hand-empty": (("hand",),),
        "holds": (("hand",),),
        "clean": (("state", 0),),
        "used": (("state", 0),),
        "contains": (("state", 0),),
        "bottom": (("state", 0),),
        "top": (("state", 0), ("top", 0)),
        "mixed": (("state", 0),),
    },
    "tyreworld": {
        "closed": (("box", 0),),
        "open": (("box", 0),),
        "lies-in": (("where", 0),),
        "have": (("where", 0),),
        "wears": (("hub", 0), ("where", 1)),
        "bare": (("hub", 0),),
        "tight": (("nuts", 0),),
        "loose": (("nuts", 0),),
        "unfastened": (("nuts", 0),),
        "grounded": (("height", 0),),
        "raised": (("height", 0),),
        "inflated": (("air", 0),),
        "flat": (("air", 0),),
    },
    "vaults": {
        "next-to": (("next", 0, 1),),
        "courier-in": (("me",),),
        "stands-in": (("stands", 0),),
        "takes": (("takes", 0),),
        "key-in": (("key", 0),),
        "no-key": (("ring",),),
        "has-key": (("ring",),),
        "locked": (("lock", 0),),
        "unlocked": (("lock", 0),),
        "inside": (("paper", 0),),
        "paper-in": (("paper", 0),),
        "no-paper": (("folder",),),
        "has-paper": (("folder",), ("paper", 0)),
        "searched": (("searched", 0),),
    },
    "greenhouse": {
        "gardener-at": (("me",),),
        "grows-on": (("bench", 0),),
        "lacks": (("need", 0),),
        "thrives": (("need", 0),),
        "keeps": (("shed", 1),),
        "bucket-empty": (("bucket",),),
        "bucket-has": (("bucket",),),
        "searched": (("searched", 0),),
    },
}


@dataclass
class Belief:
    """What a text says: the last atom about each thing, the goal, the objects and the present subgoal."""

    said: dict[Key, Atom]
    goal: tuple[Atom, ...]
    objects: Mapping[str, list[str]]
    subgoal: str
    rng: random.Random = field(default_factory=random.Random)

    def get(self, *key: str) -> Atom | None:
        return self.said.get(key)

    def value(self, *key: str) -> str | None:
        """The last argument of what is known under a key."""
        atom = self.said.get(key)
        return atom[-1] if atom is not None and len(atom) > 1 else None

    def known(self, group: str) -> dict[str, Atom]:
        """All that is known in a group, by its first key."""
        return {key[1]: atom for key, atom in self.said.items() if key[0] == group and len(key) > 1}

    def prefer(self, names: Sequence[str], verb: str) -> str:
        """The one that the present subgoal names, so that the agent does not change its mind; else the first."""
        words = self.subgoal.split()
        return next((n for n in names if words[:1] == [verb] and n in words), names[0])


def believe(scene: Scene, text: str, rng: random.Random) -> Belief:
    """Folds a rendered context into what it says."""
    about = ABOUT[scene.name]
    goal: tuple[Atom, ...] = ()
    objects: dict[str, list[str]] = {}
    subgoal = ""
    told: list[str] = []
    for line in text.splitlines():
        if line.startswith("Goal: "):
            goal = tuple(scene.atoms_in(line.removeprefix("Goal: ")))
        elif listed := re.fullmatch(r"Each (\w+): (.*)\.", line):
            objects[listed[1]] = listed[2].split(", ")
        elif line.startswith("Subgoal: "):
            subgoal = line.removeprefix("Subgoal: ")
        else:
            told.append(line)
    return Belief(fold(about, scene.atoms_in("\n".join(told))), goal, objects, subgoal, rng)


def fold(about: Mapping[str, tuple[tuple[str | int, ...], ...]], atoms: Iterable[Atom]) -> dict[Key, Atom]:
    """The last atom said about each thing; a refusal forgets what was thought about the thing it names."""
    said: dict[Key, Atom] = {}
    for atom in atoms:
        refused = atom[0] == "not"
        stated = atom[1:] if refused else atom
        for pattern in about.get(stated[0], ()):
            key = tuple(part if isinstance(part, str) else stated[1 + part] for part in pattern)
            if refused:
                said.pop(key, None)
            else:
                said[key] = atom
    return said
