"""Export and import of a journal as JSONL plus blobs.

The *state* is what is live now; importing it into any home adds it as one transaction that can be undone. The *log* is
everything that ever happened; it goes into an empty home only, and comes out of it again byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agentmem.errors import BadInput, Refused
from agentmem.journal.codec import digest_of, dumps, state_of
from agentmem.journal.engine import reading, writing
from agentmem.journal.journal import Journal
from agentmem.journal.schema import blob_refs, changes, derivations, records, transactions, versions
from agentmem.records import Draft, Link, Receipt, Source, Status, Trust

STATE, LOG = "agentmem-state", "agentmem-log"
_VERSION = 1
_LOG_TABLES = (transactions, changes, versions, records, derivations, blob_refs)
_CHUNK = 2000


def export(journal: Journal, target: Path, *, log: bool = False) -> int:
    """Write ``state.jsonl`` or ``log.jsonl`` and the blobs into the folder ``target``; returns the lines written."""
    name = "log.jsonl" if log else "state.jsonl"
    if (target / name).exists():
        raise BadInput(f"{target / name} exists; give a new folder for the export")
    target.mkdir(parents=True, exist_ok=True)
    lines = 0
    digests: set[str] = set()
    draft = target / f"{name}.part"
    with open(draft, "w", encoding="utf-8", newline="\n") as file:
        file.write(dumps({"format": LOG if log else STATE, "version": _VERSION}) + "\n")
        for line, blobs in _log_lines(journal) if log else _state_lines(journal):
            file.write(dumps(line) + "\n")
            digests |= blobs
            lines += 1
    for digest in sorted(digests):
        (target / "blobs").mkdir(exist_ok=True)
        (target / "blobs" / digest).write_bytes(journal.blobs.read(digest))
    draft.replace(target / name)
    return lines


def _state_lines(journal: Journal) -> Iterator[tuple[dict[str, Any], set[str]]]:
    for record_id, data in journal.state(in_order=True):
        yield {"id": record_id, **state_of(data)}, set(data.get("blobs", {}).values())


def _log_lines(journal: Journal) -> Iterator[tuple[dict[str, Any], set[str]]]:
    for table in _LOG_TABLES:
        key = list(table.primary_key.columns)
        with reading(journal.engine) as connection:
            for row in connection.execute(sa.select(table).order_by(*key)):
                values = {k: v for k, v in row._mapping.items() if k != "digest" or table is blob_refs}
                yield {"table": table.name, **values}, {values["digest"]} if table is blob_refs else set()


def is_export(source: Path) -> bool:
    """Whether this looks like an export of agentmem: a folder with its files, or a file that names its format."""
    if source.is_dir():
        return any((source / name).exists() for name in ("log.jsonl", "state.jsonl"))
    try:
        with source.open(encoding="utf-8") as file:
            head = json.loads(file.readline(10_000))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(head, dict) and head.get("format") in (STATE, LOG)


def import_(journal: Journal, source: Path) -> Receipt:
    """Read an export (a folder, or its .jsonl file); the receipt says what was left out and why."""
    folder = source if source.is_dir() else source.parent
    path = source
    if source.is_dir():
        found = [source / name for name in ("log.jsonl", "state.jsonl") if (source / name).exists()]
        if not found:
            raise BadInput(f"{source} holds neither log.jsonl nor state.jsonl; give the folder of an 'agentmem export'")
        path = found[0]
    if not path.exists():
        raise BadInput(f"{path} does not exist; give the folder of an 'agentmem export'")
    lines = _read(path)
    head = next(lines, {})
    if head.get("format") not in (STATE, LOG):
        raise BadInput(f"{path} is no export of agentmem: its first line names no format")
    if head.get("version") != _VERSION:
        raise BadInput(f"{path} has version {head.get('version')} of the format; this agentmem reads {_VERSION}")
    _take_blobs(journal, folder / "blobs")
    return _import_log(journal, lines) if head["format"] == LOG else _import_state(journal, lines)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise BadInput(f"{path}, line {number} is not JSON ({error.msg}); nothing was imported") from error
            if not isinstance(value, dict):
                raise BadInput(f"{path}, line {number} is not an object; nothing was imported")
            yield value


def _take_blobs(journal: Journal, folder: Path) -> None:
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.name:
            raise BadInput(f"blob {path.name[:12]}… of the export is damaged; nothing was imported")
        journal.blobs.write(data)


def _import_log(journal: Journal, lines: Iterator[dict[str, Any]]) -> Receipt:
    if journal.records.head():
        raise Refused("a log can only be imported into an empty home; export the state instead, or give a new --home")
    tables = {table.name: table for table in _LOG_TABLES}
    bodies: dict[int, str | None] = {}
    waiting: list[dict[str, Any]] = []
    current: sa.Table | None = None
    with writing(journal.engine) as connection:

        def flush() -> None:
            if waiting and current is not None:
                connection.execute(current.insert(), waiting)
                waiting.clear()

        for line in lines:
            table = tables.get(line.pop("table", ""))
            if table is None or set(line) - set(table.c.keys()):
                raise BadInput("the export holds a line of an unknown table; nothing was imported")
            if table is not current or len(waiting) >= _CHUNK:
                flush()
                current = table
            if table is versions:
                bodies[line["id"]] = line["data"]
            if table is records:  # the digest is keyed with the secret of each home
                text = bodies.get(line["version_id"])
                data = None if text is None else json.loads(text)
                line["digest"] = data and digest_of(journal.secret, data["kind"], data.get("body", ""))
            waiting.append(line)
        flush()
    return Receipt(id="", verb="import", notes=("the whole log was imported; its receipts keep their ids",))


def _import_state(journal: Journal, lines: Iterator[dict[str, Any]]) -> Receipt:
    with journal.transaction("import") as tx:
        drafts: list[Draft] = []
        ids: list[str] = []
        same = other = 0
        for line in lines:
            record_id = str(line.pop("id", ""))
            row = tx.row(record_id)
            if row is not None and row.status not in (Status.ABSENT.value, Status.PURGED.value):
                known = state_of(tx.data(row.version_id))
                same, other = (same + 1, other) if known == line else (same, other + 1)
                continue
            ids.append(record_id if row is None and record_id else tx.new_id())
            drafts.append(_draft(journal, line))
        for start in range(0, len(drafts), _CHUNK):
            tx.add_many(drafts[start : start + _CHUNK], record_ids=ids[start : start + _CHUNK], op="import")
        if same:
            tx.notes.append(f"{same} record(s) were here already")
        if other:
            tx.notes.append(f"{other} record(s) are here with another content and were left as they are")
    return tx.receipt()


def _draft(journal: Journal, data: dict[str, Any]) -> Draft:
    try:
        return Draft(
            body=data["body"],
            kind=data["kind"],
            namespace=tuple(data.get("namespace", ())),
            sources=tuple(Source(*s) for s in data.get("sources", ())),
            derived_from=tuple(data.get("derived_from", ())),
            trust=Trust(data.get("trust", "user")),
            links=tuple(Link(*link) for link in data.get("links", ())),
            attributes=data.get("attributes", {}),
            memories=None if data.get("memories") is None else tuple(data["memories"]),
            blobs={name: journal.blobs.read(digest) for name, digest in data.get("blobs", {}).items()},
            subject=data.get("subject"),
            relation=data.get("relation"),
            object=data.get("object"),
            thread=data.get("thread"),
            session=data.get("session"),
            speaker=data.get("speaker"),
            valid_from=data.get("valid_from"),
            valid_to=data.get("valid_to"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the export holds a line that is no record ({error!r}); nothing was imported") from error
