"""Which records the memory screen lists: filters, search through recall, an earlier time. Plain data, no widget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agentmem_tui.plaintext import moment, one_line, text_of
from agentmem_tui.widgets.recordtable import Column, Row

if TYPE_CHECKING:
    from agentmem.records import Hit, Record
    from agentmem_tui.desk import Desk

RECORDS = (Column("changed", 16), Column("kind", 9), Column("status", 10), Column("text"))
FOUND = (Column("score", 6), Column("memory", 16), Column("kind", 9), Column("text"))
CHANGES = (Column("when", 16), Column("change", 10), Column("by", 16), Column("what"))
PAGE = 500  # rows handed over at once
_FOUND = 100  # hits of a search
_TEXT = 240  # letters of a body that a row keeps
PERIODS = {
    "any time": 0.0,
    "last day": 86_400.0,
    "last week": 604_800.0,
    "last month": 2_678_400.0,
    "last year": 31_622_400.0,
}


@dataclass(frozen=True)
class Wanted:
    """What to list; "" means any."""

    words: str = ""
    kind: str = ""
    status: str = "active"
    namespace: str = ""
    memory: str = ""
    period: str = "any time"
    as_of: float | None = None


def parse_as_of(text: str) -> float | None:
    """The end of a day, or a moment, from an ISO date; raises ValueError."""
    if not text.strip():
        return None
    when = datetime.fromisoformat(text.strip())
    if len(text.strip()) == 10:
        when = when.replace(hour=23, minute=59, second=59)
    return when.timestamp()


def listed(desk: Desk, wanted: Wanted) -> Iterator[list[Row]]:
    """The records, newest first, in pages; searched ones best first."""
    if wanted.words.strip() and wanted.status in ("", "active"):
        yield [_found(hit) for hit in _search(desk, wanted)]
        return
    page: list[Row] = []
    words = wanted.words.casefold()
    since = time.time() - PERIODS[wanted.period] if PERIODS[wanted.period] else 0.0
    for record in _find(desk, wanted):
        if record.updated_at >= since and words in record.body.casefold() and _may_hold(desk, record, wanted.memory):
            page.append(_row(record))
        if len(page) >= PAGE:
            yield page
            page = []
            time.sleep(0)  # let the screen have its turn
    yield page


def _find(desk: Desk, wanted: Wanted) -> Iterator[Record]:
    from agentmem.records import Status

    statuses = (Status(wanted.status),) if wanted.status else tuple(s for s in Status if s is not Status.PURGED)
    return desk.agent.records(
        namespace=wanted.namespace or "/".join(desk.namespace),
        kinds=(wanted.kind,) if wanted.kind else None,
        statuses=statuses,
        as_of=wanted.as_of,
        newest_first=True,
    )


def _search(desk: Desk, wanted: Wanted) -> list[Hit]:
    since = time.time() - PERIODS[wanted.period] if PERIODS[wanted.period] else 0.0
    hits = desk.agent.recall(
        wanted.words,
        k=_FOUND,
        memory=wanted.memory or None,
        namespace=wanted.namespace or "/".join(desk.namespace),
        as_of=wanted.as_of,
        filters={"kind": wanted.kind} if wanted.kind else None,
        readonly=True,
    )
    return [hit for hit in hits if hit.record.updated_at >= since]


def _may_hold(desk: Desk, record: Record, memory: str) -> bool:
    """Whether a memory holds a record: the record names it, or names none and the memory indexes its kind."""
    if not memory:
        return True
    if record.memories is not None:
        return memory in record.memories
    return record.kind in desk.agent.home.views[memory].memory.kinds


def _row(record: Record) -> Row:
    cells = (moment(record.updated_at), record.kind, record.status.value, one_line(text_of(record), _TEXT))
    return Row(record.id, cells, faint=not record.is_live or record.kind == "trace")


def _found(hit: Hit) -> Row:
    return Row(hit.record_id, (f"{hit.score:.2f}", hit.memory, hit.record.kind, one_line(text_of(hit.record), _TEXT)))


def changes(desk: Desk, limit: int = 2000) -> list[Row]:
    """The last changes, newest first; the key is the receipt."""
    reader = desk.agent.home.journal.records
    out = []
    for row in reader.transactions(limit=limit):
        touched = reader.records_of(row.id)
        first = next(iter(reader.get_many(touched[:1]).values()), None)
        more = f" (+{len(touched) - 1})" if len(touched) > 1 else ""
        what = "" if first is None else one_line(text_of(first), _TEXT)
        out.append(Row(row.id, (moment(row.at), row.verb, row.actor, f"{what}{more}"), faint=row.verb == "answer"))
    return out


@dataclass(frozen=True)
class Choices:
    """What can be filtered by in this home."""

    kinds: tuple[str, ...]
    namespaces: tuple[str, ...]
    memories: tuple[str, ...]


def choices(desk: Desk) -> Choices:
    """The kinds, namespaces and memories that there are."""
    reader = desk.agent.home.journal.records
    namespaces = tuple(path.strip("/") for path, _ in reader.namespaces() if path.strip("/"))
    memories = tuple(view.name for view in desk.agent.home.views.usable())
    return Choices(tuple(reader.kinds()), namespaces, memories)
