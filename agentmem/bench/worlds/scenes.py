"""The six planning domains of `agentmem.bench`, told in words, with generators of problems that can be solved.

Blocksworld, Gripper, Barman and Tyreworld are the games of the literature, written anew; Vaults and Greenhouse are
our own. Each generator takes a random generator and a size; sizes give runs of some 30 to 200 steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from agentmem.bench.worlds.pddl import Atom, Literal, Problem
from agentmem.bench.worlds.scene import Scene, Sight, World, shuffled

BLOCKSWORLD = Scene(
    "blocksworld",
    "An arm moves blocks, one at a time, onto other blocks or the table. You do not see the blocks until you look at "
    "them. Actions: look X, pick-up X (from the table), put-down X, stack X Y, unstack X Y.",
    {
        "on": "{0} is on {1}",
        "on-table": "{0} is on the table",
        "clear": "{0} is clear",
        "holding": "the hand has {0}",
        "hand-empty": "the hand has nothing",
    },
    body=frozenset({"holding", "hand-empty"}),
    public=frozenset(),
    shows={
        "look": (Sight("on", 0, 0), Sight("on", 1, 0), Sight("on-table", 0, 0), Sight("clear", 0, 0)),
        "unstack": (Sight("on", 0, 1), Sight("on-table", 0, 1)),
    },
)

GRIPPER = Scene(
    "gripper",
    "A robot with two grippers carries balls between rooms. You see what lies in a room when you enter it. "
    "Actions: move FROM TO, pick BALL ROOM GRIPPER, drop BALL ROOM GRIPPER.",
    {
        "robot-in": "the robot is in {0}",
        "ball-in": "{0} is in {1}",
        "empty": "{0} has nothing",
        "carries": "{0} has {1}",
        "searched": "{0} is searched",
    },
    body=frozenset({"robot-in", "empty", "carries"}),
    public=frozenset(),
    shows={"move": (Sight("ball-in", 1, 1),)},
    done={"move": "{1} is searched."},
)

BARMAN = Scene(
    "barman",
    "A barman with one hand mixes cocktails of two parts: a glass is filled at a tap, poured into the shaker, washed, "
    "filled with the other part and poured again; the shaker is shaken and served into a clean glass. Glasses must be "
    "clean to be filled. Actions: read-card COCKTAIL, try TAP, grasp V, leave V, fill GLASS TAP DRINK, wash V, "
    "pour-first GLASS DRINK SHAKER, pour-second GLASS DRINK SHAKER FIRST, shake SHAKER COCKTAIL FIRST SECOND, "
    "serve SHAKER COCKTAIL GLASS.",
    {
        "gives": "{0} gives {1}",
        "first-part": "the first part of {0} is {1}",
        "second-part": "the second part of {0} is {1}",
        "hand-empty": "the hand has nothing",
        "holds": "the hand has {0}",
        "clean": "{0} is clean",
        "used": "{0} is used",
        "contains": "{0} contains {1}",
        "bottom": "the bottom of {0} is {1}",
        "top": "the top of {0} is {1}",
        "mixed": "the mix of {0} is {1}",
    },
    body=frozenset({"hand-empty", "holds"}),
    public=frozenset(),
    shows={
        "read-card": (Sight("first-part", 0, 0), Sight("second-part", 0, 0)),
        "try": (Sight("gives", 0, 0),),
        "fill": (Sight("gives", 0, 1),),
        "grasp": (
            Sight("clean", 0, 0),
            Sight("used", 0, 0),
            Sight("contains", 0, 0),
            Sight("bottom", 0, 0),
            Sight("top", 0, 0),
            Sight("mixed", 0, 0),
        ),
    },
)

TYREWORLD = Scene(
    "tyreworld",
    "Every hub needs an inflated spare wheel, fastened and on the ground. Tools (wrench, jack, pump) and spares lie in "
    "boxes; you see what is in a box when you unlock or search it. Per hub: loosen, jack-up, undo, remove, "
    "put-on, do-up, jack-down, tighten. Actions: inspect HUB, unlock BOX, search BOX, fetch THING BOX, inflate WHEEL, "
    "loosen HUB, tighten HUB, jack-up HUB, jack-down HUB, undo HUB, do-up HUB, remove WHEEL HUB, put-on WHEEL HUB.",
    {
        "closed": "{0} is closed",
        "open": "{0} is open",
        "lies-in": "{0} lies in {1}",
        "have": "{0} lies with you",
        "tight": "nuts of {0} are tight",
        "loose": "nuts of {0} are loose",
        "unfastened": "nuts of {0} are off",
        "grounded": "{0} is grounded",
        "raised": "{0} is raised",
        "wears": "{0} wears {1}",
        "bare": "{0} wears nothing",
        "inflated": "{0} is inflated",
        "flat": "{0} is flat",
    },
    body=frozenset(),
    public=frozenset(),
    shows={
        "inspect": tuple(
            Sight(p, 0, 0) for p in ("tight", "loose", "unfastened", "grounded", "raised", "wears", "bare")
        ),
        "unlock": (Sight("lies-in", 1, 0),),
        "search": (Sight("lies-in", 1, 0), Sight("open", 0, 0)),
        "fetch": (Sight("flat", 0, 0), Sight("inflated", 0, 0)),
    },
)

VAULTS = Scene(
    "vaults",
    "Bring every paper to its room. Papers lie in locked vaults; a vault takes one certain key, written on its label. "
    "You carry one key and one paper at a time, and you see what is in a room when you enter it. Actions: go FROM TO, "
    "read-label VAULT ROOM, take-key KEY ROOM, drop-key KEY ROOM, open-vault VAULT KEY ROOM, look-in VAULT ROOM, "
    "take-paper PAPER VAULT ROOM, put-paper PAPER ROOM.",
    {
        "next-to": "{0} is next to {1}",
        "courier-in": "the courier is in {0}",
        "stands-in": "{0} stands in {1}",
        "takes": "{0} takes {1}",
        "key-in": "{0} is in {1}",
        "no-key": "the key ring has nothing",
        "has-key": "the key ring has {0}",
        "locked": "{0} is locked",
        "unlocked": "{0} is unlocked",
        "inside": "{0} is inside {1}",
        "paper-in": "{0} lies in {1}",
        "no-paper": "the folder has nothing",
        "has-paper": "the folder has {0}",
        "searched": "{0} is searched",
    },
    body=frozenset({"courier-in", "no-key", "has-key", "no-paper", "has-paper"}),
    public=frozenset({"next-to"}),
    shows={
        "go": (Sight("stands-in", 1, 1), Sight("key-in", 1, 1), Sight("paper-in", 1, 1)),
        "read-label": (Sight("takes", 0, 0), Sight("locked", 0, 0), Sight("unlocked", 0, 0)),
        "look-in": (Sight("inside", 1, 0),),
        "open-vault": (Sight("inside", 1, 0),),
    },
    done={"go": "{1} is searched."},
)

GREENHOUSE = Scene(
    "greenhouse",
    "Every plant shall thrive. You see the plants of a bench and the supplies of a shed when you walk there; what a "
    "plant lacks you see when you examine it. You carry one portion at a time. Actions: walk FROM TO, "
    "examine PLANT BENCH, draw SUPPLY SHED, pour-out SUPPLY, tend PLANT SUPPLY BENCH.",
    {
        "gardener-at": "the gardener is at {0}",
        "grows-on": "{0} grows on {1}",
        "lacks": "{0} lacks {1}",
        "thrives": "{0} is thriving",
        "keeps": "{0} keeps {1}",
        "bucket-empty": "the bucket has nothing",
        "bucket-has": "the bucket has {0}",
        "searched": "{0} is searched",
    },
    body=frozenset({"gardener-at", "bucket-empty", "bucket-has"}),
    public=frozenset(),
    shows={
        "walk": (Sight("grows-on", 1, 1), Sight("keeps", 0, 1)),
        "examine": (Sight("lacks", 0, 0), Sight("thrives", 0, 0)),
    },
    done={"walk": "{1} is searched."},
)


@dataclass(frozen=True)
class Kind:
    """A domain to measure in: how it is told and how its problems are made."""

    scene: Scene
    make: Callable[[random.Random], Problem]

    def world(self, seed: int) -> World:
        """The problem with this number; the same number gives the same problem."""
        return World(self.scene, self.make(random.Random(f"{self.scene.name}:{seed}")))


def _problem(domain: str, objects: dict[str, str], start: list[Atom], goal: list[Atom]) -> Problem:
    return Problem(f"{domain}-made", domain, objects, frozenset(start), tuple(Literal(atom) for atom in goal))


def _names(stem: str, n: int) -> list[str]:
    return [f"{stem}{i + 1}" for i in range(n)]


def make_blocksworld(rng: random.Random) -> Problem:
    """14 to 28 blocks in towers, to be built into other towers."""
    blocks = _names("b", rng.randint(14, 28))
    start: list[Atom] = [("hand-empty",)]
    goal: list[Atom] = []
    for part, towers in ((start, rng.randint(3, 5)), (goal, rng.randint(2, 3))):
        order = shuffled(rng, blocks)
        stacks = [order[i::towers] for i in range(towers)]
        for stack in stacks:
            part.append(("on-table", stack[0]))
            part += [("on", upper, lower) for lower, upper in pairwise(stack)]
            if part is start:
                part.append(("clear", stack[-1]))
    return _problem("blocksworld", dict.fromkeys(blocks, "block"), start, goal)


def make_gripper(rng: random.Random) -> Problem:
    """10 to 20 balls in 5 to 8 rooms, each wanted in another room."""
    rooms, balls = _names("room", rng.randint(5, 8)), _names("ball", rng.randint(10, 20))
    start: list[Atom] = [("robot-in", rooms[0]), ("empty", "left"), ("empty", "right")]
    goal: list[Atom] = []
    for ball in balls:
        here, there = rng.sample(rooms, 2)
        start.append(("ball-in", ball, here))
        goal.append(("ball-in", ball, there))
    kinds = {**dict.fromkeys(rooms, "room"), **dict.fromkeys(balls, "ball"), "left": "gripper", "right": "gripper"}
    return _problem("gripper", kinds, start, goal)


def make_barman(rng: random.Random) -> Problem:
    """3 to 8 cocktails, each in its glass, from 5 to 9 ingredients at as many unmarked taps."""
    drinks, n = _names("drink", rng.randint(5, 9)), rng.randint(3, 8)
    cocktails, glasses = _names("cocktail", n), _names("glass", n)
    taps = _names("tap", len(drinks))
    start: list[Atom] = [("hand-empty",), ("stands", "shaker1"), ("clean", "shaker1")]
    start += [("gives", tap, drink) for tap, drink in zip(taps, shuffled(rng, drinks), strict=True)]
    for cocktail in cocktails:
        first, second = rng.sample(drinks, 2)
        start += [("first-part", cocktail, first), ("second-part", cocktail, second)]
    for glass in glasses:
        start += [("stands", glass), (rng.choice(("clean", "used")), glass)]
    goal: list[Atom] = [("contains", g, c) for g, c in zip(shuffled(rng, glasses), cocktails, strict=True)]
    kinds = {
        **dict.fromkeys(glasses, "glass"),
        "shaker1": "shaker",
        **dict.fromkeys(taps, "tap"),
        **dict.fromkeys(drinks, "ingredient"),
        **dict.fromkeys(cocktails, "cocktail"),
    }
    return _problem("barman", kinds, start, goal)


def make_tyreworld(rng: random.Random) -> Problem:
    """3 to 10 hubs with flat wheels; the tools and spares lie in 4 to 7 boxes."""
    n = rng.randint(3, 10)
    hubs, spares, old = _names("hub", n), _names("spare", n), _names("old", n)
    boxes = _names("box", rng.randint(4, 7))
    start: list[Atom] = [("closed", box) for box in boxes]
    start += [("lies-in", thing, rng.choice(boxes)) for thing in ("wrench", "jack", "pump", *spares)]
    start += [("flat", wheel) for wheel in (*spares, *old)]
    goal: list[Atom] = []
    for hub, wheel, spare in zip(hubs, old, shuffled(rng, spares), strict=True):
        start += [("tight", hub), ("grounded", hub), ("wears", hub, wheel)]
        goal += [("wears", hub, spare), ("inflated", spare), ("tight", hub), ("grounded", hub)]
    kinds = {
        **dict.fromkeys(boxes, "box"),
        **dict.fromkeys(hubs, "hub"),
        **dict.fromkeys([*spares, *old], "wheel"),
    }
    return _problem("tyreworld", kinds, start, goal)


def make_vaults(rng: random.Random) -> Problem:
    """6 to 9 rooms in a ring with a few short cuts, 3 to 6 vaults with a paper each."""
    rooms, n = _names("room", rng.randint(6, 9)), rng.randint(3, 6)
    vaults, keys, papers = _names("vault", n), _names("key", n), _names("paper", n)
    start: list[Atom] = [("courier-in", rooms[0]), ("no-key",), ("no-paper",)]
    pairs = {(a, b) for a, b in zip(rooms, [*rooms[1:], rooms[0]], strict=True)}
    pairs |= {tuple(rng.sample(rooms, 2)) for _ in range(2)}  # type: ignore[misc]
    start += [("next-to", a, b) for pair in pairs for a, b in (pair, pair[::-1])]
    for vault, key, paper in zip(vaults, shuffled(rng, keys), shuffled(rng, papers), strict=True):
        start += [("stands-in", vault, rng.choice(rooms)), ("takes", vault, key), ("locked", vault)]
        start += [("key-in", key, rng.choice(rooms)), ("inside", paper, vault)]
    goal: list[Atom] = [("paper-in", paper, rng.choice(rooms)) for paper in papers]
    kinds = {
        **dict.fromkeys(rooms, "room"),
        **dict.fromkeys(vaults, "vault"),
        **dict.fromkeys(keys, "key"),
        **dict.fromkeys(papers, "paper"),
    }
    return _problem("vaults", kinds, start, goal)


def make_greenhouse(rng: random.Random) -> Problem:
    """8 to 20 plants on 4 to 7 benches, 5 supplies in 3 sheds."""
    benches, sheds = _names("bench", rng.randint(4, 7)), _names("shed", 3)
    plants, supplies = _names("plant", rng.randint(8, 20)), ["water", "lime", "compost", "sand", "potash"]
    start: list[Atom] = [("gardener-at", benches[0]), ("bucket-empty",)]
    start += [("keeps", rng.choice(sheds), supply) for supply in supplies]
    for plant in plants:
        start += [("grows-on", plant, rng.choice(benches)), ("lacks", plant, rng.choice(supplies))]
    goal: list[Atom] = [("thrives", plant) for plant in plants]
    kinds = {
        **dict.fromkeys(benches, "bench"),
        **dict.fromkeys(sheds, "shed"),
        **dict.fromkeys(plants, "plant"),
        **dict.fromkeys(supplies, "supply"),
    }
    return _problem("greenhouse", kinds, start, goal)


KINDS: dict[str, Kind] = {
    "blocksworld": Kind(BLOCKSWORLD, make_blocksworld),
    "gripper": Kind(GRIPPER, make_gripper),
    "barman": Kind(BARMAN, make_barman),
    "tyreworld": Kind(TYREWORLD, make_tyreworld),
    "vaults": Kind(VAULTS, make_vaults),
    "greenhouse": Kind(GREENHOUSE, make_greenhouse),
}
