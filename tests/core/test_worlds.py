"""The worlds of the benches: PDDL read and played, problems that can be solved, texts whose truth is known."""

from __future__ import annotations

import random

import pytest

from agentmem.bench.worlds.belief import ABOUT, fold
from agentmem.bench.worlds.families import FAMILIES, LONGER, TRAINED, instances
from agentmem.bench.worlds.pddl import read_domain, read_problem
from agentmem.bench.worlds.policies import decide
from agentmem.bench.worlds.scenes import KINDS
from agentmem.bench.worlds.strips import Task
from agentmem.errors import BadInput

FERRY = """
(define (domain ferry) ; a comment
  (:requirements :typing :strips)
  (:types place car - object)
  (:predicates (At ?c - car ?p - place) (here ?p - place) (aboard ?c - car) (empty))
  (:action sail :parameters (?a -place ?b - place)
    :precondition (and (here ?a) (not (= ?a ?b))) :effect (and (here ?b) (not (here ?a))))
  (:action board :parameters (?c - car ?p - place)
    :precondition (and (here ?p) (at ?c ?p) (empty)) :effect (and (aboard ?c) (not (at ?c ?p)) (not (empty)))))
"""
ACROSS = """
(define (problem across) (:domain ferry) (:objects n s - place c - car)
  (:goal (and (aboard c) (not (here n))))
  (:init (here n) (at c s) (empty)))
"""


def test_a_goal_may_stand_before_the_start() -> None:
    task = Task(read_domain(FERRY), read_problem(ACROSS))
    state = task.problem.start
    assert list(task.applicable(state)) == [("sail", "n", "s")]
    state = task.apply(state, ("sail", "n", "s"))
    assert task.progress(state) == 0.5
    state = task.apply(state, ("board", "c", "s"))
    assert task.progress(state) == 1.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FERRY.replace("(and (here ?b)", "(and (when (here ?a) (here ?b))"), "uses 'when'"),
        (FERRY.replace("(here ?a) (not (= ?a ?b))", "(or (here ?a) (here ?b))"), "uses 'or'"),
        (FERRY + ")", "closes a bracket"),
        ("(hello)", "not a PDDL domain"),
    ],
)
def test_what_lies_outside_strips_is_refused_in_one_sentence(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_domain(text)


@pytest.mark.parametrize("domain", KINDS)
def test_every_observation_says_what_is_so(domain: str) -> None:
    kind, rng = KINDS[domain], random.Random(0)
    world = kind.world(3)
    world.reset()
    for _ in range(30):
        outcome = world.step(rng.choice(world.valid_actions()))
        told = [atom for atom in kind.scene.atoms_in(outcome.observation) if atom[0] != "searched"]
        assert told
        assert set(told) <= world.state


@pytest.mark.parametrize("domain", KINDS)
def test_mistakes_are_observations_and_change_nothing(domain: str) -> None:
    world = KINDS[domain].world(0)
    world.reset()
    before = world.state
    for action in ("", "fly me", next(iter(world.task.domain.actions)), "grasp nothing at all"):
        assert world.step(action).observation.startswith("Nothing happens; ")
    assert world.state == before


@pytest.mark.parametrize("domain", KINDS)
def test_the_policy_solves_each_domain_with_its_whole_history(domain: str) -> None:
    for seed in range(3):
        world, rng = KINDS[domain].world(seed), random.Random(seed)
        text, done = world.reset(), False
        while not done and world.steps < 200:
            line = decide(domain, text, rng)
            text += f"\n{line}"
            if line.startswith("Action: "):
                outcome = world.step(line.removeprefix("Action: "))
                text, done = f"{text}\n{outcome.observation}", outcome.done
        assert done
        assert world.steps >= 20


def test_a_world_goes_back_to_its_snapshot() -> None:
    world = KINDS["barman"].world(0)
    world.reset()
    snapshot = world.snapshot()
    world.step("try tap1")
    world.step("grasp glass1")
    changed = world.state
    world.restore(snapshot)
    assert world.state != changed
    assert world.snapshot() == snapshot


def test_a_refusal_forgets_what_was_thought() -> None:
    said = fold(ABOUT["blocksworld"], [("clear", "a"), ("on", "b", "c"), ("not", "clear", "a")])
    assert ("top", "a") not in said
    assert said["where", "b"] == ("on", "b", "c")


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_as_long_and_deep_as_asked_and_the_notes_are_true(family: str) -> None:
    for span in (TRAINED[family], LONGER[family]):
        made = instances(family, span, 40, seed=7)
        assert made == instances(family, span, 40, seed=7)
        for instance in made:
            assert span.statements[0] <= len(instance.statements) <= span.statements[1]
            assert span.depth[0] <= instance.depth <= span.depth[1]
            for statement in instance.statements:
                assert all(statement.truth[key] == value for key, value in statement.notes)
            if family != "chess_move":
                assert instance.answers == {instance.statements[-1].truth[instance.key]}
