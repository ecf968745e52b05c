"""The demo world is the same everywhere, full of look-alikes, and its probes are never trained on."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import pytest

from agentmem.cli.options import Options
from agentmem.errors import NotFound
from agentmem_lm import command
from agentmem_lm.demo.documents import documents
from agentmem_lm.demo.probes import KINDS, probes
from agentmem_lm.demo.wordings import CHAINS, WORDINGS
from agentmem_lm.demo.world import RELATIONS_OF, build

WORLD = build()


def test_there_are_enough_subjects_with_several_relations_each() -> None:
    assert len(WORLD.subjects) >= 1500
    assert min(len(facts) for facts in WORLD.by_subject.values()) >= 3
    assert set(WORDINGS) == {relation for relations in RELATIONS_OF.values() for relation in relations}
    assert all(fact.source for fact in WORLD.facts)


def test_the_world_of_a_seed_is_the_same_everywhere() -> None:
    assert build.__wrapped__() == WORLD
    assert (WORLD.facts[0].subject, WORLD.facts[0].relation, len(WORLD.facts)) == (
        WORLD.kinds["person"][0],
        "birth_city",
        6036,
    )
    assert build.__wrapped__(seed=12).facts != WORLD.facts


def test_names_look_alike_on_purpose() -> None:
    person = WORLD.kinds["person"][0]
    assert all(set(person.split()) & set(other.split()) for other in WORLD.look_alikes(person))
    with_twin = [city for city in WORLD.kinds["city"] if WORLD.look_alikes(city)]
    assert len(with_twin) > 60


def test_facts_that_changed_have_an_earlier_value_with_its_years() -> None:
    moved = [fact for fact in WORLD.facts if fact.relation == "former_home"]
    assert len(moved) > 300
    for fact in moved:
        now = WORLD.by_subject[fact.subject]["home"]
        assert fact.until == now.since
        assert fact.object != now.object


def test_two_hop_chains_meet_in_the_middle() -> None:
    chains = WORLD.chains()
    assert len(chains) > 1000
    assert all(first.object == second.subject for first, second in chains)
    assert {(first.relation, second.relation) for first, second in chains} == set(CHAINS)


def test_every_kind_of_probe_is_made_and_is_the_same_for_a_seed() -> None:
    made = probes(WORLD, 20)
    assert {probe.kind for probe in made} == set(KINDS)
    assert made == probes(WORLD, 20) != probes(WORLD, 20, seed=2)


def test_held_out_wordings_names_and_chains_are_never_trained_on() -> None:
    text = "\n".join(line.prompt for document in itertools.islice(documents(WORLD, 3, 0.3), 3000) for line in document)
    held = [w.partition("{}") for words in WORDINGS.values() for w in (*words.held_statements, *words.held_questions)]
    longest = [max(parts, key=len).strip() for parts in held if len(max(parts, key=len)) > 14]
    assert len(longest) > 30
    trained = [w for words in WORDINGS.values() for w in (*words.statements, *words.questions)]
    unlike = [part for part in longest if not any(part in wording for wording in trained)]
    assert [part for part in unlike if part in text] == []
    assert [name for names in WORLD.held_strangers.values() for name in names if name in text] == []


def test_what_a_passage_makes_up_is_not_learnt_as_a_fact() -> None:
    for document in itertools.islice(documents(WORLD, 4, 1.0), 200):
        assert not any(line.factual for line in document)


def test_demo_world_shows_facts_of_a_subject(capsys: pytest.CaptureFixture[str]) -> None:
    country = WORLD.kinds["country"][0]
    assert command.demo(["world", "--subject", country], Options(home="unused")) == 0
    shown = capsys.readouterr().out
    assert WORLD.by_subject[country]["capital"].object in shown
    assert command.demo(["world", "--relation", "capital", "--limit", "3"], Options(home="unused", json=True)) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["facts"]) == 3
    assert data["total"] == 40


def test_demo_world_names_what_is_near_when_there_is_no_such_subject() -> None:
    with pytest.raises(NotFound, match="did you mean"):
        command.demo(["world", "--subject", "sorel"], Options(home="unused"))
    with pytest.raises(NotFound, match="capital"):
        command.demo(["world", "--relation", "height"], Options(home="unused"))


def test_the_world_and_the_memory_are_imported_without_torch() -> None:
    code = "import sys, agentmem_lm.command as _; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
