"""Ingestion into a real home: what is embedded, what can be undone, what memories see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agentmem import Agent
from agentmem.cli.main import main
from agentmem.contract import Capability, Memory, Vectors
from agentmem.embed.hashed import HashedEmbedder
from agentmem.ingest import Outcome
from agentmem.records import Change, Event, Hit, Query, Recall


class Counting(HashedEmbedder):
    """Remembers every text that it had to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return super().embed(texts)


class Shelf(Memory):
    """Embeds what it is given and finds words."""

    name = "shelf"
    capabilities = Capability.NEEDS_EMBED

    def apply(self, changes: Sequence[Change]) -> None:
        vectors = self.context.vectors
        assert vectors is not None
        vectors.of_changes(changes)

    def recall(self, query: Query) -> Recall:
        found = self.context.records.find(namespace=query.namespace, kinds=["chunk"])
        return Recall(hits=tuple(Hit(record, 1.0) for record in found if query.text in record.body))


@pytest.fixture
def embedder() -> Counting:
    return Counting()


@pytest.fixture
def agent(tmp_path: Path, embedder: Counting) -> Iterator[Agent]:
    opened = Agent.open(tmp_path / "home", plugins={"shelf": Shelf}, memories=("shelf",), embedder=embedder)
    with opened as agent:
        yield agent


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "guide.md").write_text("# Guide\n\nShips arrive at noon.\n\n## Fees\n\nA berth costs twelve crowns.\n")
    (folder / "notes.txt").write_text("The keeper of the lighthouse is called Orla.\n")
    return folder


def embedded(agent: Agent, embedder: Counting) -> list[str]:
    for view in agent.home.views.usable():
        view.catch_up()
    texts, embedder.texts = sorted(embedder.texts), []
    return texts


def test_chunks_are_embedded_with_their_title_and_heading(agent: Agent, embedder: Counting, docs: Path) -> None:
    report = agent.ingest(docs)
    assert report.files == {Outcome.NEW: 2}
    assert embedded(agent, embedder) == [
        "Guide\nShips arrive at noon.",
        "Guide > Fees\nA berth costs twelve crowns.",
        "notes\nThe keeper of the lighthouse is called Orla.",
    ]


def test_a_rerun_embeds_only_what_changed(agent: Agent, embedder: Counting, docs: Path) -> None:
    agent.ingest(docs)
    embedded(agent, embedder)
    guide = docs / "guide.md"
    guide.write_text(guide.read_text().replace("noon", "dusk or dawn"))
    (docs / "notes.txt").rename(docs / "keeper.txt")
    report = agent.ingest(docs)
    assert report.files == {Outcome.CHANGED: 1, Outcome.MOVED: 1}
    assert embedded(agent, embedder) == ["Guide\nShips arrive at dusk or dawn."]
    uris = {source.uri for record in agent.records() for source in record.sources}
    assert uris == {"docs/guide.md", "docs/keeper.txt"}
    text = guide.read_text()
    for record in agent.records():
        source = record.sources[0]
        if source.uri == "docs/guide.md":
            assert text[source.start : source.end] == record.body
    assert agent.ingest(docs).files == {Outcome.UNCHANGED: 2}
    assert embedded(agent, embedder) == []


def test_one_undo_takes_a_whole_ingestion_back(agent: Agent, docs: Path) -> None:
    agent.ingest(docs)
    before = agent.home.journal.state_hash()
    (docs / "guide.md").write_text("# Guide\n\nNothing is as it was.\n")
    (docs / "notes.txt").unlink()
    (docs / "new.txt").write_text("A new pier was built.")
    report = agent.ingest(docs)
    assert report.receipt is not None
    agent.undo(report.receipt)
    assert agent.home.journal.state_hash() == before


def test_namespaces_hold_their_own_files(agent: Agent, docs: Path) -> None:
    agent.ingest(docs, namespace="ada")
    assert agent.ingest(docs, namespace="bo").files == {Outcome.NEW: 2}
    assert agent.ingest(docs, namespace="ada").files == {Outcome.UNCHANGED: 2}
    assert {record.namespace for record in agent.records(namespace="ada")} == {("ada",)}


def test_a_correction_by_a_person_outlives_a_change_elsewhere_in_the_file(agent: Agent, docs: Path) -> None:
    agent.ingest(docs)
    (fees,) = (record for record in agent.records() if "twelve" in record.body)
    agent.correct(fees.id, "A berth costs thirteen crowns.")
    guide = docs / "guide.md"
    guide.write_text(guide.read_text().replace("noon", "dawn"))
    agent.ingest(docs)
    bodies = {record.body for record in agent.records()}
    assert "A berth costs thirteen crowns." in bodies
    assert "A berth costs twelve crowns." not in bodies


def test_an_import_is_taken_back_by_one_undo(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    lines = (json.dumps({"role": "user", "content": f"message {n}", "session": n // 50}) for n in range(500))
    path.write_text("\n".join(lines))
    before = agent.home.journal.state_hash()
    receipt = agent.import_(path, format="auto")
    assert len(receipt.record_ids) == 500
    assert receipt.notes == ("jsonl: 500 turns kept, 0 left out",)
    agent.undo(receipt.id)
    assert agent.home.journal.state_hash() == before


@pytest.mark.slow
def test_an_import_of_ten_thousand_messages_is_taken_back_by_one_undo(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    lines = (json.dumps({"role": "user", "content": f"message {n}", "session": n // 50}) for n in range(10_000))
    path.write_text("\n".join(lines))
    agent.remember("The ferry leaves from Pier 4.")
    before = agent.home.journal.state_hash()
    receipt = agent.import_(path, format="auto")
    assert agent.home.views["shelf"].memory.applied == agent.home.journal.records.head(), "indexed when it returns"
    agent.undo(receipt)
    assert agent.home.journal.state_hash() == before
    assert agent.home.journal.fold() == agent.home.journal.table()


def test_without_a_format_the_file_itself_says_where_it_comes_from(agent: Agent, tmp_path: Path) -> None:
    agent.remember("The ferry leaves from Pier 4.")
    state = agent.home.journal.state_hash()
    agent.export(tmp_path / "ours")
    with Agent.open(tmp_path / "second", embedder="hash") as second:
        second.import_(tmp_path / "ours", format="auto")
        assert second.home.journal.state_hash() == state
    with Agent.open(tmp_path / "third", embedder="hash") as third:
        third.import_(tmp_path / "ours" / "state.jsonl", format="auto")
        assert third.home.journal.state_hash() == state
    (tmp_path / "theirs.jsonl").write_text('{"format": "none", "text": "The pier is closed."}\n')
    agent.import_(tmp_path / "theirs.jsonl", format="auto")
    assert "The pier is closed." in {record.body for record in agent.records()}


def test_an_import_of_several_users_is_observed_user_by_user(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "memories.json"
    path.write_text(json.dumps([{"memory": "Likes tea", "user_id": "ada"}, {"memory": "Likes rum", "user_id": "bo"}]))
    events: list[Event] = []
    monkeypatch.setattr(agent.home, "observe", events.append)
    agent.import_(path, format="auto")
    assert [(event.namespace, [record.body for record in event.records]) for event in events] == [
        (("ada",), ["Likes tea"]),
        (("bo",), ["Likes rum"]),
    ]


def test_the_command_line_imports_what_another_program_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTMEM_EMBEDDER", "hash")
    path = tmp_path / "facts.jsonl"
    path.write_text('{"text": "The pier is closed."}\nbroken\n')
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "import", str(path)]) == 0, "the file itself says where it comes from"
    told = capsys.readouterr().out
    assert "1 facts kept, 1 left out" in told
    assert "not JSON: facts.jsonl:2" in told
    assert main([*home, "import", str(path), "--from", "mem0-history"]) == 1
    assert "no readable SQLite database" in capsys.readouterr().err
