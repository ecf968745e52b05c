"""Rubbish in the place of an export ends with one sentence, or is left out with a reason; never with another error."""

from __future__ import annotations

import copy
import io
import json
import random
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agentmem import Agent
from agentmem.errors import AgentmemError, BadInput
from agentmem.ingest.importers import FORMATS, open_import
from agentmem.journal.codec import data_of_draft, dumps

CHATGPT = {
    "conversation_id": "c",
    "title": "t",
    "create_time": 1.6e9,
    "current_node": "b",
    "mapping": {
        "a": {"id": "a", "parent": None, "children": ["b"], "message": None},
        "b": {
            "id": "b",
            "parent": "a",
            "children": [],
            "message": {
                "id": "m",
                "author": {"role": "user"},
                "create_time": 1.7e9,
                "content": {"content_type": "text", "parts": ["Where is the pier?", {"text": "There"}]},
                "metadata": {"model_slug": "m"},
                "recipient": "all",
            },
        },
    },
}
CLAUDE = {
    "uuid": "u",
    "name": "n",
    "created_at": "2026-01-01T00:00:00Z",
    "chat_messages": [
        {
            "uuid": "m",
            "sender": "human",
            "text": "x",
            "created_at": "2026-01-02T00:00:00Z",
            "content": [{"type": "text", "text": "On Pier 4."}, {"type": "tool_use", "input": {}}],
            "attachments": [{"file_name": "a.txt"}],
            "files": [],
        }
    ],
}
MEM0 = {
    "results": [{"id": "1", "memory": "Likes tea", "user_id": "ada", "metadata": {"a": 1}, "created_at": "2026-01-01"}],
    "relations": [{"source": "ada", "relationship": "likes", "destination": "tea"}],
}
LINE = {
    "role": "user",
    "content": "Hello",
    "session_id": 7,
    "at": 1.7e9,
    "subject": "a",
    "messages": [{"role": "user"}],
}
EXPORTS: dict[str, Any] = {"chatgpt": [CHATGPT], "claude": [CLAUDE], "mem0-export": MEM0, "jsonl": LINE}
ODD: list[Any] = [
    None,
    True,
    -1,
    1e400,
    float("nan"),
    10**40,
    "",
    "\ud800\0",
    "0001-01-01T00:00:00+14:00",
    [],
    [[]],
    {},
]
ODD += [{"text": 5}, ["x", None], "9999-12-31T23:59:59-14:00", {"$": {}}, "a" * 300]


def take(path: Path, format: str | None) -> None:
    """Import as far as the journal's door: every draft must be one that it accepts."""
    for draft in open_import(path, format=format, namespace=("n",)).drafts:
        dumps(data_of_draft(draft, {})).encode("utf-8")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in keys for place in places(part, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    out = copy.deepcopy(value)
    part = out
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = other
    return out


@pytest.mark.parametrize("format", sorted(EXPORTS))
def test_any_part_of_an_export_may_be_anything(tmp_path: Path, format: str) -> None:
    export, told = EXPORTS[format], list[str]()
    path = tmp_path / f"export.{'jsonl' if format == 'jsonl' else 'json'}"
    for place in places(export):
        for other in ODD:
            path.write_text(json.dumps(changed(export, place, other)), "utf-8")
            try:
                take(path, format)
            except AgentmemError as error:
                told.append(str(error))
            except Exception as error:
                raise AssertionError(f"{other!r} at {place} of {format}: {error!r}") from error
    assert all(text.strip() and "\n" not in text for text in told)


@pytest.mark.parametrize("format", [None, *(format for format in FORMATS if format != "markdown")])
def test_files_that_are_no_exports_end_with_a_sentence(tmp_path: Path, format: str | None) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("conversations.json", json.dumps([CHATGPT] * 50))
    whole = archive.getvalue()
    broken = bytearray(whole)
    broken[60:80] = bytes(20)
    random_bytes = random.Random(7).randbytes(5000)
    texts = {
        "empty.json": b"",
        "cut.zip": whole[: len(whole) // 2],
        "headless.zip": whole[10:],
        "broken.zip": bytes(broken),
        "cut.json": json.dumps([CHATGPT, CHATGPT]).encode()[:-100],
        "cut-claude.json": json.dumps([CLAUDE, CLAUDE]).encode()[:-100],
        "latin.json": '[{"mapping": {}, "title": "caf\xe9"}]'.encode("latin-1"),
        "utf16.json": json.dumps([CLAUDE]).encode("utf-16"),
        "random.json": random_bytes,
        "deep.json": b'[{"mapping": {"a": ' + b"[" * 200_000,
        "number.json": b"12",
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "fake.db": b"SQLite format 3\0" + random_bytes,
        "wrong.jsonl": b'{"a": 1}\nnonsense\n\xff\xfe\n',
    }
    told: dict[str, str] = {}
    for name, text in texts.items():
        path = tmp_path / name
        path.write_bytes(text)
        try:
            take(path, format)
        except AgentmemError as error:
            told[name] = str(error)
        except Exception as error:
            raise AssertionError(f"{name} as {format}: {error!r}") from error
    assert all(text.strip() and "\n" not in text for text in told.values()), told


def test_a_history_of_odd_rows_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE history (memory_id, event, new_memory, created_at)")
        rows = [(None, None, None, None), (1, 2, 3, 4), (b"\xff", b"ADD", b"\xff\xfe", b"\0"), ("a", "ADD", "tea", "x")]
        database.executemany("INSERT INTO history VALUES (?, ?, ?, ?)", rows)
    database.close()
    take(path, None)
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE history RENAME COLUMN new_memory TO other")
    database.close()
    with pytest.raises(BadInput, match="no history of mem0"):
        take(path, None)


def test_an_import_that_breaks_off_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([CHATGPT] * 30)[:-100], "utf-8")
    with Agent.open(tmp_path / "home", embedder="hash", memories=("context",)) as agent:
        before = agent.home.journal.state_hash()
        with pytest.raises(BadInput, match="cut off or broken"):
            agent.import_(path, format="auto")
        assert agent.home.journal.state_hash() == before
        assert list(agent.records()) == []
