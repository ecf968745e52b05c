"""What is written down of a turn without a model: facts by the update policy, refusals with their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem import Agent
from agentmem.policy import says_nothing
from agentmem.records import Record, Status


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with Agent.open(tmp_path, memories="bm25", embedder="hash") as opened:
        yield opened


def _facts(agent: Agent, *statuses: Status) -> list[Record]:
    return list(agent.records(kinds=("fact",), statuses=statuses or (Status.ACTIVE,)))


def test_a_stated_fact_is_appended_and_held_by_the_turn_alone(agent: Agent) -> None:
    agent.ask("The harbour office is at Pier 4.")
    (fact,) = _facts(agent)
    assert (fact.subject, fact.object, fact.memories) == ("harbour office", "Pier 4", ())
    assert [hit.record.kind for hit in agent.recall("harbour office")] == ["turn"]


def test_a_change_takes_the_place_of_the_known_fact_and_can_be_taken_back(agent: Agent) -> None:
    old = agent.remember("The harbour office is at Pier 4.").record_id
    answer = agent.ask("The harbour office moved to Pier 6.")
    assert agent.show(old).status is Status.SUPERSEDED
    learned = next(receipt for receipt in answer.receipts if receipt.verb == "learn")
    agent.undo(learned)
    assert agent.show(old).status is Status.ACTIVE


def test_what_is_no_longer_so_is_retracted(agent: Agent) -> None:
    old = agent.remember("The harbour office is at Pier 4.").record_id
    agent.ask("The harbour office is no longer at Pier 4.")
    assert agent.show(old).status is Status.RETRACTED


def test_what_is_known_is_refused_with_a_reason_and_found_by_its_first_turn(agent: Agent) -> None:
    agent.ask("The harbour office is at Pier 4.")
    agent.ask("The harbour office is at Pier 4.")
    assert len(_facts(agent)) == 1
    assert len(agent.recall("harbour office")) == 1
    assert [f.text.partition(" (")[0] for f in agent.audit()] == ["not kept as a fact: it is known already"]
    assert len([r for r in agent.records(kinds=("turn",)) if r.attributes["role"] == "user"]) == 2  # raw turns stay


def test_chit_chat_is_kept_but_not_found(agent: Agent) -> None:
    agent.ask("Thanks!")
    assert agent.recall("thanks") == []
    assert [f.text for f in agent.audit()] == ["not kept as a fact: it says nothing"]


@pytest.mark.parametrize(
    ("text", "nothing"), [("Ok, thanks.", True), ("Good morning!", True), ("Hm, ok.", True), ("I like tea.", False)]
)
def test_chit_chat_is_told_from_statements(text: str, nothing: bool) -> None:
    assert says_nothing(text) is nothing


def test_nobody_elses_fact_is_replaced(agent: Agent) -> None:
    theirs = agent.remember("The harbour office is at Pier 4.", namespace="ben").record_id
    agent.ask("The harbour office moved to Pier 6.", namespace="clara")
    assert agent.show(theirs).status is Status.ACTIVE


def test_what_was_recalled_is_never_written_as_new(agent: Agent) -> None:
    agent.remember("The harbour office is at Pier 4.")
    before = agent.home.journal.records.count(kinds=("fact",))
    for _ in range(3):
        agent.ask("Where is the harbour office?")
    assert agent.home.journal.records.count(kinds=("fact",)) == before
    assert len(agent.recall("harbour office")) == 1


def test_the_facts_of_a_corrected_turn_are_read_anew(agent: Agent) -> None:
    agent.ask("The harbour office is at Pier 4.")
    said = next(r for r in agent.records(kinds=("turn",)) if r.attributes["role"] == "user")
    receipt = agent.correct(said.id, "The harbour office is at Pier 5.")
    assert [fact.object for fact in _facts(agent)] == ["Pier 5"]
    undone = agent.undo(receipt)
    assert [fact.object for fact in _facts(agent)] == ["Pier 4"]
    agent.undo(undone)
    assert [fact.object for fact in _facts(agent)] == ["Pier 5"]
    agent.ask("The harbour office moved to Pier 6.")
    assert "Pier 5" not in agent.ask("Where is the harbour office?").text.partition("(until")[0]


def test_what_was_replaced_does_not_speak_again_when_its_successor_goes(agent: Agent) -> None:
    agent.ask("The harbour office is at Pier 4.")
    newer = agent.remember("The harbour office is now at Pier 6.").record_id
    agent.retract(newer)
    assert "Pier 4" not in agent.ask("Where is the harbour office?").text


def test_what_is_yet_to_come_does_not_take_the_place_of_what_holds(agent: Agent) -> None:
    old = agent.remember("The harbour office is at Pier 4.").record_id
    agent.ask("Starting in June 2099, the harbour office is at Pier 6.")
    agent.remember("As of 1 July 2099 the harbour office is now at Pier 9.")
    assert agent.show(old).status is Status.ACTIVE


def test_what_is_said_of_her_is_kept_as_a_fact_that_names_her(agent: Agent) -> None:
    agent.ask("My sister Anna lives in Berlin.")
    agent.ask("Actually she moved to Lyon last month.")
    (fact,) = _facts(agent)
    assert (fact.body, fact.memories) == ("My sister Anna moved to Lyon last month.", None)
    assert "Lyon" in agent.ask("Where does my sister Anna live?").text.partition("(until")[0]


def test_she_of_the_day_before_is_nobody(agent: Agent) -> None:
    now = agent.home.clock.now()
    agent.ask("My sister Anna lives in Berlin.", at=now - 86_400)
    agent.ask("She moved to Lyon.", at=now)
    assert [fact.object for fact in _facts(agent)] == ["Berlin"]


def test_one_of_two_facts_of_a_sentence_may_change_alone(agent: Agent) -> None:
    agent.ask("My brother lives in Oslo and works for Equinor.")
    agent.ask("My brother moved to Bergen.")
    assert {fact.object for fact in _facts(agent)} == {"Bergen", "Equinor"}
    assert "Equinor" in agent.ask("Who does my brother work for?").text
    assert "Bergen" in agent.ask("Where does my brother live?").text.partition("(until")[0]


def test_what_was_learnt_and_taken_back_speaks_no_more_from_its_turn(agent: Agent) -> None:
    agent.ask("The harbour office is at Pier 4.")
    answer = agent.ask("The harbour office moved to Pier 6.")
    undone = agent.undo(next(receipt for receipt in answer.receipts if receipt.verb == "learn"))
    assert "Pier 4" in agent.ask("Where is the harbour office?").text
    assert "Pier 6" not in agent.ask("Where is the harbour office?").text
    agent.undo(undone)
    assert "Pier 6" in agent.ask("Where is the harbour office?").text.partition("(until")[0]
