"""THEANINE keeps the contract; its timelines are chronological and show what became of a memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentmem.contract import Memory
from agentmem.records import Draft, Link, Record
from agentmem.testing import Bench, MemoryContract, Rig, ScriptedChat
from agentmem_theanine import TheanineMemory
from agentmem_theanine.timelines import Timelines, moment


class TestTheanine(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return TheanineMemory


def session(rig: Rig, name: str, *texts: str) -> None:
    rig.remember_all([Draft(body=t, kind="turn", speaker="ann", thread="t", session=name) for t in texts])
    rig.accept(rig.maintain("session"))
    rig.catch_up()


def test_an_outdated_memory_is_recalled_with_what_became_of_it(tmp_path: Path) -> None:
    chat = ScriptedChat(["Ann works on a ferry.", "Ann left the ferry and bakes bread.", "changes"])
    rig = Rig(tmp_path, Bench(TheanineMemory, chat=chat))
    session(rig, "one", "I started on the ferry today")
    session(rig, "two", "no more boats for me, I bake now")
    old, new = (hit.record for hit in sorted(rig.hits("Ann", filters={"kind": "note"}), key=lambda h: moment(h.record)))
    assert new.links == (Link("changes", old.id),)
    hit = next(hit for hit in rig.hits("Ann works on a ferry") if hit.record.id == old.id)
    assert hit.path == (old.id, new.id)
    assert rig.maintain("session") == []
    rig.close()


def test_facts_of_one_subject_are_a_timeline_without_any_model(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(TheanineMemory))
    ids = [
        rig.remember(f"Ann lives in {place}", subject="Ann", relation="lives in", object=place)
        for place in ("Oslo", "Rome", "Quito")
    ]
    hit = rig.hits("lives in Rome")[0]
    assert hit.record.id == ids[1]
    assert list(hit.path) == ids
    rig.close()


def test_timelines_are_chronological_acyclic_and_hold_every_memory() -> None:
    def record(n: int, *targets: int) -> Record:
        links = tuple(Link("causes", f"r{t}") for t in targets)
        return Record(id=f"r{n}", kind="note", body="", created_seq=n, recorded_at=float(n), links=links)

    held = [record(1, 3), record(2, 1), record(3, 2), record(4), record(5, 3, 4)]  # r1 -> r3 leads forward: left out
    lines = Timelines(held, ["causes"])
    for one in held:
        line = lines.through(one.id, 8)
        assert one in line
        assert [moment(member) for member in line] == sorted(moment(member) for member in line)
    assert [member.id for member in lines.through("r1", 8)] == ["r1", "r2", "r3", "r4", "r5"]
    assert [member.id for member in lines.through("r1", 3)] == ["r1", "r2", "r3"]
    assert [member.id for member in Timelines([record(1, 2), record(2)], ["causes"]).through("r1", 8)] == ["r1"]


def test_a_model_that_says_none_or_nonsense_links_nothing(tmp_path: Path) -> None:
    chat = ScriptedChat(["Ann works on a ferry.", "Ann works on a ferry at night.", "obviously!"])
    rig = Rig(tmp_path, Bench(TheanineMemory, chat=chat))
    session(rig, "one", "I started on the ferry today")
    session(rig, "two", "now at night")
    assert all(not note.links for note in rig.home.journal.records.find(kinds=["note"]))
    rig.close()
