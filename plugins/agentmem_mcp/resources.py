"""Records as resources: a listing in pages, one record by its id, and its history. Read-only; knows no transport."""

from __future__ import annotations

import json
import re
from typing import Any

import mcp_types as types

from agentmem.errors import BadInput, NotFound
from agentmem.remote import Remote, told_record

_PAGE = 50
_JSON = "application/json"
_RECORD = re.compile(r"memory://records/([0-9a-zA-Z-]{4,64})(/history)?")
RECENT = "memory://recent"


def templates() -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            name="record",
            title="A record",
            uri_template="memory://records/{id}",
            description="One record of the memory with everything that is known of it.",
            mime_type=_JSON,
        ),
        types.ResourceTemplate(
            name="history",
            title="A record's history",
            uri_template="memory://records/{id}/history",
            description="Every change of a record: who made it, when and why, and what it said.",
            mime_type=_JSON,
        ),
    ]


def listing(remote: Remote, cursor: str | None) -> types.ListResourcesResult:
    """A page of live records, newest first; the first page begins with the list of recent ones."""
    if cursor is not None and not re.fullmatch(r"\d{1,18}", cursor):
        raise BadInput(f"'{cursor[:40]}' is no cursor of this list; begin without one")
    listed = remote.records(limit=_PAGE, before=None if cursor is None else int(cursor))
    resources = [
        types.Resource(
            uri=f"memory://records/{record['id']}",
            name=record["id"][:12],
            title=_shortened(record["text"]),
            description=f"{record['kind']}, {record['recorded_at'][:10]}",
            mime_type=_JSON,
        )
        for record in listed["records"]
    ]
    if cursor is None:
        recent = types.Resource(
            uri=RECENT, name="recent", title="What was remembered last", description="the last 50", mime_type=_JSON
        )
        resources.insert(0, recent)
    return types.ListResourcesResult(
        resources=resources, next_cursor=None if listed["next"] is None else str(listed["next"])
    )


def read(remote: Remote, uri: str) -> types.ReadResourceResult:
    """The resource's content as JSON."""
    if uri == RECENT:
        return _content(uri, remote.records(limit=_PAGE)["records"])
    found = _RECORD.fullmatch(uri)
    if found is None:
        raise NotFound(f"no resource '{uri[:80]}'; there are {RECENT} and memory://records/ID")
    if found[2]:
        return _content(uri, remote.history(found[1]))
    return _content(uri, told_record(remote.record(found[1])))


def _content(uri: str, value: Any) -> types.ReadResourceResult:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)])


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
