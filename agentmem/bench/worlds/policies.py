"""Scripted agents for the planning domains: they know the rules and see nothing but a rendered context.

A policy reads the text from the top, keeps the last that is said of each thing, and answers with one line,
"Subgoal: …" or "Action: …". It has no memory of its own between two calls. What the text does not say it has to find
out, by steps that cost like any other; where it finds nothing to do it wanders, by the random generator it is given.
The same policy acts under every view of the history, so that only the view makes the difference.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from agentmem.bench.worlds.belief import Belief, believe
from agentmem.bench.worlds.scenes import KINDS

Plan = tuple[str, str]  # (subgoal, action)


def plan_blocksworld(b: Belief) -> Plan | None:
    """Builds the goal towers from the bottom; whatever is in the way goes to the table."""
    supports = {atom[1]: atom[2] for atom in b.goal if atom[0] == "on"}
    bottoms = [atom[1] for atom in b.goal if atom[0] == "on-table"]
    above = {lower: upper for upper, lower in supports.items()}
    held = b.value("hand")
    finished: set[str] = set()
    for bottom in bottoms:
        block: str | None = bottom
        while block is not None:
            support = supports.get(block)
            subgoal = f"put {block} on {support}" if support else f"put {block} on the table"
            where = b.get("where", block)
            right = where is not None and where == (("on", block, support) if support else ("on-table", block))
            if held != block and where is None:
                return subgoal, f"look {block}"
            if held == block or not right:
                return subgoal, _place(b, block, support, held)
            finished.add(block)
            block = above.get(block)
    return None


def _place(b: Belief, block: str, support: str | None, held: str | None) -> str:
    if held is not None and held != block:
        return f"put-down {held}"
    for needed in (block, support):  # first free the block itself, then its place
        if needed is None or (needed == block and held == block):
            continue
        top = b.get("top", needed)
        while top is not None and top[0] == "on":
            needed = top[1]
            top = b.get("top", needed)
        if top is None:
            return f"put-down {held}" if held else f"look {needed}"
        if needed not in (block, support):
            return f"put-down {held}" if held else _lift(b, needed)
    if held == block:
        return f"stack {block} {support}" if support else f"put-down {block}"
    return _lift(b, block)


def _lift(b: Belief, block: str) -> str:
    where = b.get("where", block)
    if where is None:
        return f"look {block}"
    return f"unstack {block} {where[2]}" if where[0] == "on" else f"pick-up {block}"


def plan_gripper(b: Belief) -> Plan | None:
    """Looks through the rooms while a ball is missing, then brings one ball after the other."""
    me = b.value("me") or "room1"
    target = {atom[1]: atom[2] for atom in b.goal}
    for hand in ("left", "right"):
        atom = b.get("hand", hand)
        if atom is not None and atom[0] == "carries":
            ball = atom[2]
            action = f"drop {ball} {me} {hand}" if me == target[ball] else f"move {me} {target[ball]}"
            return f"bring {ball} to {target[ball]}", action
    missing = [ball for ball in target if b.get("where", ball) is None]
    fresh = [room for room in b.objects["room"] if room != me and b.get("searched", room) is None]
    waiting = [ball for ball in target if (b.value("where", ball) or target[ball]) != target[ball]]
    if missing and fresh:
        return "search the rooms", f"move {me} {fresh[0]}"
    if waiting:
        near = [ball for ball in waiting if b.value("where", ball) == me]
        ball = b.prefer(near or waiting, "bring")
        room = b.value("where", ball) or me
        action = f"pick {ball} {room} left" if room == me else f"move {me} {room}"
        return f"bring {ball} to {target[ball]}", action
    others = [room for room in b.objects["room"] if room != me]
    return "search the rooms again", f"move {me} {b.rng.choice(others)}"


def plan_barman(b: Belief) -> Plan | None:
    """Tries the taps, then makes one cocktail after the other."""
    target = {atom[2]: atom[1] for atom in b.goal}  # cocktail -> glass
    tap_of = {atom[2]: tap for tap, atom in b.known("gives").items()}
    held = b.value("hand")
    untried = [tap for tap in b.objects["tap"] if b.get("gives", tap) is None]
    todo = [c for c, glass in target.items() if b.get("state", glass) != ("contains", glass, c)]
    if not todo:
        return None
    cocktail = b.prefer(todo, "make")
    glass, subgoal = target[cocktail], f"make {cocktail} in {target[cocktail]}"
    first, second = b.value("first", cocktail), b.value("second", cocktail)
    if not b.subgoal.startswith("make") and untried and held is None:
        return "try the taps", f"try {untried[0]}"
    if first is None or second is None:
        return subgoal, f"read-card {cocktail}"
    state, shaker = b.get("state", glass), b.get("state", "shaker1") or ("clean", "shaker1")
    if held == glass and state is not None and state[0] == "used":
        return subgoal, f"wash {glass}"
    vessel = "shaker1" if shaker[0] in ("top", "mixed", "used") else glass
    if shaker[0] == "mixed" and (state is None or state[0] == "used"):
        vessel = glass  # it has to be clean before the mix goes in
    if held is not None and held != vessel:
        return subgoal, f"leave {held}"
    if held is None:
        return subgoal, f"grasp {vessel}"
    match shaker[0]:
        case "used":
            return subgoal, "wash shaker1"
        case "top":
            return subgoal, f"shake shaker1 {cocktail} {first} {second}"
        case "mixed":
            return subgoal, f"serve shaker1 {cocktail} {glass}"
    wanted = second if shaker[0] == "bottom" else first
    if state is None:
        return subgoal, f"leave {glass}"
    if state[0] == "contains":
        pour = f"pour-first {glass} {state[2]} shaker1"
        return subgoal, pour if shaker[0] != "bottom" else f"pour-second {glass} {state[2]} shaker1 {shaker[2]}"
    tap = tap_of.get(wanted)
    if tap is None:
        return subgoal, f"try {b.rng.choice(untried or b.objects['tap'])}"
    return subgoal, f"fill {glass} {tap} {wanted}"


def plan_tyreworld(b: Belief) -> Plan | None:
    """Opens the boxes, takes the tools, then changes one wheel after the other."""
    target = {atom[1]: atom[2] for atom in b.goal if atom[0] == "wears"}  # hub -> spare
    todo = [hub for hub, spare in target.items() if not _changed(b, hub, spare)]
    if not todo:
        return None
    hub = b.prefer(todo, "change")
    spare, subgoal = target[hub], f"change {hub} to {target[hub]}"
    for thing in ("wrench", "pump", "jack", spare):
        where = b.get("where", thing)
        raised = b.get("height", hub) == ("raised", hub)
        if thing == "jack" and raised:
            continue
        if where is None:
            box = _unsearched(b)
            return "look into the boxes", box
        if where[0] == "lies-in":
            what = subgoal if thing == spare else "fetch the tools"
            return what, f"fetch {thing} {where[2]}"
    if b.get("air", spare) != ("inflated", spare) and b.get("hub", hub) != ("wears", hub, spare):
        return subgoal, f"inflate {spare}"
    nuts, height, worn = b.get("nuts", hub), b.get("height", hub), b.get("hub", hub)
    if nuts is None or height is None or worn is None:
        return subgoal, f"inspect {hub}"
    mounted, up = worn == ("wears", hub, spare), height[0] == "raised"
    match nuts[0], up, mounted:
        case "tight", False, False:
            return subgoal, f"loosen {hub}"
        case "loose", False, False:
            return subgoal, f"jack-up {hub}"
        case "loose", True, False:
            return subgoal, f"undo {hub}"
        case "unfastened", True, False:
            return subgoal, f"put-on {spare} {hub}" if worn[0] == "bare" else f"remove {worn[2]} {hub}"
        case "unfastened", True, True:
            return subgoal, f"do-up {hub}"
        case "loose", True, True:
            return subgoal, f"jack-down {hub}"
        case "loose", False, True:
            return subgoal, f"tighten {hub}"
    return subgoal, f"inspect {hub}"


def _changed(b: Belief, hub: str, spare: str) -> bool:
    on = b.get("hub", hub) == ("wears", hub, spare)
    return on and b.get("nuts", hub) == ("tight", hub) and b.get("height", hub) == ("grounded", hub)


def _unsearched(b: Belief) -> str:
    for box in b.objects["box"]:
        if b.get("box", box) is None or b.get("box", box) == ("closed", box):
            return f"unlock {box}"
    return f"search {b.rng.choice(b.objects['box'])}"


def plan_vaults(b: Belief) -> Plan | None:
    """Walks through all rooms and reads the labels, then fetches one paper after the other."""
    me = b.value("me") or "room1"
    target = {atom[1]: atom[2] for atom in b.goal}
    carried, key = b.value("folder"), b.value("ring")
    if carried is not None:
        goal = target[carried]
        action = f"put-paper {carried} {me}" if me == goal else _go(b, me, goal)
        return b.subgoal if b.subgoal.startswith("empty") else f"bring {carried} to {goal}", action
    here = [v for v in b.objects["vault"] if b.value("stands", v) == me and b.get("takes", v) is None]
    if here:
        return "explore the rooms", f"read-label {here[0]} {me}"
    fresh = [place for place in b.objects["room"] if place != me and b.get("searched", place) is None]
    keys = b.objects["key"]
    lost = [v for v in b.objects["vault"] if b.get("stands", v) is None or b.get("takes", v) is None]
    lost += [k for k in keys if b.get("key", k) is None and k != key and not _used(b, k)]
    if lost and fresh:
        return "explore the rooms", _go(b, me, min(fresh, key=lambda place: len(_path(b, me, place))))
    inside = {atom[2]: p for p, atom in b.known("paper").items() if atom[0] == "inside"}
    shut = [v for v in b.objects["vault"] if v in inside or b.get("lock", v) != ("unlocked", v)]
    ready = [v for v in shut if b.get("stands", v) and (v in inside or _reachable(b, v, key))]
    if not ready:
        opened = [v for v in b.objects["vault"] if b.value("stands", v) == me and b.get("lock", v) == ("unlocked", v)]
        if opened and b.rng.random() < 0.5:
            return "explore the rooms again", f"look-in {opened[0]} {me}"
        others = [room for room in b.objects["room"] if room != me]
        return "explore the rooms again", _go(b, me, b.rng.choice(others))
    vault = b.prefer(ready, "empty")
    subgoal, room, wanted = f"empty {vault}", b.value("stands", vault), b.value("takes", vault)
    if room is None:
        return "explore the rooms again", _go(b, me, b.rng.choice(b.objects["room"]))
    if vault in inside:
        return subgoal, f"take-paper {inside[vault]} {vault} {me}" if me == room else _go(b, me, room)
    if key is not None and key != wanted:
        return subgoal, f"drop-key {key} {me}"
    if key is None:
        place = b.value("key", wanted or "") or me
        return subgoal, f"take-key {wanted} {me}" if me == place else _go(b, me, place)
    return subgoal, f"open-vault {vault} {key} {me}" if me == room else _go(b, me, room)


def _used(b: Belief, key: str) -> bool:
    """Whether a key's vault is known to be open, so that nobody needs it."""
    return any(
        atom[2] == key and b.get("lock", vault) == ("unlocked", vault) for vault, atom in b.known("takes").items()
    )


def _reachable(b: Belief, vault: str, key: str | None) -> bool:
    wanted = b.value("takes", vault)
    return wanted is not None and (wanted == key or b.get("key", wanted) is not None)


def _path(b: Belief, start: str, end: str) -> list[str]:
    """The rooms after `start` on a shortest way to `end`; empty when there is none."""
    edges: dict[str, list[str]] = {}
    for key in b.said:
        if key[0] == "next":
            edges.setdefault(key[1], []).append(key[2])
    ways = {start: [start]}
    queue = [start]
    while queue and end not in ways:
        room = queue.pop(0)
        for other in edges.get(room, []):
            if other not in ways:
                ways[other] = [*ways[room], other]
                queue.append(other)
    return ways.get(end, [start])[1:]


def _go(b: Belief, me: str, room: str) -> str:
    way = _path(b, me, room)
    return f"go {me} {way[0] if way else room}"


def plan_greenhouse(b: Belief) -> Plan | None:
    """Looks into every place and examines every plant, then tends one after the other."""
    me = b.value("me") or "bench1"
    plants = [atom[1] for atom in b.goal]
    places = [*b.objects["bench"], *b.objects["shed"]]
    here = [p for p in plants if b.value("bench", p) == me and b.get("need", p) is None]
    if here:
        return "survey the greenhouse", f"examine {here[0]} {me}"
    fresh = [place for place in places if place != me and b.get("searched", place) is None]
    unknown = [p for p in plants if b.get("need", p) is None]
    homeless = [p for p in unknown if b.get("bench", p) is None]
    found = [p for p in unknown if p not in homeless]
    if found:
        return "survey the greenhouse", f"walk {me} {b.value('bench', found[0])}"
    lacking = [p for p in plants if (b.get("need", p) or ("",))[0] == "lacks"]
    stocked = [p for p in lacking if b.get("shed", b.value("need", p) or "") and b.get("bench", p)]
    if (homeless or len(stocked) < len(lacking)) and fresh:
        return "survey the greenhouse", f"walk {me} {fresh[0]}"
    if not stocked:
        others = [place for place in places if place != me]
        return "survey the greenhouse again", f"walk {me} {b.rng.choice(others)}"
    plant = b.prefer(stocked, "tend")
    subgoal, need, bench = f"tend {plant}", b.value("need", plant), b.value("bench", plant)
    load, shed = b.value("bucket"), (b.get("shed", need or "") or ("", me))[1]
    if load is not None and load != need:
        return subgoal, f"pour-out {load}"
    if load is None:
        return subgoal, f"draw {need} {me}" if me == shed else f"walk {me} {shed}"
    return subgoal, f"tend {plant} {need} {me}" if me == bench else f"walk {me} {bench}"


PLANS: dict[str, Callable[[Belief], Plan | None]] = {
    "blocksworld": plan_blocksworld,
    "gripper": plan_gripper,
    "barman": plan_barman,
    "tyreworld": plan_tyreworld,
    "vaults": plan_vaults,
    "greenhouse": plan_greenhouse,
}


def decide(domain: str, text: str, rng: random.Random) -> str:
    """The next line of the agent, "Subgoal: …" or "Action: …", from the rendered context alone."""
    belief = believe(KINDS[domain].scene, text, rng)
    plan = PLANS[domain](belief)
    if plan is None:  # everything it knows is done, yet the run goes on: what it knows must be wrong somewhere
        return "Action: " + _wander(domain, belief)
    subgoal, action = plan
    return f"Subgoal: {subgoal}" if subgoal != belief.subgoal else f"Action: {action}"


def _wander(domain: str, b: Belief) -> str:
    looks = {"blocksworld": ("look", "block"), "barman": ("grasp", "glass"), "tyreworld": ("inspect", "hub")}
    verb, kind = looks.get(domain, ("wait", next(iter(b.objects))))
    return f"{verb} {b.rng.choice(b.objects[kind])}"
