from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agentmem.contract import Vectors
from agentmem.embed.exact import ExactIndex
from agentmem.errors import BadInput
from agentmem.records import Change, Record

DIM = 24


def unit(n: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    out: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def change(i: int, seq: int | None = None) -> Change:
    record = Record(
        id=f"r{i:04d}",
        kind=("turn", "fact")[i % 2],
        body="",
        namespace=(f"user{i % 10}", "work"),
        speaker=None if i % 4 == 0 else "ann",
        session=f"s{i % 3}",
    )
    return Change(i + 1 if seq is None else seq, record.id, record)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ExactIndex]:
    made = ExactIndex(tmp_path, DIM, "model")
    yield made
    made.close()


def by_hand(vectors: Vectors, chosen: list[int], query: Vectors, k: int) -> list[tuple[str, float]]:
    scores = [(f"r{i:04d}", round(float(vectors[i].astype(float) @ query.astype(float)), 6)) for i in chosen]
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))[:k]


def found(index: ExactIndex, query: Vectors, k: int, **narrowed: object) -> list[tuple[str, float]]:
    return [(s.id, pytest.approx(s.score, abs=2e-6)) for s in index.search(query, k, **narrowed)]  # type: ignore[arg-type,misc]


def test_every_narrowing_finds_what_counting_by_hand_finds(index: ExactIndex) -> None:
    vectors, query = unit(500), unit(1, 9)[0]
    index.write([change(i) for i in range(500)], vectors)
    everything = list(range(500))
    assert found(index, query, 10) == by_hand(vectors, everything, query, 10)
    assert found(index, query, 7, namespace=("user3",)) == by_hand(vectors, everything[3::10], query, 7)
    assert found(index, query, 7, namespace=("user3", "work")) == by_hand(vectors, everything[3::10], query, 7)
    assert found(index, query, 7, namespace=("user",)) == []
    assert found(index, query, 5, filters={"kind": "fact"}) == by_hand(vectors, everything[1::2], query, 5)
    several = [i for i in everything if i % 3 in (0, 2)]
    assert found(index, query, 5, filters={"session": ["s0", "s2"]}) == by_hand(vectors, several, query, 5)
    assert found(index, query, 5, filters={"speaker": None}) == by_hand(vectors, everything[::4], query, 5)
    assert found(index, query, 5, filters={"session": "never"}) == []
    assert found(index, query, 5, after=490) == by_hand(vectors, everything[490:], query, 5)
    with pytest.raises(BadInput, match="no filter named 'colour'"):
        index.search(query, 5, filters={"colour": "red"})


def test_what_is_taken_out_is_gone_and_its_row_is_used_again(tmp_path: Path, index: ExactIndex) -> None:
    vectors = unit(50)
    index.write([change(i) for i in range(50)], vectors)
    index.write([Change(60, f"r{i:04d}", None) for i in range(10)], vectors[:0])
    assert len(index) == 40
    assert "r0003" not in index
    assert not any(vectors[3].tobytes() in f.read_bytes() for f in tmp_path.iterdir())
    size = (tmp_path / "exact.f32").stat().st_size
    index.write([change(i, 100 + i) for i in range(200, 210)], unit(10, 5))
    assert (tmp_path / "exact.f32").stat().st_size == size
    assert [i for _, i in index.written_after(100)] == [f"r{i:04d}" for i in range(200, 210)]


def test_the_last_change_of_a_batch_wins(index: ExactIndex) -> None:
    a, b = unit(2)
    index.write(
        [change(1), Change(2, "r0001", None), change(1, 3), change(2, 4), Change(5, "r0002", None)], np.stack([b, a, b])
    )
    assert index.ids() == ["r0001"]
    assert index.score(a, ["r0001", "unknown"])[0].score == pytest.approx(1.0)


def test_equal_vectors_come_in_the_order_of_their_ids_however_they_were_written(tmp_path: Path) -> None:
    same = np.repeat(unit(1), 300, axis=0)
    for name, order in (("up", range(300)), ("down", range(299, -1, -1))):
        index = ExactIndex(tmp_path / name, DIM, "model")
        index.write([change(i) for i in order], same)
        assert [s.id for s in index.search(same[0], 5)] == ["r0000", "r0001", "r0002", "r0003", "r0004"]
        index.close()


def test_it_is_the_same_after_reopening_and_starts_anew_for_another_model(tmp_path: Path, index: ExactIndex) -> None:
    vectors = unit(30)
    index.write([change(i) for i in range(30)], vectors)
    index.mark(30)
    index.close()
    again = ExactIndex(tmp_path, DIM, "model")
    assert again.applied == 30
    assert found(again, vectors[4], 3) == by_hand(vectors, list(range(30)), vectors[4], 3)
    again.close()
    other = ExactIndex(tmp_path, DIM, "another model")
    assert (other.applied, len(other)) == (0, 0)
    other.close()


def test_a_cut_file_starts_the_index_anew(tmp_path: Path, index: ExactIndex) -> None:
    index.write([change(i) for i in range(30)], unit(30))
    index.mark(30)
    index.close()
    os.truncate(tmp_path / "exact.f32", 10 * DIM * 4)
    again = ExactIndex(tmp_path, DIM, "model")
    assert (again.applied, len(again)) == (0, 0)
    again.close()


def test_a_reader_sees_what_the_owner_commits_and_writes_nothing(tmp_path: Path, index: ExactIndex) -> None:
    reader = ExactIndex(tmp_path, DIM, "model", readonly=True)
    assert reader.search(unit(1)[0], 3) == []
    vectors = unit(3000)
    index.write([change(i) for i in range(20)], vectors[:20])
    assert len(reader) == 20
    index.write([change(i) for i in range(20, 3000)], vectors[20:])
    assert found(reader, vectors[2500], 3) == by_hand(vectors, list(range(3000)), vectors[2500], 3)
    reader.mark(99)
    assert index.applied == 0
    reader.close()
