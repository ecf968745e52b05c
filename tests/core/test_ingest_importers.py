"""Exports of other programs become records in their order, with a reason for everything that is left out."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ingest_files import words

from agentmem.errors import BadInput, Missing, UnknownName
from agentmem.ingest import Splitter
from agentmem.ingest.importers import open_import
from agentmem.ingest.importers.reading import elements, moment
from agentmem.records import Draft, Trust


def node(key: str, parent: str | None, children: Sequence[str], role: str = "", text: Any = "", **more: Any) -> Any:
    content = text if isinstance(text, dict) else {"content_type": "text", "parts": [text]}
    message = {"id": f"m-{key}", "author": {"role": role}, "content": content, "create_time": 1.7e9, **more}
    return {"id": key, "parent": parent, "children": list(children), "message": message if role else None}


def chatgpt_conversation(**more: Any) -> dict[str, Any]:
    mapping = {
        "root": node("root", None, ["sys"]),
        "sys": node("sys", "root", ["q"], "system", "You are helpful."),
        "q": node("q", "sys", ["a1", "a2"], "user", "Where is the harbour office?"),
        "a1": node("a1", "q", [], "assistant", "On Pier 9."),
        "a2": node("a2", "q", ["t"], "assistant", "On Pier 4.", metadata={"model_slug": "gpt-4"}),
        "t": node("t", "a2", ["h"], "tool", "search results"),
        "h": node("h", "t", ["p"], "user", "profile", metadata={"is_visually_hidden_from_conversation": True}),
        "p": node("p", "h", ["q2"], "user", {"content_type": "multimodal_text", "parts": [{"asset_pointer": "x"}]}),
        "q2": node(
            "q2", "p", [], "user", {"content_type": "multimodal_text", "parts": [{"asset_pointer": "y"}, "And this?"]}
        ),
    }
    return {"id": "c1", "title": "Harbour", "create_time": 1.6e9, "mapping": mapping, "current_node": "q2", **more}


def said(drafts: Sequence[Draft]) -> list[tuple[str | None, str]]:
    return [(draft.speaker, draft.body) for draft in drafts]


def test_chatgpt_keeps_the_visible_branch_as_turns(tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([chatgpt_conversation()]))
    taking = open_import(path, namespace=("ada",))
    drafts = list(taking.drafts)
    assert said(drafts) == [
        ("user", "Where is the harbour office?"),
        ("assistant", "On Pier 4."),
        ("user", "And this?"),
    ]
    assert {draft.thread for draft in drafts} == {"chatgpt/c1"}
    assert [draft.trust for draft in drafts] == [Trust.USER, Trust.AGENT, Trust.USER]
    assert drafts[1].attributes == {"imported": "chatgpt", "title": "Harbour", "model": "gpt-4"}
    assert drafts[0].valid_from == 1.7e9
    assert drafts[0].namespace == ("ada",)
    assert {reason: len(where) for reason, where in taking.report.left_out.items()} == {
        "an answer or question that was replaced": 1,
        "said to or by a tool or the system": 2,
        "hidden in the conversation": 1,
        "without text (a picture, a recording, a file)": 1,
    }
    assert taking.report.summary() == "chatgpt: 3 turns kept, 5 left out"


def test_without_a_current_node_the_last_answers_count(tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([chatgpt_conversation(current_node=None)]))
    assert said(list(open_import(path).drafts))[1] == ("assistant", "On Pier 4.")


def test_archives_and_exports_in_several_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/conversations-000.json", json.dumps([chatgpt_conversation(id="c1")]))
        archive.writestr("data/conversations-001.json", json.dumps([chatgpt_conversation(id="c2")]))
        archive.writestr("data/user.json", "{}")
    assert {draft.thread for draft in open_import(path).drafts} == {"chatgpt/c1", "chatgpt/c2"}


def test_claude_keeps_what_was_said_and_reports_files_and_tools(tmp_path: Path) -> None:
    messages = [
        {"uuid": "m1", "sender": "human", "text": "Where?", "content": [], "created_at": "2026-01-02T03:04:05Z",
         "attachments": [{"file_name": "map.txt", "extracted_content": "a map"}]},
        {"uuid": "m2", "sender": "assistant", "text": "unsupported block",
         "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "On Pier 4."}]},
        {"uuid": "m3", "sender": "assistant", "text": "x", "content": [{"type": "tool_use", "name": "search"}]},
    ]  # fmt: skip
    conversation = {"uuid": "u1", "name": "Harbour", "created_at": "2026-01-01T00:00:00Z", "chat_messages": messages}
    (tmp_path / "conversations.json").write_text(json.dumps([conversation]))
    (tmp_path / "projects.json").write_text("[]")
    taking = open_import(tmp_path)
    drafts = list(taking.drafts)
    assert said(drafts) == [("user", "Where?"), ("assistant", "On Pier 4.")]
    assert drafts[0].valid_from == moment("2026-01-02T03:04:05+00:00")
    assert drafts[1].valid_from == moment("2026-01-01")
    assert taking.report.left_out["an attached file; ingest the file itself"] == ["u1/m1/map.txt"]
    assert taking.report.left_out["without text (the use of a tool, a file)"] == ["u1/m3"]


@pytest.mark.parametrize("new", [True, False])
def test_mem0_history_ends_with_what_stands(tmp_path: Path, new: bool) -> None:
    path = tmp_path / "history.db"
    old_name, new_name, time = (
        ("old_memory", "new_memory", "created_at") if new else ("prev_value", "new_value", "timestamp")
    )
    with sqlite3.connect(path) as database:
        database.execute(
            f"CREATE TABLE history (id TEXT, memory_id TEXT, {old_name} TEXT, {new_name} TEXT, event TEXT, {time} TEXT,"
            " is_deleted INTEGER)"
        )
        rows = [
            ("1", "a", None, "Ada likes tea", "ADD", "2026-01-01T00:00:00+00:00", 0),
            ("2", "b", None, "Bo likes rum", "ADD", "2026-01-01T00:00:00+00:00", 0),
            ("3", "a", "Ada likes tea", "Ada likes coffee", "UPDATE", "2026-02-01T00:00:00+00:00", 0),
            ("4", "b", "Bo likes rum", None, "DELETE", "2026-02-01T00:00:00+00:00", 1),
        ]
        database.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()
    taking = open_import(path)
    (draft,) = taking.drafts
    assert (draft.body, draft.kind, draft.valid_from) == ("Ada likes coffee", "fact", moment("2026-02-01"))
    assert taking.report.left_out == {"an earlier version of a memory": ["a"], "deleted in mem0": ["b"]}


def test_what_an_old_mem0_deleted_without_a_time_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    columns = "id, memory_id, old_memory, new_memory, event, created_at, updated_at, is_deleted, actor_id, role"
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE history ({columns})")
        database.execute("CREATE TABLE messages (id, session_scope, role, content, name, created_at)")
        marks = ", ".join("?" * 10)
        for row in (
            ("1", "a", None, "Ada likes tea", "ADD", "2026-01-01T00:00:00-08:00", None, 0, "ada", "user"),
            ("2", "b", None, "Bo likes rum", "ADD", "2026-01-01T00:00:00-08:00", None, 0, None, None),
            ("3", "b", "Bo likes rum", None, "DELETE", None, None, 1, None, None),
        ):
            database.execute(f"INSERT INTO history VALUES ({marks})", row)
        database.execute("INSERT INTO messages VALUES ('m', 'user_id=ada', 'user', 'hello', NULL, NULL)")
    database.close()
    taking = open_import(path)
    (draft,) = taking.drafts
    assert (draft.body, draft.attributes["actor_id"], draft.attributes["role"]) == ("Ada likes tea", "ada", "user")
    assert set(taking.report.left_out) == {"deleted in mem0", "a message that mem0 kept for extraction"}


def test_a_mem0_export_keeps_users_apart(tmp_path: Path) -> None:
    path = tmp_path / "memories.json"
    results = [
        {"id": "1", "memory": "Likes tea", "user_id": "ada", "metadata": {"room": 4}, "created_at": "2026-01-01"},
        {"id": "2", "memory": "Likes rum", "user_id": "bo"},
        {"id": "3", "memory": None},
    ]
    relations = [{"source": "ada", "relationship": "lives_in", "destination": "osterby"}, {"source": "bo"}]
    path.write_text(json.dumps({"results": results, "relations": relations}))
    taking = open_import(path, namespace=("import",))
    drafts = list(taking.drafts)
    assert [(draft.body, draft.namespace) for draft in drafts] == [
        ("Likes tea", ("import", "ada")),
        ("Likes rum", ("import", "bo")),
        ("ada lives in osterby", ("import",)),
    ]
    assert drafts[0].attributes["metadata"] == {"room": 4}
    assert (drafts[2].subject, drafts[2].relation, drafts[2].object) == ("ada", "lives in", "osterby")
    assert taking.report.kept == {"fact": 2, "triple": 1}


def test_json_lines_take_facts_messages_and_training_conversations(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    entries = [
        '{"text": "The pier is closed.", "created_at": "2026-01-01T00:00:00Z", "title": "Pier"}',
        '{"role": "user", "content": "Hello", "session_id": 7}',
        '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"},'
        ' {"role": "assistant", "content": "a"}]}',
        '"a bare text"',
        '{"kind": "edit", "text": "no"}',
        '{"nothing": 1}',
        "broken",
    ]
    path.write_text("\n".join(entries))
    taking = open_import(path)
    drafts = list(taking.drafts)
    assert [(draft.kind, draft.speaker, draft.body) for draft in drafts] == [
        ("fact", None, "The pier is closed."),
        ("turn", "user", "Hello"),
        ("turn", "user", "q"),
        ("turn", "assistant", "a"),
        ("fact", None, "a bare text"),
    ]
    assert (drafts[1].thread, drafts[2].thread) == ("7", "all.jsonl:3")
    assert len(taking.report.left_out) == 4
    assert "all.jsonl:7" in taking.report.table()


def test_a_folder_of_markdown_becomes_chunks(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.md").write_text("# Pier\n\nClosed on Mondays.\n")
    (notes / "b.png").write_bytes(b"\x89PNG\0")
    taking = open_import(notes, splitter=Splitter(words, 64))
    (draft,) = taking.drafts
    assert (draft.kind, draft.body, draft.attributes["title"]) == ("chunk", "Closed on Mondays.", "Pier")
    assert sum(map(len, taking.report.left_out.values())) == 1
    with pytest.raises(Missing, match="splitter"):
        open_import(notes)


def test_what_is_no_export_is_refused_with_what_would_be(tmp_path: Path) -> None:
    stray = tmp_path / "stray.json"
    stray.write_text('{"weather": "fine"}')
    with pytest.raises(BadInput, match="no export of a known program"):
        open_import(stray)
    with pytest.raises(BadInput, match="there is nothing at"):
        open_import(tmp_path / "missing.json")
    with pytest.raises(UnknownName, match="known are chatgpt"):
        open_import(stray, format="chatgtp")
    broken = tmp_path / "conversations.json"
    broken.write_text(json.dumps([chatgpt_conversation(), chatgpt_conversation()])[:-300])
    with pytest.raises(BadInput, match="cut off or broken"):
        list(open_import(broken).drafts)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(BadInput, match="no history of mem0"):
        list(open_import(other).drafts)


@pytest.mark.parametrize("sizes", [[0], [5, 5, 5], [3_000_000, 1, 2_500_000], [1_048_570] * 3])
def test_lists_of_any_size_are_read_element_by_element(sizes: list[int]) -> None:
    value = [{"n": number, "text": "x" * size} for number, size in enumerate(sizes)]
    assert list(elements(io.StringIO(json.dumps(value, indent=1)), "list")) == value


def test_moments_are_read_in_the_usual_forms() -> None:
    assert moment(1_700_000_000) == moment(1_700_000_000_000) == moment("1700000000") == 1.7e9
    assert moment("2023-11-14T22:13:20Z") == moment("2023-11-14 22:13:20") == 1.7e9
    assert moment("yesterday") is moment(None) is moment(True) is None


def test_ten_thousand_messages_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text(
        "\n".join(json.dumps({"role": "user", "content": f"message {n}", "session": n // 50}) for n in range(10_000))
    )
    bodies = [draft.body for draft in open_import(path).drafts]
    assert bodies == [f"message {n}" for n in range(10_000)]
