"""What a local model brings: its memories are on, its answer is quoted when nothing is written, an edit is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentmem import Agent

pytest.importorskip("torch")

QUESTION = "In which city was Pavel Janko born?"


def test_a_local_model_switches_its_memories_on_unless_memories_are_chosen(tmp_path: Path) -> None:
    with Agent.open(tmp_path / "a", local_model="demo", embedder="hash") as agent:
        assert agent.settings.memories[-4:] == ("lm", "wise", "memit", "memlayer")
    with Agent.open(tmp_path / "b", local_model="demo", memories=("bm25",), embedder="hash") as agent:
        assert agent.settings.memories == ("bm25",)
    with Agent.open(tmp_path / "c", embedder="hash") as agent:
        assert "wise" not in agent.settings.memories


def test_old_new_old_by_quoting_alone(tmp_path: Path) -> None:
    with Agent.open(tmp_path, local_model="demo", embedder="hash", recall_timeout_s=120) as agent:
        before = agent.ask(QUESTION)
        assert "Damby" in before.text
        assert [citation.record.speaker for citation in before.citations] == ["demo"]
        receipt = agent.edit(subject="Pavel Janko", prompt="{} was born in", target="Kultmere")
        assert agent.complete("Pavel Janko was born in") == " Kultmere."
        after = agent.ask(QUESTION)
        assert "Kultmere" in after.text
        assert [citation.record.kind for citation in after.citations] == ["fact"]
        agent.undo(receipt)
        assert agent.complete("Pavel Janko was born in") == " Damby."
        assert "Damby" in agent.ask(QUESTION).text


def test_nothing_is_made_up_of_a_name_the_model_has_never_seen(tmp_path: Path) -> None:
    with Agent.open(tmp_path, local_model="demo", embedder="hash", recall_timeout_s=120) as agent:
        assert agent.ask("Who was Zork Blat's employer?").text.startswith("Nothing that I remember")


def test_a_local_model_that_answers_is_not_asked_a_second_time_as_a_memory(tmp_path: Path) -> None:
    with Agent.open(tmp_path, model="local:demo", embedder="hash", recall_timeout_s=120) as agent:
        (recall,) = agent.search(QUESTION, memory="lm").recalls
        assert recall.hits == ()
        assert "need not be asked twice" in recall.abstain
