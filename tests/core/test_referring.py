"""Messages that name what they speak of by "it", "she", "that", or not at all: "no, Tuesday"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem import Agent
from agentmem.intent import Wish, parse
from agentmem.records import Status


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with Agent.open(tmp_path, memories="bm25", embedder="hash") as opened:
        yield opened


@pytest.mark.parametrize(
    ("said", "question", "holds", "not_holds"),
    [
        (["The review is on Monday.", "No, it's Tuesday, not Monday."], "When is the review?", "Tuesday", "Monday"),
        (["The review is on Monday.", "no, it's Tuesday not Monday"], "When is the review?", "Tuesday", "Monday"),
        (["My flight leaves at 14:30.", "Sorry, I meant 16:30."], "When does my flight leave?", "16:30", "14:30"),
        (["My locker is number 112.", "It's not 112, it's 121."], "What number is my locker?", "121", "112"),
        (["The rent is 900 euros.", "Make that 950 euros."], "How much is the rent?", "950", "900"),
        (
            ["The dinner is at Luigi's.", "Where is the dinner?", "That's not right, it's at Mario's."],
            "Where is the dinner?", "Mario", "Luigi",
        ),
        (
            ["Tim's birthday is 4 May.", "When is Tim's birthday?", "Wrong, it's the 5th of May."],
            "When is Tim's birthday?", "5th of May", "4 May",
        ),
        (
            ["The museum closes at 18:00.", "I was wrong about the museum, it closes at 17:00."],
            "When does the museum close?", "The museum closes at 17:00", "18:00",
        ),
        (
            ["The dinner is at 7 at Luigi's.", "Actually the dinner is at 8."],
            "When is the dinner?", "The dinner is at 8 at Luigi's.", "at 7",
        ),
        (["Paul works for Nestle.", "He works for Roche now."], "Who does Paul work for?", "Roche", "Nestle"),
        (["My boss is Claire.", "She lives in Lyon."], "Where does my boss Claire live?", "Lyon", "Nothing"),
    ],
)  # fmt: skip
def test_a_correction_speaks_of_what_was_said_or_answered_last(
    agent: Agent, said: list[str], question: str, holds: str, not_holds: str
) -> None:
    for message in said:
        agent.ask(message)
    told = agent.ask(question).text.partition(" (until")[0]
    assert holds in told
    assert not_holds not in told


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("I have a cat.", "Actually, I also have a dog."),
        ("My brother lives in Oslo.", "Actually, my sister lives in Bergen."),
        ("The review is on Monday.", "No, it's raining."),
        ("The review is on Monday.", "Sorry, I meant the other one."),
    ],
)
def test_a_correction_of_something_else_leaves_what_was_said(agent: Agent, first: str, second: str) -> None:
    agent.ask(first)
    agent.ask(second)
    assert first in {record.body for record in agent.records(kinds=("turn",))}


def test_no_tuesday_said_on_another_day_corrects_nothing(agent: Agent) -> None:
    agent.ask("The review is on Monday.", thread="one")
    agent.ask("No, it's Tuesday, not Monday.", thread="two")
    assert "The review is on Monday." in {record.body for record in agent.records(kinds=("turn",))}


def test_forget_that_forgets_what_was_said_last_and_nothing_else(agent: Agent) -> None:
    agent.ask("I have a crush on Sam.")
    agent.ask("I have a secret about Tom.")
    agent.ask("Forget that.")
    assert {r.body for r in agent.records(kinds=("turn",), statuses=(Status.RETRACTED,)) if "I have a" in r.body} == {
        "I have a secret about Tom."
    }


def test_forget_that_forgets_what_was_just_answered(agent: Agent) -> None:
    agent.remember("The harbour office is at Pier 4.")
    agent.ask("Where is the harbour office?")
    agent.ask("Forget it!")
    assert "Pier 4" not in agent.ask("Where is the harbour office?").text


def test_forgetting_needs_no_article_and_no_imperative(agent: Agent) -> None:
    agent.ask("I have a dentist appointment on Thursday at 3pm.")
    agent.ask("My address is 12 Elm Street.")
    agent.ask("Forget what I said about the dentist.")
    agent.ask("Can you forget my address?")
    assert "Thursday" not in agent.ask("When is the dentist appointment?").text
    assert "Elm" not in agent.ask("What is my address?").text


def test_forgetting_what_has_no_words_forgets_nothing(agent: Agent) -> None:
    agent.ask("I have a crush on Sam.")
    agent.ask("Will you forget me?")
    assert "I have a crush on Sam." in {record.body for record in agent.records(kinds=("turn",))}


def test_undo_takes_back_what_was_said_last(agent: Agent) -> None:
    kept = agent.remember("The lighthouse is white.").record_id
    agent.ask("The harbour office is at Pier 4.")
    agent.ask("The harbour office moved to Pier 6.")
    agent.ask("undo that")
    assert "Pier 4" in agent.ask("Where is the harbour office?").text
    assert "Pier 6" not in agent.ask("Where is the harbour office?").text
    agent.ask("My key is under the mat.")
    agent.ask("undo that")
    assert agent.show(kept).is_live
    assert "mat" not in agent.ask("Where is my key?").text


@pytest.mark.parametrize(
    ("message", "wish", "text"),
    [
        ("Can you remember that my locker code is 3141?", Wish.REMEMBER, "My locker code is 3141."),
        ("Can you remember my birthday?", Wish.ASK, "Can you remember my birthday?"),
        ("Could you please forget my address?", Wish.FORGET, "my address"),
        ("Forget what I just told you about Sam", Wish.FORGET, "Sam"),
        ("No thanks.", Wish.STATE, "No thanks."),
        ("No, I don't like it.", Wish.STATE, "No, I don't like it."),
    ],
)
def test_a_wish_may_be_put_politely(message: str, wish: Wish, text: str) -> None:
    found = parse(message)
    assert (found.wish, found.text) == (wish, text)
