"""MemoryBank keeps the contract, fades by the paper's formula, and summarises days."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.contract import Memory
from agentmem.records import Draft, Query
from agentmem.testing import Bench, MemoryContract, PanelContract, Rig, ScriptedChat
from agentmem_memorybank import MemoryBankMemory
from agentmem_memorybank.config import MemoryBankConfig
from agentmem_memorybank.panel import FadingPanel
from agentmem_memorybank.retention import DAY_S, retention, strength


class TestMemoryBank(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return MemoryBankMemory


class TestFadingPanel(PanelContract):
    @pytest.fixture
    def panel_class(self) -> type[FadingPanel]:
        return FadingPanel


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, Bench(MemoryBankMemory, MemoryBankConfig(forget_below=0.1, fading_share=1.0)))
    yield made
    made.close()


def test_retention_is_the_papers_and_stronger_memories_fade_slower() -> None:
    assert retention(DAY_S, 1.0) == pytest.approx(math.exp(-1))
    assert retention(DAY_S, 7.0) == pytest.approx(0.867, abs=1e-3)
    curve = [retention(DAY_S, strength(hits, 1.0)) for hits in range(6)]
    assert curve == sorted(curve)
    assert [retention(days * DAY_S, 1.0) for days in range(6)] == sorted(
        (retention(days * DAY_S, 1.0) for days in range(6)), reverse=True
    )


def test_what_is_recalled_is_kept_and_the_rest_fades_from_this_memory_only(rig: Rig) -> None:
    kept = rig.remember("the ferry leaves from Pier 4")
    faded = rig.remember("the ferry is painted green")
    rig.clock.advance(days=2)
    rig.home.journal.touch([kept])
    rig.home.journal.flush_touches()
    rig.clock.advance(days=1)
    assert rig.ids("the ferry") == [kept]
    assert [row[0] for row in FadingPanel().table(rig.home, ()).rows] == [
        "the ferry is painted green",
        "the ferry leaves from Pier 4",
    ]
    assert rig.record(faded) is not None
    assert rig.record(faded).is_live  # type: ignore[union-attr]


def test_asking_readonly_resets_no_clock(rig: Rig) -> None:
    rig.remember("the ferry leaves from Pier 4")
    rig.clock.advance(days=1)
    first = rig.hits("the ferry")[0].score
    assert [rig.hits("the ferry")[0].score for _ in range(3)] == [first] * 3


def turns(rig: Rig, n: int) -> list[str]:
    return rig.remember_all([Draft(body=f"turn {i} about the ferry", kind="turn", speaker="ann") for i in range(n)])


def test_a_day_becomes_a_summary_and_a_portrait_once(tmp_path: Path) -> None:
    chat = ScriptedChat(["They talked about the ferry.", "Ann is patient."])
    rig = Rig(tmp_path, Bench(MemoryBankMemory, chat=chat))
    ids = turns(rig, 5)
    rig.accept(rig.maintain("session"))
    found = [hit.record for hit in rig.hits("ferry patient", filters={"kind": "summary"})]
    assert {record.attributes["part"] for record in found} == {"events", "portrait"}
    assert all(set(record.derived_from) == set(ids) for record in found)
    assert rig.maintain("session") == []
    rig.purge(ids[0])
    assert rig.ids("ferry patient", filters={"kind": "summary"}) == []
    rig.close()


def test_without_a_chat_model_nothing_is_summarised_and_everything_is_found(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(MemoryBankMemory))
    rig.home.chat = None
    rig.home.views[rig.name].rebuild()
    ids = turns(rig, 5)
    assert rig.maintain("session") == []
    assert set(rig.ids("ferry")) == set(ids)
    assert rig.memory.recall(Query(text="ferry", k=2)).hits
    rig.close()
