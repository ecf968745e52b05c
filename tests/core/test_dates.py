"""Dates in text become plain when they are written, and questions about time are answered from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agentmem import Agent
from agentmem.dates import dated, dates_in, dates_of, spoken
from agentmem.records import Draft, Record, Trust
from agentmem.testing.fakes import SettableClock
from agentmem.timing import asked_of, date_said

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("I went to the group yesterday.", "2023-05-07"),
        ("We met last Friday.", "2023-05-05"),
        ("Next month I am off.", "2023-06"),
        ("We painted two weeks ago.", "2023-04-24/2023-04-30"),
        ("I moved in March 2021.", "2021-03"),
        ("The 3rd of June, 2022 was warm.", "2022-06-03"),
        ("On 12.03.2024 it ends.", "2024-03-12"),
        ("I began in 2019.", "2019"),
        ("It was cold last winter.", "2022-12/2023-02"),
        ("It rained last weekend.", "2023-05-06/2023-05-07"),
        ("It broke 3 days ago.", "2023-05-05"),
        ("See 2022-02-03.", "2022-02-03"),
    ],
)
def test_a_date_is_read_as_exactly_as_it_was_said(text: str, date: str) -> None:
    assert [found.date for found in dates_in(text, MONDAY)] == [date]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("I have an exam on Friday.", "2023-05-12"),
        ("I had an exam on Friday.", "2023-05-05"),
        ("On Friday I ran ten miles.", "2023-05-05"),
        ("What did I do on Friday?", "2023-05-05"),
        ("We meet on Monday.", "2023-05-15"),
        ("The deadline was moved to Friday.", "2023-05-12"),
        ("I have been ill since Friday.", "2023-05-05"),
        ("The launch is on 12 April.", "2024-04-12"),
        ("The letter of 2 May is here.", "2023-05-02"),
        ("I began on 12 December.", "2022-12-12"),
        ("I'm getting married in March.", "2024-03"),
        ("We were in Rome in June.", "2022-06"),
        ("The fair runs from 10 to 14 June.", "2023-06-10/2023-06-14"),
        ("The fair ran from 10th to 14th of June.", "2022-06-10/2022-06-14"),
        ("She stays until 20 January.", "2024-01-20"),
    ],
)
def test_the_verb_tells_whether_a_date_is_past_or_to_come(text: str, date: str) -> None:
    assert [found.date for found in dates_in(text, MONDAY)] == [date]


@pytest.mark.parametrize("text", ["I may go.", "A few years ago.", "We march on.", "It is 9:30.", "2022-13-01"])
def test_what_names_no_date_is_left_alone(text: str) -> None:
    assert dates_in(text, MONDAY) == ()


def test_without_a_session_date_relative_words_mean_nothing() -> None:
    assert dates_in("yesterday and on 5 May 2023", None)[0].date == "2023-05-05"


def test_dates_are_kept_as_attributes_and_validity_is_read() -> None:
    kept = dated(Draft(body="The office was at Pier 4 until March 2024."), MONDAY)
    assert dates_of(kept.attributes) == [("March 2024", "2024-03")]
    assert kept.valid_to == datetime(2024, 3, 1, tzinfo=UTC).timestamp()
    passage = Draft(body="It was in March 2024.", kind="chunk", trust=Trust.DOCUMENT)
    assert dated(passage, MONDAY) is passage


def test_dates_are_spoken_as_people_write_them() -> None:
    assert [spoken(iso) for iso in ("2023", "2023-05", "2023-05-07")] == ["2023", "May 2023", "7 May 2023"]
    assert spoken("2023-05-01/2023-05-07") == "1 to 7 May 2023"
    assert spoken("2023-04-30/2023-05-07") == "30 April 2023 to 7 May 2023"


def test_words_that_are_the_date_but_for_the_year_are_not_repeated() -> None:
    said = dated(Draft(body="The launch is on 12 June, not next Friday.", kind="turn"), MONDAY)
    record = Record(id="a", kind="turn", body=said.body, attributes=said.attributes)
    assert date_said(record, record.body, when=True) == "12 June 2023; next Friday: 12 May 2023"


def test_a_question_tells_its_bounds_and_order() -> None:
    assert (
        asked_of("What did I do before March 2023?", MONDAY).less_than == datetime(2023, 3, 1, tzinfo=UTC).timestamp()
    )
    assert asked_of("Where did I last swim?", MONDAY).order == "latest"
    assert asked_of("What happened last week?", MONDAY).order == ""
    assert asked_of("How often did I swim?", MONDAY).counts
    assert not asked_of("Where is the office?", MONDAY).is_about_time


@pytest.mark.parametrize(
    ("question", "since", "until"),
    [
        ("What did I read before 2022?", None, "2022-01-01"),
        ("What did I read after March?", "2023-04-01", None),
        ("Who did I meet between May and July 2022?", "2022-05-01", "2022-08-01"),
        ("Who did I meet from 3 May to 5 May 2022?", "2022-05-03", "2022-05-06"),
        ("Who did I meet between the two shops?", None, None),
    ],
)
def test_a_question_tells_between_which_times_it_asks(question: str, since: str | None, until: str | None) -> None:
    asked = asked_of(question, MONDAY)
    days = [
        None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
        for at in (asked.at_least, asked.less_than)
    ]
    assert days == [since, until]


@pytest.fixture
def swimmer(tmp_path: Path) -> Iterator[Agent]:
    clock = SettableClock(MONDAY)
    with Agent.open(tmp_path / "home", memories="bm25", clock=clock) as agent:
        for day, said in (
            (0, "I went swimming yesterday with Tom."),
            (12, "I went swimming last Friday."),
            (1, "Tea!"),
        ):
            clock.advance(days=day)
            agent.ask(said)
        yield agent


@pytest.mark.parametrize(
    ("question", "holds", "not_holds"),
    [
        ("When did I last go swimming?", "19 May 2023", "7 May 2023"),
        ("When did I first go swimming?", "7 May 2023", "19 May 2023"),
        ("How often did I go swimming?", "2 times", "3 times"),
        ("Did I go swimming before 10 May 2023?", "7 May 2023", "19 May 2023"),
        ("Did I go swimming after 10 May 2023?", "19 May 2023", "7 May 2023"),
    ],
)
def test_questions_about_time_are_answered_from_dates(
    swimmer: Agent, question: str, holds: str, not_holds: str
) -> None:
    text = swimmer.ask(question).text
    assert holds in text
    assert not_holds not in text
