"""Memories of mem0: its SQLite history, and an export of its memories as JSON. Opens the database read-only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agentmem.errors import BadInput
from agentmem.ingest.importers.reading import as_json, as_list, as_object, as_text, moment, storable
from agentmem.ingest.importers.report import ImportReport
from agentmem.records import Draft, Namespace, Source


def mem0_history(path: Path, report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    """What stands at the end of the history of each memory; the history does not say whose memory it was.

    Reads the table ``history`` of old versions (prev_value, new_value, timestamp) and newer ones (old_memory,
    new_memory, created_at, updated_at).
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            names = {row["name"] for row in database.execute("PRAGMA table_info(history)")}
            memory = "new_memory" if "new_memory" in names else "new_value"
            if not {"memory_id", "event", memory} <= names:
                raise BadInput(f"{path.name} holds no history of mem0; its table 'history' is missing or another one")
            times = [name for name in ("updated_at", "created_at", "timestamp") if name in names]
            last: dict[str, sqlite3.Row] = {}
            changes: dict[str, int] = {}
            for row in database.execute("SELECT * FROM history ORDER BY rowid"):
                key = str(row["memory_id"])
                changes[key] = changes.get(key, 0) + 1
                at = _at(row, times)  # old versions gave a deletion no time: what has none counts by its place
                if key not in last or at is None or at >= (_at(last[key], times) or 0.0):
                    last[key] = row
            tables = {row["name"] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "messages" in tables:  # a window of ten messages for mem0's own use, without whose they are
                for row in database.execute("SELECT rowid FROM messages"):
                    report.leave_out("a message that mem0 kept for extraction", f"messages/{row[0]}")
    except sqlite3.Error as error:
        raise BadInput(f"{path.name} is no readable SQLite database: {error}") from error
    for key, row in last.items():
        text = as_text(row[memory])
        if str(row["event"]).upper() == "DELETE" or ("is_deleted" in names and row["is_deleted"]):
            report.leave_out("deleted in mem0", key)
            continue
        if not text:
            report.leave_out("without text", key)
            continue
        for _ in range(changes[key] - 1):
            report.leave_out("an earlier version of a memory", key)
        known = {name: row[name] for name in ("actor_id", "role") if name in names}
        yield _fact(key, text, _at(row, times), known, report, namespace)


def _at(row: sqlite3.Row, times: list[str]) -> float | None:
    return next((at for name in times if (at := moment(row[name])) is not None), None)


def mem0_export(path: Path, report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    """The memories of an export, each in a namespace of its user below ``namespace``, and its graph's relations."""
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path.name} is not JSON: {error}") from error
    listed = value
    relations: Any = ()
    if isinstance(value, dict):
        listed = next((value[name] for name in ("results", "memories") if isinstance(value.get(name), list)), None)
        relations = as_list(value.get("relations"))
    if not isinstance(listed, list):
        raise BadInput(f"{path.name} is no export of mem0; it should be a list of memories or hold one under 'results'")
    for number, memory in enumerate(listed):
        text = memory.get("memory") or memory.get("text") if isinstance(memory, dict) else None
        if not isinstance(text, str) or not text.strip():
            report.leave_out("without text", str(number))
            continue
        key = as_text(memory.get("id")) or str(number)
        at = moment(memory.get("updated_at")) or moment(memory.get("created_at"))
        yield _fact(key, storable(text).strip(), at, memory, report, namespace)
    for number, relation in enumerate(relations):
        yield from _triple(number, relation, report, namespace)


def _fact(
    key: str, text: str, at: float | None, memory: Mapping[str, Any], report: ImportReport, namespace: Namespace
) -> Draft:
    user = as_text(memory.get("user_id"))
    named = {name: memory.get(name) for name in ("agent_id", "run_id", "actor_id", "role", "categories", "metadata")}
    attributes = {"imported": "mem0", **{name: as_json(value) for name, value in named.items() if value}}
    report.kept["fact"] += 1
    return Draft(
        body=text,
        kind="fact",
        namespace=(*namespace, user) if user else namespace,
        sources=(Source(f"mem0/{key}"),),
        valid_from=at,
        valid_to=moment(memory.get("expiration_date")),
        attributes=attributes,
    )


def _triple(number: int, relation: Any, report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    parts: list[str] = []
    for names in (("source",), ("relationship", "relation"), ("destination", "target")):
        value = next((text for name in names if (text := as_text(as_object(relation).get(name)))), "")
        parts.append(value.replace("_", " ").strip())
    if not all(parts):
        report.leave_out("a relation without both ends", f"relations/{number}")
        return
    subject, verb, target = parts
    report.kept["triple"] += 1
    yield Draft(
        body=f"{subject} {verb} {target}",
        kind="triple",
        namespace=namespace,
        subject=subject,
        relation=verb,
        object=target,
        sources=(Source(f"mem0/relations/{number}"),),
        attributes={"imported": "mem0"},
    )
