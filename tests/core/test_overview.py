"""When summaries of sessions speak: for an overview, by time and topic; never as evidence, and never what is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loop_fakes import open_agent
from test_summarising import Clerk, said, summaries, talk

from agentmem import Agent
from agentmem.believing import disputes
from agentmem.overview import asks_overview
from agentmem.records import Draft, Record, Trust
from agentmem.testing.fakes import SettableClock

MAY, JUNE = datetime(2023, 5, 8, 12, tzinfo=UTC).timestamp(), datetime(2023, 6, 14, 12, tzinfo=UTC).timestamp()
BOATS = ("I bought a red kayak.", "The kayak needs a new paddle.", "I keep it at the mill.", "It was a bargain.")
MUSIC = (
    "My sister plays the cello.",
    "She practises every day.",
    "Her concert is in Osterby.",
    "I travel there by train.",
)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(MAY)


@pytest.fixture
def agent(tmp_path: Path, clock: SettableClock) -> Iterator[Agent]:
    """Two sessions, of boats on 8 May and of music on 14 June, each with its summary; the day after."""
    clerk = Clerk([("The user bought a red kayak.", [1]), ("The kayak needs a new paddle.", [2])])
    home = tmp_path / "home"
    with Agent.open(
        home, memories=("bm25", "chroma"), embedder="hash", chat=clerk, clock=clock, summaries={"enabled": False}
    ) as opened:
        talk(opened, *BOATS, session="boats")
        opened.summarise()
        clock.set(JUNE)
        clerk.stated = [("The user's sister plays the cello.", [1]), ("Her concert is in Osterby.", [3])]
        talk(opened, *MUSIC, session="music")
        opened.summarise()
        clock.advance(days=1)
        yield opened


def led(agent: Agent, question: str, **keywords: Any) -> list[str]:
    """The sessions of the summaries among the hits, which lead."""
    hits = agent.recall(question, **keywords)
    found = [hit.record.session for hit in hits if hit.record.kind == "summary"]
    assert [hit.record.kind for hit in hits][: len(found)] == ["summary"] * len(found)
    return [session or "" for session in found]


@pytest.mark.parametrize(
    ("question", "is_one"),
    [
        ("What did we talk about last week?", True),
        ("Summarise our conversations, please.", True),
        ("What was our session of 8 May about?", True),
        ("Give me an overview of the kayak.", True),
        ("What happened in our last session?", True),
        ("Recap yesterday.", True),
        ("Where is the harbour office?", False),
        ("What did Ann tell about her sister?", False),
        ("What do you know about Clara?", False),
        ("When did I buy the kayak?", False),
        ("What was the name of the session drummer?", False),
    ],
)
def test_an_overview_is_told_by_its_words(question: str, is_one: bool) -> None:
    assert asks_overview(question) is is_one


@pytest.mark.parametrize("question", ["What did I buy?", "Where do I keep the kayak?", "the user bought a red kayak"])
def test_a_summary_is_no_hit_of_any_other_question(agent: Agent, question: str) -> None:
    assert led(agent, question) == []
    assert led(agent, question, memory="bm25") == []
    assert not any(hit.record.kind == "summary" for hit in agent.ask(question, incognito=True).hits)


def test_it_lifts_the_turns_that_it_names_above_those_that_it_passes_over(agent: Agent) -> None:
    question = "the kayak was a bargain that I keep at the mill with a paddle"
    before = [hit for hit in agent.recall(question) if hit.record.session == "boats"]
    assert any("named in a summary" in hit.why for hit in before if "paddle" in hit.record.body)
    assert not any("named in a summary" in hit.why for hit in before if "bargain" in hit.record.body)
    for summary in summaries(agent):
        agent.archive(summary.id)
    after = {hit.record_id: hit.score for hit in agent.recall(question)}
    named, passed = said(agent, "paddle").id, said(agent, "bargain").id
    gained = {hit.record_id: hit.score - after[hit.record_id] for hit in before if hit.record_id in after}
    assert gained[named] > gained[passed]


def test_it_is_found_when_it_is_asked_for_by_its_kind(agent: Agent) -> None:
    assert led(agent, "kayak", filters={"kind": "summary"}) == ["boats"]
    assert led(agent, "kayak", filters={"kind": ["summary", "turn"]})[:1] == ["boats"]


@pytest.mark.parametrize(
    ("question", "sessions"),
    [
        ("What did we talk about?", ["music", "boats"]),
        ("What did we talk about yesterday?", ["music"]),
        ("What was our session of 8 May about?", ["boats"]),
        ("What did we talk about in May 2023?", ["boats"]),
        ("What have we talked about since June?", ["music"]),
        ("What did we discuss last time?", ["music"]),
        ("Summarise what was said about the kayak.", ["boats"]),
        ("Give me an overview of concerts.", ["music"]),
        ("What did we talk about in March 2023?", []),
        ("Give me an overview of the moon landing.", []),
    ],
)
def test_an_overview_is_led_by_the_summaries_of_its_time_and_topic(
    agent: Agent, question: str, sessions: list[str]
) -> None:
    assert led(agent, question) == sessions


def test_it_answers_without_a_model_in_the_order_of_the_days(
    agent: Agent, tmp_path: Path, clock: SettableClock
) -> None:
    agent.close()
    with Agent.open(tmp_path / "home", memories=("bm25",), embedder="hash", clock=clock) as quoting:
        answer = quoting.ask("What did we talk about?")
        assert answer.text == (
            "8 May 2023: The user bought a red kayak. The kayak needs a new paddle. [1]\n"
            "14 June 2023: The user's sister plays the cello. Her concert is in Osterby. [2]"
        )
        assert [citation.record.kind for citation in answer.citations] == ["summary", "summary"]
        quoting.retract(said(quoting, "cello").id)
        assert "cello" not in quoting.ask("What did we talk about?").text
        assert not any("cello" in turn.body for turn in quoting.records(kinds=("turn",))), "the answer went as well"


def test_a_chat_model_is_told_what_it_is(agent: Agent) -> None:
    answer = agent.ask("What did we talk about yesterday?")
    clerk: Any = agent.home.chat
    shown = clerk._model.calls[-1][-1]["content"]
    assert f"(a summary of the conversation of 14 June 2023; id {summaries(agent)[1].id[:12]})" in shown
    assert answer.hits[0].record.kind == "summary"


def test_it_claims_nothing() -> None:
    summary = Record(
        id="s", kind="summary", body="The harbour office is at Pier 6.", derived_from=("t",), trust=Trust.AGENT
    )
    fact = Record(id="f", kind="fact", body="The harbour office is at Pier 4.")
    assert disputes([summary, fact], 0.0) == []


def test_another_namespace_has_none(agent: Agent) -> None:
    assert led(agent, "What did we talk about?", namespace="ben") == []
    clerk: Any = agent.home.chat
    clerk._model.stated = [("The user bought a red kayak.", [1])]
    talk(agent, *BOATS, session="bens", namespace="ben")
    agent.summarise(namespace="ben")
    assert led(agent, "What did we talk about?", namespace="ben") == ["bens"]


def test_an_earlier_time_has_the_summaries_of_that_time(agent: Agent, clock: SettableClock) -> None:
    assert led(agent, "What did we talk about?", as_of=MAY + 3600, memory="bm25") in ([], ["boats"])
    before = agent.recall("What did we talk about?", as_of=MAY + 3600)
    assert [hit.record.session for hit in before if hit.record.kind == "summary"] == ["boats"]


def test_a_sentence_whose_fact_was_replaced_does_not_speak(tmp_path: Path) -> None:
    fact = {"op": "append", "text": "The harbour office is at Pier 4.", "subject": "harbour office", "object": "Pier 4"}
    clerk = Clerk([("The harbour office is at Pier 4.", [1]), ("The user bought a red kayak.", [2])], facts=[[fact]])
    clock = SettableClock(MAY)
    with open_agent(tmp_path, clerk, clock=clock, summaries={"enabled": False}) as agent:
        talk(agent, "The harbour office is at Pier 4.", *BOATS[:3], session="boats")
        agent.summarise()
        clock.advance(days=7)
        agent.remember("The harbour office is now at Pier 6.", subject="harbour office", object="Pier 6")
        answer = agent.ask("What did we talk about last week?", incognito=True)
        (told,) = [hit.record.body for hit in answer.hits if hit.record.kind == "summary"]
        assert told == "The user bought a red kayak."
    with open_agent(tmp_path, clock=clock) as quoting:
        text = quoting.ask("What did we talk about last week?", incognito=True).text
        assert text == "8 May 2023: The user bought a red kayak. [1]"


def test_a_summary_that_somebody_wrote_or_imported_is_evidence_like_any_other(agent: Agent) -> None:
    agent.remember_many([Draft(body="The minutes: the mill is closed in July.", kind="summary")], verb="import")
    (hit, *_) = agent.recall("When is the mill closed?")
    assert hit.record.kind == "summary"
    assert led(agent, "What did we talk about?") == ["music", "boats"]
