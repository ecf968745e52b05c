"""The journal's verbs, one rule each."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import event

from agentmem.errors import BadInput, Conflict, HomeDamaged, NotFound, Refused
from agentmem.journal import Journal
from agentmem.records import Draft, Status


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> float:
        self.at += 1.0
        return self.at


def open_journal(folder: Path, seed: int = 1) -> Journal:
    rng = random.Random(seed)
    return Journal(folder, clock=Clock(), new_id=lambda: uuid.UUID(int=rng.getrandbits(128), version=4).hex)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = open_journal(tmp_path / "home")
    yield journal
    journal.close()


def body_of(journal: Journal, record_id: str) -> str:
    record = journal.records.get(record_id)
    assert record is not None
    return record.body


def test_a_record_reads_back_as_it_was_written(journal: Journal) -> None:
    draft = Draft(
        body="Der Hafen liegt in 北京\n",
        kind="fact",
        namespace=("alice", "a/b%"),
        subject="Hafen",
        speaker="Ann",
        valid_from=5.0,
        attributes={"n": 1, "list": ["x", {"y": None}]},
        memories=("bm25",),
        blobs={"delta": b"\x00\x01"},
    )
    receipt = journal.write([draft])
    record = journal.records.get(receipt.record_id)
    assert record is not None
    assert (record.body, record.namespace, record.subject) == (draft.body, draft.namespace, "Hafen")
    assert record.attributes == {"n": 1, "list": ["x", {"y": None}]}
    assert record.memories == ("bm25",)
    assert journal.blobs.read(record.blobs["delta"]) == b"\x00\x01"
    assert record.status is Status.ACTIVE
    assert record.version == 1


def test_text_that_a_database_would_refuse_is_cleaned_at_the_door(journal: Journal) -> None:
    receipt = journal.write([Draft(body="a\0b\ud800c")])
    assert body_of(journal, receipt.record_id) == "a\ufffdb\ufffdc"


def test_attributes_that_are_not_json_are_refused_and_nothing_is_written(journal: Journal) -> None:
    with pytest.raises(BadInput, match="only JSON values"):
        journal.write([Draft(body="fine"), Draft(body="bad", attributes={"x": object()})])
    assert journal.records.count() == 0
    assert journal.records.head() == 0


def test_a_correction_keeps_the_old_body_in_the_history_and_undo_restores_it_verbatim(journal: Journal) -> None:
    first = journal.write([Draft(body="Pier 4")])
    before = journal.state_hash()
    corrected = journal.correct(first.record_id, "Pier 6")
    assert body_of(journal, first.record_id) == "Pier 6"
    assert [e.body for e in journal.records.history(first.record_id)] == ["Pier 4", "Pier 6"]
    journal.undo(corrected.id)
    record = journal.records.get(first.record_id)
    assert record is not None
    assert (record.body, record.version) == ("Pier 4", 1)
    assert journal.state_hash() == before


def test_an_undo_can_be_undone(journal: Journal) -> None:
    first = journal.write([Draft(body="Pier 4")])
    with_it = journal.state_hash()
    undone = journal.undo(first.id)
    assert journal.records.count() == 0
    journal.undo(undone.id)
    assert journal.state_hash() == with_it


def test_undo_is_refused_when_the_record_changed_later_and_names_the_change(journal: Journal) -> None:
    first = journal.write([Draft(body="one")])
    second = journal.correct(first.record_id, "two")
    with pytest.raises(Conflict, match="changed later") as caught:
        journal.undo(first.id)
    assert caught.value.later == (second.id,)
    journal.undo(first.id, cascade=True)
    assert journal.records.count() == 0


def test_undo_is_allowed_again_when_a_later_undo_restored_the_body(journal: Journal) -> None:
    first = journal.write([Draft(body="one")])
    second = journal.correct(first.record_id, "two")
    journal.undo(second.id)
    journal.undo(first.id)
    assert journal.records.count() == 0


def test_what_memories_derived_goes_along_silently(journal: Journal) -> None:
    first = journal.write([Draft(body="a turn", kind="turn")])
    triple = journal.propose([Draft(body="s p o", kind="triple", derived_from=(first.record_id,))], actor="memory:x")
    summary = journal.propose([Draft(body="sum", kind="summary", derived_from=(triple.record_id,))], actor="memory:x")
    undone = journal.undo(first.id)
    assert journal.records.count() == 0
    journal.undo(undone.id)
    assert {r.id for r in journal.records.find()} == {first.record_id, triple.record_id, summary.record_id}
    journal.set_status(first.record_id, "retract")
    assert journal.records.count() == 0


def test_undoing_a_correction_takes_along_what_was_derived_from_the_corrected_text(journal: Journal) -> None:
    def derived(body: str, parent: str) -> str:
        return journal.propose([Draft(body=body, kind="triple", derived_from=(parent,))], actor="memory:x").record_id

    first = journal.write([Draft(body="a turn", kind="turn")])
    of_old = derived("old", first.record_id)
    before = journal.state_hash()
    corrected = journal.correct(first.record_id, "another turn")
    of_new = derived("new", first.record_id)
    of_that = derived("of new", of_new)
    after = journal.state_hash()
    undone = journal.undo(corrected.id)
    assert {r.id for r in journal.records.find()} == {first.record_id, of_old}
    assert journal.state_hash() == before
    journal.undo(undone.id)
    assert {r.id for r in journal.records.find()} == {first.record_id, of_new, of_that}
    assert journal.state_hash() == after


def test_what_a_person_derived_stands_in_the_way_of_an_undo(journal: Journal) -> None:
    first = journal.write([Draft(body="a turn", kind="turn")])
    stated = journal.write([Draft(body="so Ann is there", derived_from=(first.record_id,))])
    with pytest.raises(Conflict, match="a person stated"):
        journal.undo(first.id)
    journal.undo(first.id, cascade=True)
    assert journal.records.get(stated.record_id).status is Status.ABSENT


def test_a_derived_record_that_a_person_corrected_counts_as_stated(journal: Journal) -> None:
    first = journal.write([Draft(body="a turn", kind="turn")])
    triple = journal.propose([Draft(body="s p o", kind="triple", derived_from=(first.record_id,))], actor="memory:x")
    journal.correct(triple.record_id, "s p q")
    with pytest.raises(Conflict):
        journal.undo(first.id)


def test_a_newer_fact_supersedes_the_older_and_undo_gives_it_its_place_back(journal: Journal) -> None:
    old = journal.write([Draft(body="lives in Oslo", valid_from=1.0)])
    new = journal.write([Draft(body="lives in Rome", supersedes=(old.record_id,), valid_from=9.0)])
    superseded = journal.records.get(old.record_id)
    assert superseded.status is Status.SUPERSEDED
    assert superseded.valid_to == 9.0
    journal.undo(new.id)
    back = journal.records.get(old.record_id)
    assert (back.status, back.valid_to, back.version) == (Status.ACTIVE, None, 1)


def test_the_past_can_be_read(journal: Journal) -> None:
    first = journal.write([Draft(body="one")])
    then = journal.records.get(first.record_id).recorded_at
    journal.correct(first.record_id, "two")
    second = journal.write([Draft(body="later")])
    assert journal.records.get(first.record_id, as_of=then).body == "one"
    assert [r.body for r in journal.records.find(as_of=then)] == ["one"]
    assert journal.records.get(second.record_id, as_of=then) is None


def test_pending_records_are_not_live_until_they_are_approved(journal: Journal) -> None:
    old = journal.write([Draft(body="old")])
    waiting = journal.write([Draft(body="new", supersedes=(old.record_id,))], status=Status.PENDING)
    assert waiting.change_ids == (waiting.record_id,)
    assert [r.body for r in journal.records.find()] == ["old"]
    journal.set_status(waiting.record_id, "approve")
    assert [r.body for r in journal.records.find()] == ["new"]


def test_undoing_an_approval_takes_back_what_was_derived_from_it_since(journal: Journal) -> None:
    waiting = journal.write([Draft(body="fact")], status=Status.PENDING)
    approved = journal.set_status(waiting.record_id, "approve")
    journal.propose([Draft(body="edit", kind="edit", derived_from=(waiting.record_id,))], actor="memory:x")
    back = journal.undo(approved.id)
    assert [r.body for r in journal.records.find()] == []
    journal.undo(back.id)
    assert sorted(r.body for r in journal.records.find()) == ["edit", "fact"]


def test_a_purge_leaves_no_text_and_cannot_be_undone(journal: Journal) -> None:
    secret = "xylophagous quandary"
    first = journal.write([Draft(body=f"it is {secret}", kind="turn")], reason=f"about {secret}")
    journal.propose([Draft(body=f"note: {secret}", kind="note", derived_from=(first.record_id,))], actor="memory:x")
    corrected = journal.correct(first.record_id, f"it was {secret}", reason=f"no, {secret}")
    keep = journal.write([Draft(body="something else", blobs={"b": b"shared"})])
    job = journal.purge([first.record_id])
    assert journal.shrink()
    assert len(job.record_ids) == 2
    assert [r.id for r in journal.records.find()] == [keep.record_id]
    for path in journal.folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path.name
    for receipt in (first.id, corrected.id, job.id):
        with pytest.raises(Refused, match="purge"):
            journal.undo(receipt)
    with pytest.raises(Refused, match="purged"):
        journal.correct(first.record_id, "again")


def test_a_purge_reaches_derivations_that_were_undone_before(journal: Journal) -> None:
    first = journal.write([Draft(body="plain", kind="turn")])
    derived = journal.propose([Draft(body="wombatsecret", derived_from=(first.record_id,))], actor="memory:x")
    journal.undo(derived.id)
    journal.purge([first.record_id])
    assert journal.shrink()
    assert b"wombatsecret" not in journal.path.read_bytes()


def test_a_purge_with_sources_takes_the_turn_that_said_it(journal: Journal) -> None:
    turn = journal.write([Draft(body="the turn", kind="turn")])
    fact = journal.propose([Draft(body="the fact", derived_from=(turn.record_id,))], actor="agent")
    assert set(journal.purge_plan([fact.record_id])) == {fact.record_id}
    assert set(journal.purge_plan([fact.record_id], sources=True)) == {fact.record_id, turn.record_id}


def test_blobs_that_others_use_survive_a_purge(journal: Journal) -> None:
    one = journal.write([Draft(body="one", blobs={"w": b"same"})])
    other = journal.write([Draft(body="two", blobs={"w": b"same"})])
    assert journal.purge([one.record_id]).blobs == ()
    job = journal.purge([other.record_id])
    assert len(job.blobs) == 1


def test_a_damaged_blob_is_noticed(journal: Journal) -> None:
    receipt = journal.write([Draft(body="one", blobs={"w": b"weights"})])
    digest = journal.records.get(receipt.record_id).blobs["w"]
    journal.blobs.path(digest).write_bytes(b"weighty")
    with pytest.raises(HomeDamaged, match="damaged"):
        journal.blobs.read(digest)


def test_a_turn_is_indexed_with_its_date_and_neighbours_and_follows_their_changes(journal: Journal) -> None:
    place = {"kind": "turn", "thread": "t", "session": "s", "valid_from": 1_683_500_000.0}

    def say(body: str, speaker: str) -> str:
        return journal.write([Draft(body=body, speaker=speaker, **place)]).record_id

    first, second = say("I went to the pier", "Ann"), say("Was it cold?", "Bob")
    changes, head = journal.feed.read(0, 100, kinds=["turn"], view="v")
    assert changes[1].text == "7 May 2023\nAnn: I went to the pier\nBob: Was it cold?\nBob: Was it cold?"
    third, fourth = say("Very", "Ann"), say("Poor you", "Bob")
    changes, head = journal.feed.read(head, 100, kinds=["turn"], view="v")
    assert {c.record_id for c in changes} == {second, third, fourth}  # the reply is part of the turn before it
    text = {c.record_id: c.text for c in changes}
    assert text[third] == "7 May 2023\nAnn: I went to the pier\nBob: Was it cold?\nAnn: Very\nBob: Poor you\nAnn: Very"
    journal.correct(first, "I went to the quay")
    changes, head = journal.feed.read(head, 100, kinds=["turn"], view="v")
    assert [c.record_id for c in changes] == [first, second, third]
    assert all("quay" in c.text for c in changes)
    journal.set_status(first, "archive")
    changes, head = journal.feed.read(head, 100, kinds=["turn"], view="v")
    assert changes[0].record is None
    assert changes[1].text == "7 May 2023\nBob: Was it cold?\nAnn: Very\nBob: Was it cold?"
    assert "quay" not in changes[2].text


def test_a_purge_names_every_turn_that_may_ever_have_carried_the_text(journal: Journal) -> None:
    place = {"kind": "turn", "thread": "t", "session": "s"}
    ids = [journal.write([Draft(body=f"turn {n}", **place)]).record_id for n in range(5)]
    journal.set_status(ids[1], "archive")
    changes, _ = journal.feed.read(0, 100, kinds=["turn"], view="v")
    assert "turn 0" in next(c.text for c in changes if c.record_id == ids[3])
    journal.set_status(ids[1], "restore")
    assert ids[3] in {i for i, _ in journal.feed.carriers([ids[0]])}


def test_a_record_for_named_memories_is_fed_to_no_other(journal: Journal) -> None:
    journal.write([Draft(body="x", memories=("a",))])
    assert journal.feed.read(0, 10, kinds=["fact"], view="a")[0][0].record is not None
    assert journal.feed.read(0, 10, kinds=["fact"], view="b")[0][0].record is None


def test_views_that_stand_at_one_place_share_one_reading_of_the_feed(journal: Journal) -> None:
    for n in range(3):
        journal.write([Draft(body=f"turn {n}", kind="turn", thread="t", memories=None if n else ("v0", "v1"))])
    head, begun = journal.records.head(), []
    event.listen(journal.engine, "begin", lambda connection: begun.append(connection))

    def read(view: int) -> list[str | None]:
        changes, _ = journal.feed.read(0, 100, kinds=["turn"], view=f"v{view}", head=head)
        return [c.record and c.record.body for c in changes]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, range(4)))
    assert found == [["turn 0", "turn 1", "turn 2"]] * 2 + [[None, "turn 1", "turn 2"]] * 2
    assert len(begun) == 1


@pytest.mark.parametrize("seed", range(3))
def test_what_was_read_before_is_never_given_for_what_stands_now(journal: Journal, seed: int) -> None:
    rng = random.Random(seed)
    other = open_journal(journal.folder, seed=2)  # as another process has it
    ids = list(journal.write([Draft(body=f"record {n}") for n in range(8)]).record_ids)
    for step in range(60):
        writer, record_id = rng.choice([journal, other]), rng.choice(ids)
        action = rng.choice(["correct", "archive", "restore", "write", "purge", "read", "read"])
        with suppress(NotFound, Refused):
            if action == "correct":
                writer.correct(record_id, f"record, said anew in step {step}")
            elif action == "write":
                ids += writer.write([Draft(body=f"step {step}")]).record_ids
            elif action == "purge":
                writer.purge([record_id])
            elif action != "read":
                writer.set_status(record_id, action)
        some = rng.sample(ids, 4)
        fresh = open_journal(journal.folder)
        assert journal.records.get_many(some) == fresh.records.get_many(some)
        assert journal.records.count() == fresh.records.count()
        fresh.close()
    other.close()


def test_what_is_not_there_is_named(journal: Journal) -> None:
    with pytest.raises(NotFound, match="no record 'nope'"):
        journal.correct("nope", "x")
    with pytest.raises(NotFound, match="no receipt 'nope'"):
        journal.undo("nope")
    with pytest.raises(NotFound, match="no record"):
        journal.records.resolve("zz")


def test_reopening_finds_everything_and_a_readonly_journal_refuses_to_write(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    receipt = journal.write([Draft(body="kept")])
    state = journal.state_hash()
    journal.close()
    again = Journal(tmp_path, clock=Clock(), new_id=lambda: "x", readonly=True)
    assert again.state_hash() == state
    assert body_of(again, receipt.record_id) == "kept"
    with pytest.raises(Refused, match="read-only"):
        again.write([Draft(body="no")])
    again.close()


def test_a_transaction_that_fails_leaves_nothing(journal: Journal) -> None:
    before = journal.state_hash()

    def fail() -> None:
        with journal.transaction("remember") as tx:
            tx.add(Draft(body="half"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert journal.state_hash() == before
    assert journal.records.head() == 0


def test_a_backup_is_a_home_of_its_own(journal: Journal, tmp_path: Path) -> None:
    journal.write([Draft(body="kept", blobs={"b": b"1"})])
    journal.backup(tmp_path / "copy")
    journal.write([Draft(body="later")])
    copy = open_journal(tmp_path / "copy", seed=2)
    assert [r.body for r in copy.records.find()] == ["kept"]
    assert copy.used_blobs() == copy.blobs.digests()
    copy.close()
    with pytest.raises(BadInput, match="not empty"):
        journal.backup(tmp_path / "copy")
