from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.contract import Memory, MemoryConfig
from agentmem.errors import AgentmemError
from agentmem.testing import Bench, MemoryContract, Rig
from agentmem_bm25 import Bm25Memory
from agentmem_bm25.analysis import Analyzer
from agentmem_bm25.config import Bm25Config
from agentmem_bm25.scoring import Collection, Scorer, idf
from agentmem_bm25.table import packed, unpacked


class TestWholeInTable(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return Bm25Memory


class TestThroughTantivy(MemoryContract):
    """The same promises when nearly everything is in tantivy."""

    many = 300

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return Bm25Memory

    @pytest.fixture
    def memory_config(self) -> MemoryConfig:
        return Bm25Config(batch=8)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, Bench(Bm25Memory, Bm25Config(batch=40)))
    yield made
    made.close()


WORDS = [f"{a}{b}" for a in "bcdfgklmnprstvz" for b in ("ar", "el", "ip", "og", "un")]


def sentence(seed: int) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choices(WORDS, weights=range(1, len(WORDS) + 1), k=rng.randint(2, 30)))


def by_hand(texts: dict[str, str], query: str, k: int) -> list[tuple[str, float]]:
    """BM25 from the definition."""
    analyze = Analyzer()
    counts = {i: Counter(analyze(text)) for i, text in texts.items()}
    collection = Collection(len(counts), sum(c.total() for c in counts.values()))
    weights = {t: idf(len(counts), n) for t in set(analyze(query)) if (n := sum(t in c for c in counts.values()))}
    scorer = Scorer(weights, collection.mean_length)
    scores = {i: scorer.score(packed(c), c.total()) for i, c in counts.items()}
    return sorted(((i, s) for i, s in scores.items() if s > 0), key=lambda p: (-p[1], p[0]))[:k]


def test_the_ranking_is_that_of_the_definition_whatever_was_deleted_before(rig: Rig) -> None:
    texts = {i: sentence(n) for n, i in enumerate(rig.remember_all([rig.draft(sentence(n)) for n in range(300)]))}
    rng = random.Random(1)
    for n in range(150):
        record_id = rng.choice(sorted(texts))
        if n % 3:
            rig.retract(record_id)
            del texts[record_id]
        else:
            texts[record_id] = sentence(1000 + n)
            rig.correct(record_id, texts[record_id])
    for n in range(30):
        query = sentence(5000 + n)
        found = [(hit.record.id, hit.score) for hit in rig.hits(query, 10)]
        assert found == [(i, pytest.approx(s, abs=2e-6)) for i, s in by_hand(texts, query, 10)]
    assert "in tantivy" in rig.memory.check()[0].text


def test_many_equal_records_are_told_apart_by_their_id(rig: Rig) -> None:
    ids = rig.remember_all([rig.draft("the same words") for _ in range(300)])
    assert rig.ids("same words", 7) == sorted(ids)[:7]


def test_an_index_with_many_dead_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentmem_bm25.memory._DEAD_LEAST", 50)
    rig = Rig(tmp_path, Bench(Bm25Memory, Bm25Config(batch=20)))
    ids = rig.remember_all([rig.draft(sentence(n)) for n in range(120)])
    for batch in range(6):
        for record_id in ids[batch * 20 : batch * 20 + 20]:
            rig.home.journal.correct(record_id, sentence(9000 + batch))
        rig.catch_up()
    folders = [f.name for f in rig.data_dir.glob("tantivy-*")]
    assert len(folders) == 1
    assert folders != ["tantivy-0"]
    texts = {record.id: record.body for record in rig.records(ids)}
    query = sentence(77)
    assert [h.record.id for h in rig.hits(query, 10)] == [i for i, _ in by_hand(texts, query, 10)]
    rig.close()


def test_a_crash_between_tantivys_commit_and_ours_is_mended(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "a", Bench(Bm25Memory, Bm25Config(batch=40)))
    rig.remember_all([rig.draft(sentence(n)) for n in range(100)])
    memory = rig.memory
    assert isinstance(memory, Bm25Memory)
    assert memory._candidates is not None
    assert memory._table is not None
    memory._candidates.add(list(memory._table.after(90)))
    before = [rig.hits(sentence(500 + n), 10) for n in range(5)]
    after = rig.crash(tmp_path / "b")
    after.catch_up()
    assert [[(h.record.id, h.score) for h in hits] for hits in before] == [
        [(h.record.id, h.score) for h in after.hits(sentence(500 + n), 10)] for n in range(5)
    ]
    rig.close()
    after.close()


def test_another_language_starts_the_index_anew(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Bench(Bm25Memory))
    rig.remember("running dogs")
    rig.close()
    other = Rig(tmp_path, Bench(Bm25Memory, Bm25Config(language="none")))
    assert other.memory.applied == 0
    other.catch_up()
    assert other.ids("run dog") == []
    assert len(other.ids("running")) == 1
    other.close()


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Sie wohnt in der Königstraße", "KONIGSTRASSE"),
        ("我在北京大学读书", "北京大学"),
        ("昨日、東京タワーに行きました", "東京タワー"),
        ("ﾊﾝｶｸ ＡＢＣ", "ハンカク abc"),
        ("Я живу в Москве", "москве"),
        ("مرحبا بالعالم", "بالعالم"),
        ("हिन्दी में लिखा हुआ", "हिन्दी"),
        ("한국어를 배우다", "한국어"),
        ("She writes C++ and C#", "c++"),
        ("café au lait", "CAFE\u0301"),
        ("party 🎉 tonight", "🎉"),
    ],
)
def test_every_script_is_found(rig: Rig, text: str, query: str) -> None:
    other = rig.remember("nothing of that kind 猫 кот C")
    wanted = rig.remember(text)
    found = rig.ids(query)
    assert found[:1] == [wanted]
    assert other not in found[:1]


def test_words_are_found_by_their_stem() -> None:
    assert Analyzer()("Ann's running dogs don't") == Analyzer()("Ann run dog don")
    assert Analyzer("none")("Dogs") == ["dogs"]


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises((AgentmemError, ValueError), match="no stemmer for 'klingon'"):
        Bm25Config(language="klingon")


def test_packed_counts_are_unpacked_the_same() -> None:
    counts = {"c++": 2, "red": 1, "赤": 3}
    assert dict(unpacked(packed(counts))) == counts
