"""A home in several hands at once: a reader recalls what the owner has not indexed, and owns it when the owner goes."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agentmem.contract import Memory
from agentmem.home import Home
from agentmem.records import Change, Draft, Query, Recall
from agentmem.settings import Settings

WORDS = "harbour pier office ferry crane tide anchor market bakery library bridge tower garden museum".split()
NAMES = ("chroma", "bm25")


def opened(folder: Path, **sections: dict[str, int]) -> Home:
    return Home.open(folder, Settings(memories=NAMES, embedder="hash", sections=sections))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    """The owner and a reader of one home."""
    with opened(tmp_path, bm25={"batch": 20}) as owner, opened(tmp_path, bm25={"batch": 20}) as reader:
        assert (owner.is_owner, reader.is_owner) == (True, False)
        yield owner, reader


def found(home: Home, query: Query) -> list[list[tuple[str, float, str]]]:
    recalls = home.recall(query, list(NAMES))
    assert not [r.error for r in recalls if r.error]
    return [[(h.record_id, h.score, h.record.body) for h in r.hits] for r in recalls]


def text(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(2, 7)))


def test_a_reader_recalls_its_own_write_before_the_owner_has_seen_it(pair: tuple[Home, Home]) -> None:
    owner, reader = pair
    reader.write([Draft(body="The harbour office moved to Pier 4.")])
    assert [hits[0][2] for hits in found(reader, Query(text="harbour office"))] == [
        "The harbour office moved to Pier 4."
    ] * 2
    assert found(reader, Query(text="harbour office")) == found(owner, Query(text="harbour office"))


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_answers_as_the_owner_would_whatever_was_written_by_whom(pair: tuple[Home, Home], seed: int) -> None:
    owner, reader = pair
    rng = random.Random(seed)
    for step in range(60):
        home = rng.choice([owner, reader])
        live = [r.id for r in home.journal.records.find()]
        action = rng.choice(["write", "write", "write", "correct", "retract", "undo"]) if live else "write"
        if action == "write":
            place = rng.choice([(), ("a",), ("a", "b")])
            drafts = [Draft(body=text(rng), namespace=place, kind=rng.choice(["fact", "turn"]), thread="t")]
            home.write(drafts * rng.randint(1, 3))
        elif action == "correct":
            home.journal.correct(rng.choice(live), text(rng))
        elif action == "retract":
            home.journal.set_status(rng.choice(live), "retract")
        else:
            home.journal.undo(home.journal.write([Draft(body=text(rng))]).id)
        if step % 4 == 0:
            scope = rng.choice([(), ("a",)])
            kinds = rng.choice([{}, {"kind": "fact"}])
            query = Query(text=text(rng), k=rng.choice([3, 10]), namespace=scope, filters=kinds)
            ahead = found(reader, query)  # before the owner catches up
            assert ahead == found(owner, query)
            assert ahead == found(reader, query)  # and after


def test_what_the_owner_has_indexed_is_no_longer_held_by_the_reader(pair: tuple[Home, Home]) -> None:
    owner, reader = pair
    reader.write([Draft(body=f"the ferry number {i}") for i in range(30)])
    found(reader, Query(text="ferry"))
    memory = reader.views["bm25"].memory
    assert len(memory._ahead) == 30
    found(owner, Query(text="ferry"))
    found(reader, Query(text="ferry"))
    assert len(memory._ahead) == 0


def test_ownership_changes_hands_while_other_threads_recall(tmp_path: Path) -> None:
    owner, reader = opened(tmp_path), opened(tmp_path)
    with reader:
        owner.write([Draft(body=f"the tide table {i}") for i in range(50)])
        found(owner, Query(text="tide"))
        faults: list[BaseException] = []

        def ask() -> None:
            try:
                for _ in range(30):
                    assert [len(hits) for hits in found(reader, Query(text="tide table"))] == [10, 10]
            except BaseException as error:
                faults.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        owner.close()
        for thread in threads:
            thread.join()
        assert not faults
        assert reader.take_ownership()
        reader.write([Draft(body="the tide table of today")])
        assert any("today" in body for *_, body in found(reader, Query(text="tide table today"))[1])
        assert reader.views["bm25"].memory.applied == reader.journal.records.head()


def test_what_cannot_be_shared_names_the_process_that_holds_the_home_now(tmp_path: Path) -> None:
    class Alone(Memory):
        name = "alone"

        def apply(self, changes: Sequence[Change]) -> None: ...

        def recall(self, query: Query) -> Recall:
            return Recall()

    with Home.open(tmp_path, memories={"alone": Alone}), Home.open(tmp_path, memories={"alone": Alone}) as reader:
        (tmp_path / "owner.lock").write_text("4711")  # as if the home had changed hands
        (told,) = reader.recall(Query(text="x"), ["alone"])
        assert "process 4711 holds this home" in str(told.abstain)
