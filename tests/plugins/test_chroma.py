from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agentmem.contract import Memory, MemoryConfig
from agentmem.embed.hashed import HashedEmbedder
from agentmem.testing import Bench, MemoryContract, Rig, files_with
from agentmem_chroma import ChromaMemory
from agentmem_chroma.config import ChromaConfig


class TestExact(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return ChromaMemory


class TestThroughChroma(MemoryContract):
    """The same promises when Chroma answers from the first record on."""

    many = 300

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return ChromaMemory

    @pytest.fixture
    def memory_config(self) -> MemoryConfig:
        return ChromaConfig(exact_below=0, batch=7)


WORDS = [f"{a}{b}" for a in ("har", "pie", "cra", "shi", "loc", "roo") for b in ("bour", "ry", "ne", "ps", "k", "ft")]


def sentence(i: int) -> str:
    rng = np.random.default_rng(i)
    return " ".join(rng.choice(WORDS, 6))


@pytest.fixture
def through_chroma(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "chroma", Bench(ChromaMemory, ChromaConfig(exact_below=0, batch=50)))
    yield rig
    rig.close()


def test_chroma_finds_what_exact_search_finds(tmp_path: Path, through_chroma: Rig) -> None:
    ids = through_chroma.remember_all([through_chroma.draft(sentence(i)) for i in range(600)])
    for i in range(0, 600, 3):
        through_chroma.retract(ids[i])
    for i in range(0, 600, 6):
        through_chroma.restore(ids[i])
    through_chroma.correct(ids[1], "harbour ships raft")
    through_chroma.maintain("idle")
    exact = through_chroma.copy(tmp_path / "exact", bench=Bench(ChromaMemory))
    exact.catch_up()
    queries = [sentence(1000 + i) for i in range(40)]
    wanted = [exact.hits(q, 10) for q in queries]
    found = [through_chroma.hits(q, 10) for q in queries]
    assert any("HNSW" in hit.why for hits in found for hit in hits)
    kept = sum(len({h.record.id for h in a} & {h.record.id for h in b}) for a, b in zip(wanted, found, strict=True))
    assert kept >= 0.98 * 400
    everything = {h.record.id: h.score for h in exact.hits(queries[3], 600)}
    assert all(everything[h.record.id] == h.score for h in found[3])
    exact.close()


def test_what_chroma_has_not_got_yet_is_found_exactly(through_chroma: Rig) -> None:
    through_chroma.remember_all([through_chroma.draft(sentence(i)) for i in range(60)])
    late = through_chroma.remember("zebra xylophone")
    assert through_chroma.ids("zebra xylophone", 3)[0] == late
    assert "1 behind" in through_chroma.memory.check()[0].text


def test_an_idle_phase_brings_chroma_up_to_date(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(ChromaMemory, ChromaConfig(exact_below=100)))
    rig.remember_all([rig.draft(sentence(i)) for i in range(120)])
    assert not (rig.data_dir / "chroma").exists()
    rig.maintain("idle")
    assert "0 behind" in rig.memory.check()[0].text
    rig.reopen()
    assert any("HNSW" in hit.why for hit in rig.hits(sentence(5), 5))
    assert not any("HNSW" in hit.why for hit in rig.hits(sentence(5), 5, namespace=("nobody",)))
    rig.close()


def test_chroma_is_given_ids_and_vectors_and_nothing_else(through_chroma: Rig) -> None:
    through_chroma.remember_all(
        [through_chroma.draft(f"{sentence(i)} needlexyz", speaker="speakerxyz") for i in range(60)]
    )
    through_chroma.maintain("idle")
    through_chroma.close()
    for needle in ("needlexyz", "speakerxyz"):
        assert not files_with(through_chroma.data_dir / "chroma", needle)


def test_a_purge_leaves_neither_id_nor_vector_in_any_file(through_chroma: Rig) -> None:
    ids = through_chroma.remember_all([through_chroma.draft(sentence(i)) for i in range(60)])
    through_chroma.maintain("idle")
    vector = through_chroma.bench.embedder.embed([sentence(7)])[0].tobytes()
    files = [f for f in through_chroma.data_dir.rglob("*") if f.is_file()]
    assert sum(vector in f.read_bytes() for f in files) >= 1
    through_chroma.purge(ids[7])
    through_chroma.close()
    for file in through_chroma.data_dir.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert vector not in data
            assert ids[7].encode() not in data


def test_a_broken_collection_is_dropped_and_search_goes_on_exactly(through_chroma: Rig) -> None:
    through_chroma.remember_all([through_chroma.draft(sentence(i)) for i in range(60)])
    through_chroma.close()
    database = next((through_chroma.data_dir / "chroma").glob("*.sqlite3"))
    database.write_bytes(b"not a database" * 1000)
    through_chroma.reopen()
    assert len(through_chroma.ids(sentence(5), 5)) == 5
    through_chroma.maintain("idle")
    through_chroma.maintain("idle")
    assert any("HNSW" in hit.why for hit in through_chroma.hits(sentence(5), 5))


def test_another_embedder_starts_the_index_anew(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(ChromaMemory))
    rig.remember_all([rig.draft(sentence(i)) for i in range(10)])
    rig.close()
    other = Rig(tmp_path, Bench(ChromaMemory, embedder=HashedEmbedder(32)))
    assert other.memory.applied == 0
    other.catch_up()
    assert len(other.ids(sentence(3), 5)) == 5
    other.close()


def test_a_server_that_does_not_answer_stops_neither_search_nor_purge(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(ChromaMemory, ChromaConfig(exact_below=0, batch=20, url="http://127.0.0.1:9")))
    events: list[str] = []
    rig.home.watchers.append(lambda kind, data: events.append(kind))
    ids = rig.remember_all([rig.draft(sentence(i)) for i in range(60)])
    assert "chroma.failed" in events
    assert rig.ids(sentence(5), 1) == [ids[5]]
    rig.purge(ids[5])
    assert ids[5] not in rig.ids(sentence(5), 60)
    rig.close()


def test_a_collection_that_a_purge_could_not_remove_is_remembered(
    through_chroma: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentmem.errors import PluginError
    from agentmem_chroma.collection import Collection

    ids = through_chroma.remember_all([through_chroma.draft(sentence(i)) for i in range(60)])
    drop, dropped = Collection.drop, []

    def refuse(collection: Collection) -> None:
        raise PluginError("no answer", "chroma")

    def note(collection: Collection) -> None:
        dropped.append(collection)
        drop(collection)

    monkeypatch.setattr(Collection, "drop", refuse)
    through_chroma.purge(ids[5])
    assert any(line.level == "warning" for line in through_chroma.memory.check())
    monkeypatch.setattr(Collection, "drop", note)
    through_chroma.maintain("idle")
    assert dropped
    assert not any(line.level == "warning" for line in through_chroma.memory.check())
