"""Reads the STRIPS part of PDDL: typed objects, conjunctions, negation and equality in preconditions.

Of the files in the pddlgym collection the parser kept on PyPI (`pddl` 0.5.1) read 32 of 57 when this was written,
for it wants `:init` before `:goal`; what is needed here is small enough to read in one sitting.

This module knows the grammar and nothing of states: `agentmem.bench.worlds.strips` moves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from agentmem.errors import BadInput

Atom = tuple[str, ...]  # ("on", "a", "b")


@dataclass(frozen=True)
class Literal:
    atom: Atom  # arguments that start with "?" are parameters
    positive: bool = True


@dataclass(frozen=True)
class Action:
    name: str
    parameters: tuple[tuple[str, str], ...]  # (variable, type)
    precondition: tuple[Literal, ...]
    effect: tuple[Literal, ...]


@dataclass(frozen=True)
class Domain:
    name: str
    parents: dict[str, str]  # type -> its supertype
    constants: dict[str, str]  # object -> type
    predicates: dict[str, int]  # name -> number of arguments
    actions: dict[str, Action]

    def is_a(self, kind: str, wanted: str) -> bool:
        """Whether a type is the wanted one or below it; several wanted types are joined by "|"."""
        choices = wanted.split("|")
        while True:
            if "object" in choices or kind in choices:
                return True
            if kind not in self.parents or kind == "object":
                return False
            kind = self.parents[kind]


@dataclass(frozen=True)
class Problem:
    name: str
    domain: str
    objects: dict[str, str]  # object -> type
    start: frozenset[Atom]
    goal: tuple[Literal, ...] = field(default=())


def read_domain(text: str) -> Domain:
    """The domain that a PDDL text defines; BadInput names what lies outside STRIPS."""
    name, sections = _define(text, "domain")
    parents: dict[str, str] = {}
    constants: dict[str, str] = {}
    predicates: dict[str, int] = {}
    actions: dict[str, Action] = {}
    for section in sections:
        match section:
            case [":types", *names]:
                parents.update(_typed(names))
            case [":constants", *names]:
                constants.update(_typed(names))
            case [":predicates", *declared]:
                predicates.update({p[0]: len(_typed(p[1:])) for p in declared})
            case [":action", str(action), *rest]:
                actions[action] = _action(action, rest)
            case [":requirements", *_]:
                pass
            case _:
                raise BadInput(f"domain {name!r} has a section {_head(section)!r}; only STRIPS with types is read")
    return Domain(name, parents, constants, predicates, actions)


def read_problem(text: str) -> Problem:
    """The problem that a PDDL text defines."""
    name, sections = _define(text, "problem")
    domain, objects, start, goal = "", {}, frozenset[Atom](), tuple[Literal, ...]()
    for section in sections:
        match section:
            case [":domain", str(named)]:
                domain = named
            case [":objects", *names]:
                objects = _typed(names)
            case [":init", *atoms]:
                start = frozenset(_atom(atom) for atom in atoms)
            case [":goal", condition]:
                goal = _literals(condition, name)
            case [":requirements" | ":metric", *_]:
                pass
            case _:
                raise BadInput(f"problem {name!r} has a section {_head(section)!r}; only STRIPS with types is read")
    return Problem(name, domain, objects, start, goal)


def _define(text: str, kind: str) -> tuple[str, list[Any]]:
    match _parse(text):
        case ["define", [str(found), str(name)], *sections] if found == kind:
            return name, sections
    raise BadInput(f"this is not a PDDL {kind}: it should begin with '(define ({kind} NAME)'")


def _parse(text: str) -> Any:
    words = re.findall(r"[()]|[^\s()]+", re.sub(r";[^\n]*", "", text).lower())
    stack: list[list[Any]] = [[]]
    for word in words:
        if word == "(":
            stack.append([])
        elif word == ")":
            if len(stack) == 1:
                raise BadInput("the PDDL text closes a bracket that it never opened")
            closed = stack.pop()
            stack[-1].append(closed)
        else:
            stack[-1].append(word)
    if len(stack) != 1 or len(stack[0]) != 1:
        raise BadInput(f"the PDDL text should be one bracketed expression; {len(stack) - 1} brackets stay open")
    return stack[0][0]


def _typed(words: list[Any]) -> dict[str, str]:
    """["a", "b", "-", "block", "c"] -> {"a": "block", "b": "block", "c": "object"}, also "-block" written together."""
    result: dict[str, str] = {}
    waiting: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if isinstance(word, str) and word.startswith("-"):
            kind = word[1:] or rest.pop(0)
            joined = "|".join(kind[1:]) if isinstance(kind, list) else kind  # (either a b)
            result.update(dict.fromkeys(waiting, joined))
            waiting = []
        else:
            waiting.append(str(word))
    result.update(dict.fromkeys(waiting, "object"))
    return result


def _action(name: str, rest: list[Any]) -> Action:
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    unknown = set(parts) - {":parameters", ":precondition", ":effect"}
    if unknown:
        raise BadInput(f"action {name!r} has a part {min(unknown)!r}; only STRIPS is read")
    return Action(
        name,
        tuple(_typed(parts.get(":parameters", [])).items()),
        _literals(parts.get(":precondition", ["and"]), name),
        _literals(parts.get(":effect", ["and"]), name),
    )


def _literals(condition: Any, where: str) -> tuple[Literal, ...]:
    match condition:
        case [] | ["and"]:
            return ()
        case ["and", *parts]:
            return tuple(literal for part in parts for literal in _literals(part, where))
        case ["not", [*inner]]:
            return (Literal(_atom(inner), positive=False),)
        case ["or" | "forall" | "exists" | "when" | "imply" | "probabilistic" | "increase" as word, *_]:
            raise BadInput(f"{where!r} uses '{word}'; only conjunctions of atoms and negated atoms are read")
        case [*_]:
            return (Literal(_atom(condition)),)
    raise BadInput(f"{where!r} holds {condition!r} where a condition should stand")


def _atom(expression: Any) -> Atom:
    if not isinstance(expression, list) or not expression or not all(isinstance(w, str) for w in expression):
        raise BadInput(f"{expression!r} is no atom; an atom looks like (on a b)")
    return tuple(expression)


def _head(section: Any) -> str:
    return str(section[0]) if isinstance(section, list) and section else str(section)
