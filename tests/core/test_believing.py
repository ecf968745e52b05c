"""Which of several statements is believed, and that what speaks against it is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agentmem import Agent
from agentmem.believing import disputes, outdated_edits
from agentmem.records import Draft, Record, Trust
from agentmem.testing.fakes import SettableClock


def _at(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def _fact(id: str, body: str, day: str = "2024-01-01", **more: object) -> Record:
    return Record(id=id, kind="fact", body=body, version_id=1, recorded_at=_at(day), **more)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(_at("2024-03-01"))


@pytest.fixture
def agent(tmp_path: Path, clock: SettableClock) -> Iterator[Agent]:
    with Agent.open(tmp_path / "home", memories="bm25", embedder="hash", clock=clock) as opened:
        yield opened


def test_the_newer_of_two_statements_holds_and_says_until_when_the_older_did() -> None:
    old = _fact("old", "The harbour office is at Pier 4.", "2024-01-01")
    new = _fact("new", "The harbour office moved to Pier 6.", "2024-03-02")
    (found,) = disputes([old, new], _at("2024-04-01"))
    assert (found.holds.record.id, found.lost.record.id) == ("new", "old")
    assert found.sentence == "until 2 March 2024: Pier 4"


def test_a_newer_document_does_not_prevail_over_what_the_user_said() -> None:
    said = _fact("said", "The harbour office is at Pier 6.", "2024-01-01")
    read = _fact("read", "The harbour office is at Pier 9.", "2024-03-02", trust=Trust.DOCUMENT)
    (found,) = disputes([read, said], _at("2024-04-01"))
    assert found.holds.record.id == "said"
    assert found.sentence == 'a document says otherwise: "The harbour office is at Pier 9."'


def test_a_statement_whose_time_is_over_loses_to_an_older_one_that_holds() -> None:
    shelter = _fact("over", "The office is at Pier 9.", "2024-02-01", valid_to=_at("2024-03-01"))
    usual = _fact("usual", "The office is at Pier 4.", "2024-01-01")
    (found,) = disputes([shelter, usual], _at("2024-04-01"))
    assert found.holds.record.id == "usual"


def test_no_longer_ends_what_was_said_before_and_nothing_that_is_said_after() -> None:
    first = _fact("first", "The office is at Pier 4.", "2024-01-01")
    ended = _fact("ended", "The office is no longer at Pier 4.", "2024-02-01")
    again = _fact("again", "The office is at Pier 4.", "2024-03-01")
    assert [(d.holds.record.id, d.lost.record.id) for d in disputes([first, ended], _at("2024-04-01"))] == [
        ("ended", "first")
    ]
    lost = {d.lost.record.id for d in disputes([first, ended, again], _at("2024-04-01"))}
    assert "again" not in lost


def test_what_the_agent_answered_states_nothing() -> None:
    echo = _fact("echo", "The office is at Pier 9.", "2024-02-01", attributes={"role": "assistant"})
    assert disputes([echo, _fact("fact", "The office is at Pier 4.")], _at("2024-04-01")) == []


def test_an_edit_older_than_a_newer_text_is_flagged() -> None:
    edit = _fact("edit", "The capital of Velmark is Osterby.", "2024-01-01", attributes={"edit": {"memory": "wise"}})
    text = _fact("text", "The capital of Velmark is now Kall.", "2024-02-01")
    (found,) = outdated_edits([edit, text], _at("2024-04-01"))
    assert found.lost.record.id == "edit"
    assert outdated_edits([edit], _at("2024-04-01")) == []


def test_an_answer_leads_with_what_holds_and_tells_the_other(agent: Agent, clock: SettableClock) -> None:
    agent.remember("The harbour office is at Pier 4.")
    clock.advance(days=21)
    agent.ask("The harbour office moved to Pier 6.")
    text = agent.ask("Where is the harbour office?").text
    assert "moved to Pier 6" in text.splitlines()[0]
    assert "(until 22 March 2024: Pier 4" in text


def test_a_document_that_contradicts_is_named(agent: Agent, tmp_path: Path) -> None:
    agent.remember("The capital of Velmark is Osterby.")
    (tmp_path / "guide.md").write_text("The capital of Velmark is Kall.", encoding="utf-8")
    agent.ingest([tmp_path / "guide.md"])
    text = agent.ask("What is the capital of Velmark?").text
    assert text.startswith("The capital of Velmark is Osterby. [1]")
    assert "guide.md says otherwise" in text


def test_audit_finds_contradictions_in_plain_sentences(agent: Agent) -> None:
    agent.remember("The harbour office is at Pier 4.")
    agent.remember("The harbour office is at Pier 6.")
    assert [finding.kind for finding in agent.audit()] == ["contradiction"]


def test_what_a_record_took_the_place_of_is_told_when_a_change_is_asked_for(agent: Agent, clock: SettableClock) -> None:
    old = agent.remember("The harbour office is at Pier 4.").record_id
    clock.advance(days=10)
    agent.remember("The harbour office is at Pier 6.", supersedes=[old])
    assert "(until 11 March 2024: Pier 4)" in agent.ask("Where is the harbour office?").text
    clock.advance(days=300)
    assert "Pier 4" not in agent.ask("Where is the harbour office?").text  # old news, nobody asks
    assert "(until 11 March 2024: Pier 4)" in agent.ask("Where was the harbour office before?").text


def test_each_of_several_changes_ends_what_it_took_the_place_of() -> None:
    rome = _fact("rome", "The office is in Rome.", "2021-05-01")
    milan = _fact("milan", "The office moved to Milan.", "2022-05-01")
    turin = _fact("turin", "The office moved to Turin.", "2023-05-01")
    told = {d.lost.record.id: d.sentence for d in disputes([rome, milan, turin], _at("2024-01-01"))}
    assert told == {"rome": "until 1 May 2022: Rome", "milan": "until 1 May 2023: Milan"}


def test_what_is_yet_to_come_is_not_believed_before_its_day() -> None:
    now = _fact("now", "The office is at Pier 4.", "2024-01-01")
    soon = _fact("soon", "From 1 June on the office is at Pier 6.", "2024-05-01")
    (found,) = disputes([now, soon], _at("2024-05-02"))
    assert (found.holds.record.id, found.sentence) == ("now", "from 1 June 2024: Pier 6")
    (found,) = disputes([now, soon], _at("2024-06-02"))
    assert (found.holds.record.id, found.sentence) == ("soon", "until 1 June 2024: Pier 4")


def test_what_a_turn_says_to_be_so_until_a_day_is_over_after_it() -> None:
    shelter = _fact("over", "Until 1 March 2024 the library is in the school.", "2024-01-10")
    usual = _fact("usual", "The library is in Elm Street.", "2024-01-10")
    (found,) = disputes([shelter, usual], _at("2024-04-01"))
    assert found.holds.record.id == "usual"


def test_a_question_about_a_time_that_is_over_is_answered_with_what_held_then(
    agent: Agent, clock: SettableClock
) -> None:
    for year, said in ((2021, "The office is in Rome."), (2022, "The office moved to Milan."), (2023, "It is cold.")):
        clock.set(_at(f"{year}-05-01"))
        agent.ask(said)
    clock.set(_at("2023-06-01"))
    agent.ask("The office moved to Turin.")
    clock.set(_at("2024-05-01"))
    assert "Turin" in agent.ask("Where is the office now?").text.partition("(until")[0]
    assert "Milan" in agent.ask("Where was the office in 2022?").text.partition("(until")[0]
    assert "Rome" in agent.ask("Where was the office in March 2022?").text.partition("(until")[0]


def test_the_end_that_was_written_with_a_fact_is_told(agent: Agent) -> None:
    agent.remember_many([Draft(body="The summer office is at Pier 4.", valid_to=_at("2023-09-01"))])
    assert "(until 1 September 2023)" in agent.ask("Where is the summer office?").text
