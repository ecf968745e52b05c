"""The memory of corrections and experience keeps the contract, learns what was checked, and injects nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentmem.contract import Memory, MemoryConfig
from agentmem.records import Draft, Event
from agentmem.testing import Bench, MemoryContract, Rig
from agentmem_memprompt import MemPromptMemory
from agentmem_memprompt.config import MemPromptConfig
from agentmem_memprompt.keys import edits, hidden


class TestMemPrompt(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return MemPromptMemory

    @pytest.fixture
    def memory_config(self) -> MemoryConfig:
        return MemPromptConfig(least_likeness=0.0)  # the suite asks for records that share two words of three


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, Bench(MemPromptMemory))
    yield made
    made.close()


def told(rig: Rig, **data: Any) -> Event:
    record = rig.records(rig.append(Draft(body="an exchange", kind="turn")))[0]
    return Event(kind="outcome", records=(record,), data=data)


def test_feedback_is_injected_for_questions_like_it_and_for_no_others(rig: Rig) -> None:
    event = told(
        rig, question="What is a homonym for bark?", clarification="by homonym I mean a word that sounds alike"
    )
    (receipt,) = rig.home.feedback(event)
    assert [hit.record.body for hit in rig.hits("What is a homonym for barks?")] == [
        "by homonym I mean a word that sounds alike"
    ]
    assert rig.hits("When does the ferry leave?") == []
    rig.undo(receipt.id)
    assert rig.hits("What is a homonym for barks?") == []


def test_a_fixed_mistake_is_made_once_in_a_stream_and_never_again(rig: Rig) -> None:
    mistakes = []
    for word in ("bark", "bear", "fair", "mail", "pair", "stair"):
        question = f"Find me a homonym for the word {word}"
        understood = bool(rig.hits(question))
        mistakes.append(not understood)
        if not understood:
            rig.accept(rig.memory.feedback(told(rig, question=question, clarification="a word that sounds alike")))
    assert mistakes == [True, False, False, False, False, False]


def test_what_was_not_verified_is_never_kept(rig: Rig) -> None:
    for verified in (False, None, "yes"):
        event = told(rig, question="2 + 2?", rationale="I guessed", verified=verified)
        assert list(rig.memory.observe(event)) == []
    event = told(rig, question="2 + 2?", rationale="two and two are four", verified=True)
    assert [draft.body for draft in rig.memory.observe(event) if isinstance(draft, Draft)] == ["two and two are four"]


def test_renaming_the_people_of_a_problem_leaves_the_ranking_unchanged(rig: Rig) -> None:
    problems = [
        "Ann has 3 apples and buys 4 more. How many apples does Ann have?",
        "A train covers 60 km in 2 hours. How fast is it?",
    ]
    for problem in problems:
        rig.accept(rig.memory.observe(told(rig, question=problem, rationale=f"reasoning on: {problem}", verified=True)))
    asked = "Ann has 5 apples and buys 2 more. How many apples does Ann have?"
    renamed = asked.replace("Ann", "Tomoko").replace("5", "17")
    assert hidden(asked) == hidden(renamed)
    assert rig.ids(asked) == rig.ids(renamed)
    assert "apples" in rig.hits(renamed)[0].record.body


def test_edit_distance_stops_at_its_limit() -> None:
    assert edits("kitten", "sitting", 6) == 3
    assert edits("kitten", "a much longer text", 6) == 7
    assert edits("abcdef", "uvwxyz", 3) == 4
