"""A STRIPS task seen through a keyhole: what an agent is told when it begins, and after each step.

An observation says in sentences what the agent feels of itself (its place, its hands), what its action changed, and
what that action lets it see; nothing is repeated later. Whoever wants to act well has to remember.
Which atoms an action shows is data (`Scene.shows`), and so are the sentences (`Scene.phrases`).

This module refuses to know policies, memories and messages.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

from agentmem.bench.worlds.pddl import Atom, Domain, Problem, read_domain
from agentmem.bench.worlds.strips import State, Task
from agentmem.errors import BadInput


@dataclass(frozen=True)
class Sight:
    """After an action all atoms of `predicate` are seen whose argument `position` is the action's argument `of`."""

    predicate: str
    position: int
    of: int


@dataclass(frozen=True)
class Scene:
    """How one domain is told. Predicates without a phrase are never told."""

    name: str
    rules: str  # one paragraph for the agent: what there is to know about this world
    phrases: Mapping[str, str]  # predicate -> "{0} is in {1}"
    body: frozenset[str]  # predicates that the agent feels at every step
    public: frozenset[str]  # predicates told at the start
    shows: Mapping[str, tuple[Sight, ...]] = field(default_factory=dict)  # action -> what it lets the agent see
    done: Mapping[str, str] = field(default_factory=dict)  # action -> a sentence that says it was done, "{0}" ...

    def domain(self) -> Domain:
        return _read(self.name)

    def say(self, atom: Atom) -> str | None:
        phrase = self.phrases.get(atom[0])
        return None if phrase is None else phrase.format(*atom[1:])

    def atoms_in(self, text: str) -> Iterator[Atom]:
        """The atoms that the sentences of a text state, in their order; the inverse of `say`.

        A refusal ("…; A needs (p x)") yields ("not", "p", "x").
        """
        for line in text.splitlines():
            yield from _atoms_of_line(_patterns(tuple(self.phrases.items())), line)


@lru_cache(maxsize=64)
def _read(name: str) -> Domain:
    return read_domain((resources.files(__package__) / "domains" / f"{name}.pddl").read_text("utf-8"))


@lru_cache(maxsize=64)
def _patterns(phrases: tuple[tuple[str, str], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = []
    # Phrases with fewer blanks come first: "the hand has nothing" is no hand that has a thing called nothing.
    for predicate, phrase in sorted(phrases, key=lambda item: item[1].count("{")):
        pattern = re.sub(r"\\\{(\d)\\\}", lambda m: f"(?P<a{m[1]}>[a-z][a-z0-9-]*)", re.escape(phrase))
        found.append((predicate, re.compile(pattern)))
    return tuple(found)


@lru_cache(maxsize=200_000)
def _atoms_of_line(patterns: tuple[tuple[str, re.Pattern[str]], ...], line: str) -> tuple[Atom, ...]:
    found: list[Atom] = []
    for sentence in re.split(r"(?<=[.;:])\s+", line):
        if refusal := re.search(r"needs \(([^)]*)\)", sentence):
            found.append(("not", *refusal[1].split()))
            continue
        for predicate, pattern in patterns:
            if match := pattern.fullmatch(sentence.rstrip(".;")):
                groups = match.groupdict()
                found.append((predicate, *(groups[key] for key in sorted(groups))))
                break
    return tuple(found)


@dataclass(frozen=True)
class Outcome:
    """What one step brought: the text, the share of the goal reached, and whether the run is over."""

    observation: str
    reward: float
    done: bool


class World:
    """One problem to act in: `reset`, `valid_actions`, `step`. Mistakes are observations, never exceptions."""

    def __init__(self, scene: Scene, problem: Problem) -> None:
        self.scene, self.problem = scene, problem
        self.task = Task(scene.domain(), problem)
        self.state: State = problem.start
        self.steps = 0

    def reset(self) -> str:
        """The task in words: rules, objects, what is known at the start and the goal."""
        self.state, self.steps = self.problem.start, 0
        lines = [self.scene.rules]
        for kind in dict.fromkeys(self.problem.objects.values()):
            names = [name for name, own in self.problem.objects.items() if own == kind]
            lines.append(f"Each {kind}: {', '.join(names)}.")
        known = [a for a in self.state if a[0] in self.scene.public or a[0] in self.scene.body]
        lines.append("At the start: " + self._sentences(known))
        goal = [self.scene.say(literal.atom) or "" for literal in self.problem.goal]
        lines.append("Goal: " + "; ".join(goal))
        return "\n".join(lines)

    def valid_actions(self) -> list[str]:
        """All actions that would change or show something now."""
        return sorted(" ".join(call) for call in self.task.applicable(self.state))

    def step(self, action: str) -> Outcome:
        """Takes an action such as "stack a b"."""
        self.steps += 1
        call = tuple(action.lower().replace("(", " ").replace(")", " ").split())
        try:
            if not call:
                raise BadInput(f"an action is missing; actions: {', '.join(self.task.domain.actions)}")
            unmet = self.task.unmet(self.state, call)
        except BadInput as error:
            return self._outcome(f"Nothing happens; {error}.")
        if unmet is not None:
            wanted = f"({' '.join(unmet.atom)})" if unmet.positive else f"not ({' '.join(unmet.atom)})"
            return self._outcome(f"Nothing happens; {' '.join(call)} needs {wanted}. " + self._sentences(self._felt()))
        adds, _ = self.task.effects(call)
        self.state = self.task.apply(self.state, call)
        seen = [*self._felt(), *(a for a in adds if a[0] not in self.scene.body), *self._shown(call)]
        told = self.scene.done.get(call[0], "").format(*call[1:])
        return self._outcome(" ".join(part for part in (told, self._sentences(seen)) if part))

    def _outcome(self, observation: str) -> Outcome:
        progress = self.task.progress(self.state)
        return Outcome(observation, progress, progress == 1.0)

    def _felt(self) -> list[Atom]:
        return [atom for atom in self.state if atom[0] in self.scene.body]

    def _shown(self, call: Atom) -> list[Atom]:
        sights = self.scene.shows.get(call[0], ())
        return [
            atom
            for atom in self.state
            for sight in sights
            if atom[0] == sight.predicate and atom[1 + sight.position] == call[1 + sight.of]
        ]

    def _sentences(self, atoms: list[Atom]) -> str:
        said = dict.fromkeys(sentence for atom in sorted(set(atoms)) if (sentence := self.scene.say(atom)))
        return " ".join(f"{sentence}." for sentence in said)

    def snapshot(self) -> dict[str, object]:
        """The state as plain data, for a checkpoint."""
        return {"state": sorted(list(atom) for atom in self.state), "steps": self.steps}

    def restore(self, snapshot: Mapping[str, object]) -> None:
        """Goes back to a snapshot."""
        state, steps = snapshot["state"], snapshot["steps"]
        if not isinstance(state, list) or not isinstance(steps, int):
            raise BadInput("this is no snapshot of a world: it should hold 'state' and 'steps'")
        self.state, self.steps = frozenset(tuple(atom) for atom in state), steps


def shuffled(rng: random.Random, names: list[str]) -> list[str]:
    """A shuffled copy."""
    copy = list(names)
    rng.shuffle(copy)
    return copy
