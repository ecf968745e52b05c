"""The verbs of the agent, as a person who builds on it uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_home import Plain

from agentmem import Agent
from agentmem.errors import BadInput, Conflict, Missing, NotFound, UnknownName
from agentmem.records import Status


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with Agent.open(tmp_path / "home", plugins={"plain": Plain}, embedder="hash") as agent:
        yield agent


def said(agent: Agent, query: str, **keywords: object) -> list[str]:
    return [hit.record.body for hit in agent.recall(query, **keywords)]  # type: ignore[arg-type]


def test_remember_recall_correct_undo(agent: Agent) -> None:
    receipt = agent.remember("The office moved to Pier 4.", speaker="Ann", at=1_700_000_000)
    assert said(agent, "office") == ["The office moved to Pier 4."]
    corrected = agent.correct(receipt.record_id, "The office moved to Pier 6.", reason="heard wrong")
    assert said(agent, "office") == ["The office moved to Pier 6."]
    agent.undo(corrected)
    assert said(agent, "office") == ["The office moved to Pier 4."]
    agent.undo()  # the undo
    assert said(agent, "office") == ["The office moved to Pier 6."]


def test_ids_may_be_shortened_and_unknown_ones_are_named(agent: Agent) -> None:
    receipt = agent.remember("one")
    assert agent.show(receipt.record_id[:6]).body == "one"
    agent.retract(receipt.record_id[:6])
    assert agent.show(receipt.record_id).status is Status.RETRACTED
    with pytest.raises(NotFound, match="no record 'zzz'"):
        agent.show("zzz")
    with pytest.raises(NotFound, match="no receipt"):
        agent.undo("zzz")


def test_nothing_is_written_of_an_empty_text(agent: Agent) -> None:
    with pytest.raises(BadInput, match="empty text"):
        agent.remember("  \n")
    assert list(agent.records()) == []


def test_namespaces_are_scopes(agent: Agent) -> None:
    agent.remember("alpha secret", namespace=("alice", "work"))
    agent.remember("alpha other", namespace="bob")
    assert said(agent, "alpha", namespace="alice") == ["alpha secret"]
    assert said(agent, "alpha", namespace="bob") == ["alpha other"]
    assert len(said(agent, "alpha")) == 2
    assert said(agent, "alpha", namespace="ali") == []
    assert [r.body for r in agent.records(namespace="alice/work")] == ["alpha secret"]


def test_the_four_deletes_differ(agent: Agent) -> None:
    ids = [agent.remember(f"item {word}").record_id for word in ("retracted", "archived", "purged", "undone")]
    agent.retract(ids[0])
    agent.archive(ids[1])
    agent.purge(ids[2])
    agent.undo(agent.history(ids[3])[0].receipt_id)
    assert said(agent, "item") == []
    assert [agent.history(i)[-1].status for i in ids] == [
        Status.RETRACTED,
        Status.ARCHIVED,
        Status.PURGED,
        Status.ABSENT,
    ]
    agent.restore(ids[1])
    assert said(agent, "item") == ["item archived"]
    assert [e.body for e in agent.history(ids[2])] == [None, None]
    assert agent.history(ids[0])[0].body == "item retracted"


def test_filters_and_k(agent: Agent) -> None:
    agent.remember("tea is green", kind="note")
    agent.remember("tea is black", speaker="Bob")
    assert said(agent, "tea", filters={"kind": "note"}) == ["tea is green"]
    assert said(agent, "tea", filters={"speaker": ["Bob", "Eve"]}) == ["tea is black"]
    assert len(said(agent, "tea", k=1)) == 1
    assert said(agent, "tea", k=0) == []
    with pytest.raises(BadInput, match="no filter named 'colour'"):
        agent.recall("tea", filters={"colour": "green"})
    with pytest.raises(UnknownName, match="no memory named 'chrome'"):
        agent.recall("tea", memory="chrome")


def test_changes_wait_when_approval_is_asked_for(tmp_path: Path) -> None:
    with Agent.open(tmp_path, plugins={"plain": Plain}, embedder="hash", approval="ask") as agent:
        waiting = agent.remember("tea is green")
        assert said(agent, "tea") == []
        assert [r.id for r in agent.pending()] == list(waiting.change_ids)
        agent.approve(waiting.change_ids[0])
        assert said(agent, "tea") == ["tea is green"]
        change = agent.correct(waiting.record_id, "tea is black").change_ids[0]
        assert said(agent, "tea") == ["tea is green"]
        agent.approve(change)
        assert said(agent, "tea") == ["tea is black"]
        dropped = agent.retract(waiting.record_id).change_ids[0]
        agent.refuse(dropped, reason="no")
        assert said(agent, "tea") == ["tea is black"]
        assert agent.pending() == []
        with pytest.raises(NotFound, match="no pending change"):
            agent.approve(dropped)


def test_a_second_opening_shares_the_first(tmp_path: Path) -> None:
    first = Agent.open(tmp_path, plugins={"plain": Plain}, embedder="hash")
    second = Agent.open(tmp_path, namespace="bob")
    second.remember("from bob")
    assert said(first, "bob") == ["from bob"]
    first.close()
    assert said(second, "bob") == ["from bob"]
    second.close()
    with Agent.open(tmp_path, plugins={"plain": Plain}, embedder="hash") as again:
        assert said(again, "bob") == ["from bob"]


def test_export_import_and_audit(agent: Agent, tmp_path: Path) -> None:
    agent.remember("Ann lives in Oslo", subject="Ann", relation="lives in", object="Oslo")
    agent.remember("Ann lives in Rome", subject="Ann", relation="lives in", object="Rome")
    agent.remember("twice")
    agent.remember("Twice ")
    kinds = [finding.kind for finding in agent.audit()]
    assert kinds == ["contradiction", "duplicate"]
    agent.export(tmp_path / "out")
    with Agent.open(tmp_path / "other", plugins={"plain": Plain}, embedder="hash") as other:
        receipt = other.import_(tmp_path / "out")
        assert len(receipt.record_ids) == 4
        assert other.home.journal.state_hash() == agent.home.journal.state_hash()
        other.undo(receipt)
        assert list(other.records()) == []
    with pytest.raises(BadInput, match="exists"):
        agent.export(tmp_path / "out")
    with pytest.raises(BadInput, match="neither"):
        agent.import_(tmp_path)


def test_what_needs_a_local_model_says_how_to_get_one(agent: Agent) -> None:
    with pytest.raises(Missing, match="local_model='demo'"):
        agent.complete("The capital of Velmark is")


def test_reindexing_changes_no_answer(agent: Agent) -> None:
    agent.remember("tea is green")
    before = said(agent, "tea")
    assert agent.reindex() == {"plain": 1}
    assert said(agent, "tea") == before


def test_an_undo_in_the_way_of_later_changes_names_them(agent: Agent) -> None:
    first = agent.remember("one")
    agent.correct(first.record_id, "two")
    with pytest.raises(Conflict, match="cascade=True"):
        agent.undo(first)
    agent.undo(first, cascade=True)
    assert list(agent.records()) == []


def test_an_ingestion_is_taken_back_as_one(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "docs" / f"{name}.md").write_text(f"# {name}\n\nThe word of {name} is wombat.")
    empty = agent.home.journal.state_hash()
    agent.ingest(tmp_path / "docs")
    assert len(said(agent, "wombat.")) == 3
    agent.undo()
    assert said(agent, "wombat.") == []
    assert agent.home.journal.state_hash() == empty


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no setting named 'modle'"):
        Agent.open(tmp_path, modle="x")
    (tmp_path / "agentmem.toml").write_text("k = 'many'\n")
    with pytest.raises(BadInput, match="setting 'k'"):
        Agent.open(tmp_path)
    (tmp_path / "agentmem.toml").write_text("k = \n")
    with pytest.raises(BadInput, match="mend or remove"):
        Agent.open(tmp_path)
