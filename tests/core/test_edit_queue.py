"""The queue of facts on their way into weights: a function of the journal, read on from where it was left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.home import Home
from agentmem.records import Draft, Status
from agentmem.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.open(tmp_path, Settings(memories=()), memories={}, seed=1) as home:
        yield home


def fact(name: str, memory: str = "wise") -> Draft:
    wish = {"memory": memory, "subject": name, "prompt": "{} is", "target": "new"}
    return Draft(body=f"{name} is new.", kind="fact", subject=name, attributes={"edit": wish})


def edit(parent: str, memory: str = "wise") -> Draft:
    return Draft(body="x", kind="edit", derived_from=(parent,), attributes={"memory": memory}, memories=(memory,))


def names(home: Home) -> dict[str, list[str | None]]:
    return {memory: [record.subject for record in found] for memory, found in home.edit_queue.waiting().items()}


def test_a_fact_waits_until_its_own_memory_has_answered_it(home: Home) -> None:
    first = home.write([fact("a"), fact("b", "memit"), Draft(body="Plain.", kind="fact")])
    assert names(home) == {"wise": ["a"], "memit": ["b"]}
    one, other, _ = first.record_ids
    home.write([edit(one, "memit")])
    assert names(home) == {"wise": ["a"], "memit": ["b"]}, "another memory's edit is no answer"
    home.write([edit(one)])
    home.write([edit(other, "memit")], status=Status.ARCHIVED)
    assert names(home) == {}, "a refusal is an answer too"


def test_the_queue_follows_undo_and_purge_as_if_it_read_the_whole_journal(home: Home) -> None:
    receipts = [home.write([fact(name)]) for name in "abcd"]
    assert names(home) == {"wise": ["a", "b", "c", "d"]}
    derived = home.write([edit(receipts[0].record_ids[0])])
    home.journal.undo(receipts[1].id)
    assert names(home) == {"wise": ["c", "d"]}
    home.journal.undo(derived.id)
    assert names(home) == {"wise": ["a", "c", "d"]}
    home.purge([receipts[2].record_ids[0]])
    home.write([fact("e")])
    assert names(home) == {"wise": ["a", "d", "e"]}
    from agentmem.edit_queue import EditQueue

    again = EditQueue(home.journal).waiting()
    assert again == home.edit_queue.waiting()


def test_asking_the_queue_again_reads_only_what_is_new(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write([fact(f"s{i}") for i in range(50)])
    assert len(names(home)["wise"]) == 50

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the whole journal is read again")

    monkeypatch.setattr(home.journal.records, "find", refuse)
    home.write([fact("late")])
    assert len(names(home)["wise"]) == 51


def test_a_corrected_fact_asks_for_what_its_text_says_now(home: Home) -> None:
    from agentmem.editing import request_of

    (told,) = home.write([fact("a")]).record_ids
    home.journal.correct(told, "a is newer.")
    (record,) = home.edit_queue.waiting()["wise"]
    assert request_of(record).target == "newer"
    home.journal.correct(told, "Nobody knows what a is.")
    assert home.edit_queue.waiting() == {}, "what weights should say cannot be read from it"
