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
from agentmem.ingest.importers.reading import moment, storable
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
            if not {"memory_id", "event"} <= names:
                raise BadInput(f"{path.name} holds no history of mem0; its table 'history' is missing or another one")
            memory = "new_memory" if "new_memory" in names else "new_value"
            times = [name for name in ("updated_at", "created_at", "timestamp") if name in names]
            last: dict[str, sqlite3.Row] = {}
            changes: dict[str, int] = {}
            for row in database.execute("SELECT * FROM history ORDER BY rowid"):
                key = str(row["memory_id"])
                changes[key] = changes.get(key, 0) + 1
                if key not in last or _at(row, times) >= _at(last[key], times):
                    last[key] = row
    except sqlite3.Error as error:
        raise BadInput(f"{path.name} is no readable SQLite database: {error}") from error
    for key, row in last.items():
        text = storable(str(row[memory] or "")).strip()
        if str(row["event"]).upper() == "DELETE" or ("is_deleted" in names and row["is_deleted"]):
            report.leave_out("deleted in mem0", key)
            continue
        if not text:
            report.leave_out("without text", key)
            continue
        for _ in range(changes[key] - 1):
            report.leave_out("an earlier version of a memory", key)
        yield _fact(key, text, _at(row, times) or None, {}, report, namespace)


def _at(row: sqlite3.Row, times: list[str]) -> float:
    return next((at for name in times if (at := moment(row[name])) is not None), 0.0)


def mem0_export(path: Path, report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    """The memories of an export, each in a namespace of its user below ``namespace``, and its graph's relations."""
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"{path.name} is not JSON: {error}") from error
    listed = value
    relations: Any = ()
    if isinstance(value, dict):
        listed = next((value[name] for name in ("results", "memories") if isinstance(value.get(name), list)), None)
        relations = value.get("relations") or ()
    if not isinstance(listed, list):
        raise BadInput(f"{path.name} is no export of mem0; it should be a list of memories or hold one under 'results'")
    for number, memory in enumerate(listed):
        text = memory.get("memory") or memory.get("text") if isinstance(memory, dict) else None
        if not isinstance(text, str) or not text.strip():
            report.leave_out("without text", str(number))
            continue
        key = str(memory.get("id") or number)
        at = moment(memory.get("updated_at")) or moment(memory.get("created_at"))
        yield _fact(key, storable(text).strip(), at, memory, report, namespace)
    for number, relation in enumerate(relations):
        yield from _triple(number, relation, report, namespace)


def _fact(
    key: str, text: str, at: float | None, memory: Mapping[str, Any], report: ImportReport, namespace: Namespace
) -> Draft:
    user = str(memory.get("user_id") or "").strip()
    named = {name: memory.get(name) for name in ("agent_id", "run_id", "actor_id", "categories", "metadata")}
    attributes = {"imported": "mem0", **{name: value for name, value in named.items() if value}}
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
        value = next((relation[name] for name in names if relation.get(name)), "") if isinstance(relation, dict) else ""
        parts.append(storable(str(value)).replace("_", " ").strip())
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
