"""A-MEM keeps the contract, links texts by their notes, and evolves notes as new versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentmem.contract import Memory
from agentmem.records import Draft
from agentmem.testing import Bench, MemoryContract, Rig, ScriptedChat, scripted_json
from agentmem_amem import AMemMemory
from agentmem_amem.config import AMemConfig


class TestAMem(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return AMemMemory


def analysis(context: str, *keywords: str) -> str:
    return scripted_json({"keywords": list(keywords), "context": context, "tags": ["harbour"]})


def say(rig: Rig, text: str) -> str:
    return rig.remember_all([Draft(body=text, kind="turn", speaker="ann")])[0]


def opened(folder: Path, *replies: str, evolve: bool = False) -> Rig:
    return Rig(folder, Bench(AMemMemory, AMemConfig(evolve=evolve), chat=ScriptedChat(replies)))


def test_a_text_is_found_by_its_note_and_by_what_links_to_it(tmp_path: Path) -> None:
    rig = opened(
        tmp_path,
        analysis("Where ships are mended", "shipyard"),
        analysis("Who to call about repairs", "contact"),
        scripted_json({"links": [0]}),
    )
    dock = say(rig, "the dry dock lies behind Pier 4")
    phone = say(rig, "the dry dock answers under 5512")
    by_note = rig.hits("shipyard")[0]
    assert by_note.record.id == dock
    assert by_note.why == "its note is like the question"
    linked = {hit.record.id: hit for hit in rig.hits("shipyard")}
    assert linked[phone].path == (dock, phone)
    rig.purge(phone)
    assert rig.ids("shipyard") == [dock]
    rig.close()


@pytest.mark.parametrize("evolves", [True, False])
def test_evolution_is_a_new_version_and_the_old_one_is_read_as_of_then(tmp_path: Path, evolves: bool) -> None:
    rewrite = {"neighbour": 0, "context": "A dock that was closed", "tags": ["past"]}
    rig = opened(
        tmp_path,
        analysis("Where ships are mended", "shipyard"),
        analysis("The dock is closed", "closed"),
        scripted_json({"links": [0], "actions": ["update_neighbor"], "rewrites": [rewrite]}),
        evolve=evolves,
    )
    say(rig, "the dry dock lies behind Pier 4")
    note = next(rig.home.journal.records.find(kinds=["note"]))
    then = rig.clock.now()
    say(rig, "the dry dock is closed for good")
    now = rig.record(note.id)
    assert now is not None
    assert now.attributes["context"] == ("A dock that was closed" if evolves else "Where ships are mended")
    before = rig.home.journal.records.get(note.id, as_of=then)
    assert before is not None
    assert before.attributes["context"] == "Where ships are mended"
    rig.close()


@pytest.mark.parametrize(
    "reply",
    [
        scripted_json({"links": [7]}),
        scripted_json({"links": [0], "actions": ["drop_everything"]}),
        scripted_json({"links": [0], "note": "and more"}),
        '{"links": [0',
    ],
)
def test_a_reply_outside_the_closed_forms_links_nothing(tmp_path: Path, reply: str) -> None:
    rig = opened(tmp_path, analysis("one", "a"), analysis("two", "b"), reply)
    say(rig, "the dry dock lies behind Pier 4")
    say(rig, "the dry dock answers under 5512")
    assert [note.links for note in rig.home.journal.records.find(kinds=["note"])] == [(), ()]
    rig.close()
