from __future__ import annotations

from pathlib import Path

import pytest

from agentmem.contract import Memory, MemoryConfig
from agentmem.testing import Bench, MemoryContract, Rig
from agentmem_context import ContextMemory
from agentmem_context.config import ContextConfig
from agentmem_context.memory import estimated_tokens


class TestContract(MemoryContract):
    many = 400

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return ContextMemory

    @pytest.fixture
    def memory_config(self) -> MemoryConfig:
        return ContextConfig(budget_tokens=1_000_000)


def test_it_abstains_once_the_history_is_too_long(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(ContextMemory, ContextConfig(budget_tokens=100)))
    first = rig.remember("A short fact.")
    assert rig.ids("anything") == [first]
    rig.remember("word " * 100)
    recall = rig.recall("anything")
    assert recall.hits == ()
    assert "100 tokens" in (recall.abstain or "")
    assert rig.ids("anything", namespace=("elsewhere",)) == []
    rig.close()


def test_all_records_come_the_fitting_and_the_newest_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(ContextMemory))
    one, two, three = (rig.remember(text) for text in ("The crane is red.", "The ship is blue.", "Jam is sweet."))
    assert rig.ids("which ship?") == [two, three, one]
    assert list(rig.data_dir.iterdir()) == []
    rig.close()


def test_other_scripts_cost_a_token_a_character() -> None:
    assert estimated_tokens("abcdefgh") == 2
    assert estimated_tokens("東京タワー") == 5
