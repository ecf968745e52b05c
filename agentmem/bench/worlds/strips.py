"""States and moves of a STRIPS task: which actions apply, what they change, whether the goal holds.

A state is a frozenset of atoms and never altered. This module knows no observations, words or rewards.
"""

from __future__ import annotations

from collections.abc import Iterator

from agentmem.bench.worlds.pddl import Action, Atom, Domain, Literal, Problem
from agentmem.errors import BadInput

State = frozenset[Atom]


class Task:
    """One problem of one domain."""

    def __init__(self, domain: Domain, problem: Problem) -> None:
        self.domain, self.problem = domain, problem
        self.objects = {**domain.constants, **problem.objects}
        self._of_type: dict[str, list[str]] = {}
        touched = {literal.atom[0] for action in domain.actions.values() for literal in action.effect}
        self.static = frozenset(atom for atom in problem.start if atom[0] not in touched)

    def objects_of(self, kind: str) -> list[str]:
        """The objects of a type or of one below it, in the order of the problem."""
        if kind not in self._of_type:
            self._of_type[kind] = [o for o, own in self.objects.items() if self.domain.is_a(own, kind)]
        return self._of_type[kind]

    def applicable(self, state: State) -> Iterator[Atom]:
        """All ground actions that may be taken, as (name, object, ...)."""
        for action in self.domain.actions.values():
            yield from ((action.name, *values) for values in self._bind(action, state, ()))

    def unmet(self, state: State, call: Atom) -> Literal | None:
        """The first precondition that does not hold, or None when the action may be taken.

        Raises BadInput when no such action or object exists or the number of arguments is wrong.
        """
        action = self._action(call)
        binding = dict(zip((v for v, _ in action.parameters), call[1:], strict=True))
        for literal in action.precondition:
            ground = Literal(_ground(literal.atom, binding), literal.positive)
            if not _holds(ground, state):
                return ground
        return None

    def apply(self, state: State, call: Atom) -> State:
        """The state after an applicable action: deletes first, then adds."""
        adds, deletes = self.effects(call)
        return (state - deletes) | adds

    def effects(self, call: Atom) -> tuple[frozenset[Atom], frozenset[Atom]]:
        """The atoms that an action adds and deletes."""
        action = self._action(call)
        binding = dict(zip((v for v, _ in action.parameters), call[1:], strict=True))
        adds = frozenset(_ground(e.atom, binding) for e in action.effect if e.positive)
        return adds, frozenset(_ground(e.atom, binding) for e in action.effect if not e.positive)

    def progress(self, state: State) -> float:
        """The share of the goal's conditions that hold, 0 to 1."""
        goal = self.problem.goal
        return sum(_holds(literal, state) for literal in goal) / len(goal) if goal else 1.0

    def _action(self, call: Atom) -> Action:
        action = self.domain.actions.get(call[0])
        if action is None:
            raise BadInput(f"there is no action {call[0]!r}; actions: {', '.join(self.domain.actions)}")
        if len(call) - 1 != len(action.parameters):
            wanted = " ".join(f"{variable}:{kind}" for variable, kind in action.parameters)
            raise BadInput(f"{action.name!r} takes {wanted}, not {' '.join(call[1:]) or 'nothing'}")
        for value, (variable, kind) in zip(call[1:], action.parameters, strict=True):
            if value not in self.objects_of(kind):
                raise BadInput(f"{value!r} is no {kind}, which {variable} of {action.name!r} should be")
        return action

    def _bind(self, action: Action, state: State, chosen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Chooses one argument after the other and gives up as soon as a condition on those chosen fails."""
        variables = [variable for variable, _ in action.parameters]
        binding = dict(zip(variables, chosen, strict=False))
        for literal in action.precondition:
            free = [arg for arg in literal.atom[1:] if arg.startswith("?") and arg not in binding]
            if not free and not _holds(Literal(_ground(literal.atom, binding), literal.positive), state):
                return
        if len(chosen) == len(variables):
            yield chosen
            return
        for value in self.objects_of(action.parameters[len(chosen)][1]):
            yield from self._bind(action, state, (*chosen, value))


def _ground(atom: Atom, binding: dict[str, str]) -> Atom:
    return (atom[0], *(binding.get(arg, arg) for arg in atom[1:]))


def _holds(literal: Literal, state: State) -> bool:
    atom = literal.atom
    true = atom[1] == atom[2] if atom[0] == "=" else atom in state
    return true == literal.positive
