"""The graph as a view: its content is what the live records say, whatever way led there; and what a question gets."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentmem.records import Change, Record
from agentmem.testing import HashEmbedder
from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.edges import COUNT_MAX
from agentmem_hipporag.index import EXTRACTION, GraphIndex
from agentmem_hipporag.search import Answer, search
from agentmem_hipporag.show import as_html, as_svg, as_text, neighbourhood
from agentmem_hipporag.store import Selection

PEOPLE = ["Anna Velm", "Boris Kern", "Carla Osk", "Dmitri Pahl", "Ewa Łoś", "Farid Noor", "Gita Rao", "Hugo Stern"]
PLACES = ["Orsk Harbour", "Velmark", "Łódź", "北京大学", "Port Amber", "Москва", "Quay Street", "Tarn Hill"]
EMBEDDER = HashEmbedder()


def passage(i: int, **fields: Any) -> Record:
    rng = random.Random(i)
    person, other, place = rng.choice(PEOPLE), rng.choice(PEOPLE), rng.choice(PLACES)
    text = (
        f"{person} met {other} at {place} in {1900 + i % 40}. Later {person.split()[-1]} left for {rng.choice(PLACES)}."
    )
    given = {"id": f"r{i:03}", "kind": "chunk", "body": text, "version_id": i + 1}
    attributes: dict[str, Any] = {"title": place} if i % 3 == 0 else {}
    attributes |= {"triples": [[person, "met", other], [person, "was at", place]]} if i % 2 else {}
    return Record(**{**given, "attributes": attributes, **fields})


def gone(record: Record) -> Record:
    return Record(id=record.id, kind=record.kind, body=record.body, status="retracted")  # type: ignore[arg-type]


class Graph:
    """An index with a journal's sequence numbers."""

    def __init__(self, folder: Path, config: HippoRAGConfig | None = None) -> None:
        self.folder, self.config = folder, config or HippoRAGConfig()
        folder.mkdir(parents=True, exist_ok=True)
        self.index = GraphIndex(folder, self.config, EMBEDDER)
        self.seq = 0

    def write(self, records: Iterable[Record], batches: int = 1) -> Graph:
        for part in np.array_split(np.array(list(records), dtype=object), batches):
            self.apply([(record.id, record) for record in part])
        return self

    def drop(self, records: Iterable[Record]) -> Graph:
        return self.apply([(record.id, None) for record in records])

    def apply(self, told: Sequence[tuple[str, Record | None]]) -> Graph:
        changes = []
        for record_id, record in told:
            self.seq += 1
            changes.append(Change(self.seq, record_id, record, record.body if record else ""))
        self.index.apply(changes, lambda cs: EMBEDDER.embed([c.text for c in cs]))
        return self

    def reopen(self) -> Graph:
        self.index.close()
        self.index = GraphIndex(self.folder, self.config, EMBEDDER)
        return self

    def ask(self, text: str, k: int = 10, path: str = "/") -> Answer:
        return search(self.index, text, EMBEDDER.embed([text])[0], Selection(path), k)

    def content(self) -> dict[tuple[str, str, int], int]:
        """Every live edge with its weight: (from, to, kind) -> count, by name and not by number."""
        graph = self.index.graph
        edges: dict[tuple[str, str, int], int] = {}
        names = self.index.store.keys_of(range(graph.n_nodes))
        for segment in graph.segments:
            entries = segment.entries()
            for row, target, via, code in zip(*(part.tolist() for part in entries), strict=True):
                if graph.live.values[via] and graph.gain.values[row] and (graph.df.values[[row, target]].any()):
                    key = (names[row], names[target], code // (COUNT_MAX + 1))
                    edges[key] = edges.get(key, 0) + code % (COUNT_MAX + 1)
        return edges

    def rankings(self) -> list[list[tuple[str, float]]]:
        questions = [f"Who met {p} at {q}?" for p, q in zip(PEOPLE, PLACES, strict=True)] + ["what about velmark"]
        return [[(f.record, round(f.score, 9)) for f in self.ask(q).found] for q in questions]


RECORDS = [passage(i) for i in range(60)]
ALL_GAINS = HippoRAGConfig(loner=1.0)  # no name is silent, so that the content shows every edge
MODES = [ALL_GAINS, HippoRAGConfig(mode="hipporag2")]


@pytest.mark.parametrize("config", MODES, ids=lambda c: c.mode)
def test_batches_deletion_and_return_leave_the_same_graph(tmp_path: Path, config: HippoRAGConfig) -> None:
    once = Graph(tmp_path / "once", config).write(RECORDS)
    assert once.content()
    for batches in (3, 30):
        other = Graph(tmp_path / str(batches), config).write(RECORDS, batches)
        assert other.content() == once.content()
        assert other.rankings() == once.rankings()
    half = random.Random(1).sample(RECORDS, 30)
    kept = Graph(tmp_path / "kept", config).write(r for r in RECORDS if r not in half)
    once_content, once_rankings = once.content(), once.rankings()
    once.drop(half)
    assert once.content() == kept.content()
    assert once.rankings() == kept.rankings()
    once.write(half)
    assert once.content() == once_content
    assert once.rankings() == once_rankings


def test_compaction_and_reopening_change_nothing(tmp_path: Path) -> None:
    plain = Graph(tmp_path / "plain", ALL_GAINS)
    tidy = Graph(tmp_path / "tidy", ALL_GAINS)
    rng = random.Random(2)
    for _ in range(8):
        fresh, old = rng.sample(RECORDS, 15), rng.sample(RECORDS, 7)
        for graph in (plain, tidy):
            graph.write(fresh).drop(old)
        tidy.index.tidy(now=True)
        tidy.reopen().drop(old[:1])
        plain.drop(old[:1])
        assert tidy.content() == plain.content()
        assert tidy.rankings() == plain.rankings()
        assert tidy.index.graph.df.values.min() >= 0
        assert not tidy.index.graph.degree.values.min() < 0


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    graph = Graph(tmp_path).write(RECORDS[:10])
    before = graph.content()
    with pytest.raises(ZeroDivisionError):
        graph.index.apply([Change(99, "x", RECORDS[20], "x")], lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    assert graph.reopen().content() == before
    assert graph.index.applied == 10


def test_writing_in_another_namespace_changes_no_ranking(tmp_path: Path) -> None:
    mine = Graph(tmp_path).write(passage(i, namespace=("a",)) for i in range(30))
    before = [mine.ask(f"Who met {p}?", path="/a/") for p in PEOPLE]
    mine.write(passage(i, id=f"other{i}", namespace=("b",), version_id=1000 + i) for i in range(30, 60))
    after = [mine.ask(f"Who met {p}?", path="/a/") for p in PEOPLE]
    for one, other in zip(before, after, strict=True):
        assert [f.record for f in one.found] == [f.record for f in other.found]
        assert [f.score for f in one.found] == pytest.approx([f.score for f in other.found])


def test_a_question_that_names_nothing_gets_the_dense_ranking(tmp_path: Path) -> None:
    graph = Graph(tmp_path).write(RECORDS)
    vector = EMBEDDER.embed(["what happened there later"])[0]
    dense = {r.id: float(EMBEDDER.embed([r.body])[0] @ vector) for r in RECORDS}
    answer = graph.ask("what happened there later")
    assert [f.record for f in answer.found] == sorted(dense, key=lambda r: (-round(dense[r], 7), r))[:10]
    assert answer.signals["links"] == 0


def test_a_bridge_that_shares_no_word_with_the_question_is_found(tmp_path: Path) -> None:
    """Two hops: the question names a book, its author's birthplace stands in a passage without any of its words."""
    records = []
    for i in range(40):
        book, author, town = f"Tale{chr(65 + i // 26)}{chr(97 + i % 26)}x", f"Writer{i}q Penn", f"Town{i}ville"
        for part, (title, text) in enumerate(
            ((book, f"{book} was written by {author}."), (author, f"{author} grew up near {town}."))
        ):
            number = 2 * i + part
            attributes = {"title": title}
            records.append(
                Record(id=f"b{number:03}", kind="chunk", body=text, attributes=attributes, version_id=number + 1)
            )
    graph = Graph(tmp_path).write(records)
    found = dense = 0
    for i in range(40):
        question = f"In which place did the creator of {records[2 * i].attributes['title']} spend childhood?"
        bridge = records[2 * i + 1].id
        found += bridge in [f.record for f in graph.ask(question).found[:2]]
        vector = EMBEDDER.embed([question])[0]
        order = sorted(records, key=lambda r: -float(EMBEDDER.embed([r.body])[0] @ vector))
        dense += bridge in [r.id for r in order[:2]]
    assert found >= 36
    assert dense <= 8


def test_hits_tell_the_way_from_the_question(tmp_path: Path) -> None:
    graph = Graph(tmp_path).write(
        [
            Record(
                id="book", kind="chunk", body="Tidewater was written by Ada Penn.", attributes={"title": "Tidewater"}
            ),
            Record(
                id="author",
                kind="chunk",
                body="Ada Penn grew up in Orsk.",
                attributes={"title": "Ada Penn"},
                version_id=1,
            ),
            Record(id="noise", kind="chunk", body="Ferries leave at noon.", version_id=2),
        ]
    )
    ways = {f.record: f.path for f in graph.ask("Who wrote Tidewater?").found}
    assert ways["book"] == ("tidewater", "book")
    assert ways["author"] == ("tidewater", "book", "ada penn", "author")


def test_triples_given_with_the_data_and_read_out_later_join_names(tmp_path: Path) -> None:
    graph = Graph(tmp_path, HippoRAGConfig(loner=1.0, w_relation=1.0))
    plain = Record(id="p", kind="chunk", body="nothing of note here")
    read = Record(
        id="x", kind=EXTRACTION, body="", derived_from=("p",), version_id=2,
        attributes={"entities": ["Orsk"], "triples": [["Ada Penn", "lives in", "Orsk"]]},
    )  # fmt: skip
    graph.write([plain, read])
    assert graph.ask("Where is Ada Penn?").found[0].record == "p"
    assert ("ada penn", "orsk", 3) in graph.content()
    graph.drop([read])
    assert graph.content() == Graph(tmp_path / "again", graph.config).write([plain]).content()


def test_the_neighbourhood_of_a_name_can_be_seen(tmp_path: Path) -> None:
    graph = Graph(tmp_path).write(RECORDS)
    around = neighbourhood(graph.index, "Velmark", "/", 8)
    assert around.name == "velmark"
    assert around.passages
    assert around.names
    assert "velmark" in as_text(around)
    assert as_svg(around).startswith("<svg")
    assert "<script" not in as_html(around)


def test_an_index_made_with_other_settings_is_made_again(tmp_path: Path) -> None:
    graph = Graph(tmp_path).write(RECORDS[:5])
    graph.config = HippoRAGConfig(with_page=2.0)
    assert graph.reopen().index.applied == 0
