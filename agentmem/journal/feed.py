"""What a view still has to apply: net changes after its number, each with the text to index.

A turn is indexed with its session's date and the turn before it, so a change of a turn also re-emits the turn after
it: a view's content stays a function of the live set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from agentmem.journal.codec import record_of
from agentmem.journal.engine import reading
from agentmem.journal.schema import records, versions
from agentmem.records import Change, Record, Status

__all__ = ["Feed", "indexed_text"]

_TURN = "turn"
_SHARED = 64  # rows that are kept for the views that read next
_Rows = tuple[Sequence[sa.Row[Any]], dict[str, sa.Row[Any]]]


def indexed_text(record: Record, before: Mapping[str, Any] | None = None) -> str:
    """The text by which a record is found: its body with what a reader would know besides.

    ``before`` is the content of the turn before a turn. Documents carry their title and headings, turns their date,
    speaker and neighbour.
    """
    if record.kind != _TURN:
        title = " > ".join(str(record.attributes[k]) for k in ("title", "heading") if record.attributes.get(k))
        # also when the body begins with its title: said twice it counts for more (HotpotQA recall@5: BM25 74.2 -> 76.7)
        return f"{title}\n{record.body}" if title else record.body
    lines = []
    if record.valid_from is not None and record.session:
        lines.append(_date(record.valid_from))
    if before is not None:
        lines.append(_spoken(before.get("speaker"), before.get("body", "")))
    lines.append(_spoken(record.speaker, record.body))
    return "\n".join(lines)


def _spoken(speaker: str | None, body: str) -> str:
    return f"{speaker}: {body}" if speaker else body


def _date(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"


class Feed:
    """Reads changes for views from an engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._last: tuple[tuple[int, int, int], _Rows] | None = None

    def read(
        self, since: int, limit: int, *, kinds: Iterable[str], view: str, head: int | None = None
    ) -> tuple[list[Change], int]:
        """At most about ``limit`` changes after ``since`` that concern the view, and the number they lead up to.

        ``head``, the last number of the journal, lets views that stand at the same place share one reading.
        """
        wanted = set(kinds)
        rows, after = self._rows(since, limit, head)
        if not rows:
            return [], since
        if _TURN not in wanted:
            after = {}
        upto = rows[-1].last_seq
        out: list[Change] = []
        for row in rows:
            if row.kind in wanted:
                out.append(_change(row, row.last_seq, view))
            if row.id in after:
                out.append(_change(after[row.id], row.last_seq, view))
        return out, upto

    def _rows(self, since: int, limit: int, head: int | None) -> _Rows:
        key = None if head is None else (since, limit, head)
        last = self._last  # read once: another thread may put its own there
        if last is not None and last[0] == key:
            return last[1]
        with reading(self._engine) as connection:
            rows = connection.execute(_CHANGED_SINCE, {"since": since, "count": limit}).all()
            found: _Rows = (rows, self._turns_after(connection, rows))
        if key is not None and len(rows) <= _SHARED:
            self._last = (key, found)
        return found

    def changes_of(self, record_ids: Iterable[str], *, view: str) -> list[Change]:
        """The present state of these records as changes (to compare a view with the journal)."""
        ids = list(record_ids)
        with reading(self._engine) as connection:
            rows = [
                row
                for start in range(0, len(ids), 400)
                for row in connection.execute(_changed().where(records.c.id.in_(ids[start : start + 400])))
            ]
        return [_change(row, row.last_seq, view) for row in rows]

    def successors(self, record_ids: Iterable[str]) -> list[tuple[str, int]]:
        """(id, version id) of the live turns whose text carries one of these turns."""
        ids = list(record_ids)
        with reading(self._engine) as connection:
            rows = [
                row
                for start in range(0, len(ids), 400)
                for row in connection.execute(_changed().where(records.c.id.in_(ids[start : start + 400])))
            ]
            return [(row.id, row.version_id) for row in self._turns_after(connection, rows).values()]

    def _turns_after(self, connection: sa.Connection, rows: Iterable[sa.Row[Any]]) -> dict[str, sa.Row[Any]]:
        """For each changed turn the live turn right after it, unless it is among the changed ones anyway later on."""
        turns = [row for row in rows if row.kind == _TURN and row.thread]
        if not turns:
            return {}
        own = {row.id for row in turns}
        pairs: dict[str, str] = {}
        for start in range(0, len(turns), 400):
            ids = [row.id for row in turns[start : start + 400]]
            found_pairs = connection.execute(_FOLLOWING, {"ids": ids})
            pairs |= {row.id: row.next for row in found_pairs if row.next and row.next not in own}
        found: dict[str, sa.Row[Any]] = {}
        wanted = sorted(set(pairs.values()))
        for start in range(0, len(wanted), 400):
            query = _changed().where(records.c.id.in_(wanted[start : start + 400]))
            found |= {row.id: row for row in connection.execute(query)}
        return {turn: found[follow] for turn, follow in pairs.items() if follow in found}


def _same_place(one: Any, other: Any) -> list[sa.ColumnElement[bool]]:
    """Conditions: ``one`` is a live turn of the conversation that ``other`` belongs to."""
    return [
        one.c.thread == other.c.thread,
        one.c.session == other.c.session,
        one.c.namespace == other.c.namespace,
        one.c.kind == _TURN,
        one.c.status == Status.ACTIVE.value,
    ]


def _changed() -> sa.Select[Any]:
    """Records with their content and, for turns, the content of the turn before."""
    before = records.alias("before")
    before_version = (
        sa.select(before.c.version_id)
        .where(
            records.c.kind == _TURN,
            records.c.thread != "",
            *_same_place(before, records),
            before.c.created_seq < records.c.created_seq,
        )
        .order_by(before.c.created_seq.desc())
        .limit(1)
        .correlate(records)
        .scalar_subquery()
    )
    neighbour = versions.alias("neighbour")
    return (
        sa.select(records, versions.c.data, neighbour.c.data.label("before"))
        .outerjoin(versions, versions.c.id == records.c.version_id)
        .outerjoin(neighbour, neighbour.c.id == before_version)
        .order_by(records.c.last_seq)
    )


def _following() -> sa.Select[Any]:
    """For turns with these ids the live turn right after each."""
    follower = records.alias("follower")
    following = (
        sa.select(follower.c.id)
        .where(*_same_place(follower, records), follower.c.created_seq > records.c.created_seq)
        .order_by(follower.c.created_seq)
        .limit(1)
        .correlate(records)
        .scalar_subquery()
    )
    ids: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
    return sa.select(records.c.id, following.label("next")).where(records.c.id.in_(ids))


# built once: making such a statement takes several times as long as running it
_CHANGED_SINCE = _changed().where(records.c.last_seq > sa.bindparam("since")).limit(sa.bindparam("count"))
_FOLLOWING = _following()


def _change(row: sa.Row[Any], seq: int, view: str) -> Change:
    record: Record | None = None
    text = ""
    if row.status == Status.ACTIVE.value and row.data is not None:
        record = record_of(
            row.id,
            json.loads(row.data),
            status=row.status,
            version_id=row.version_id,
            created_seq=row.created_seq,
            created_at=row.created_at,
            updated_at=row.last_at,
        )
        if record.memories is not None and view not in record.memories:
            record = None
        else:
            text = indexed_text(record, None if row.before is None else json.loads(row.before))
    return Change(
        seq=seq,
        record_id=row.id,
        record=record,
        text=text,
        at=row.last_at,
        op="upsert" if record else "remove",
    )
