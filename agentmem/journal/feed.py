"""What a view still has to apply: net changes after its number, each with the text to index.

A turn is indexed with its session's date and the turns around it, so a change of a turn also re-emits the turns whose
text carries it: a view's content stays a function of the live set.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from agentmem.journal.codec import record_of
from agentmem.journal.engine import reading
from agentmem.journal.prepared import Prepared
from agentmem.journal.schema import records, versions
from agentmem.records import Change, Record, Status

__all__ = ["Feed", "indexed_text"]

_TURN = "turn"
# What was said before and the reply tell what a turn is about; its own words come twice, so that they outweigh both.
# LoCoMo recall@10: one turn before 69.0; two before 70.5; own words twice 74.4; and the reply 76.2 (multi-hop 32.9 ->
# 39.2). Three before lose 1 to 2 points again.
TURNS_BEFORE = 2
TURNS_AFTER = 1
_MANY = 400  # ids in one statement, below every engine's limit of bound values
_SHARED = 64  # rows that are kept for the views that read next


def indexed_text(
    record: Record, before: Sequence[Mapping[str, Any]] = (), after: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The text by which a record is found: its body with what a reader would know besides.

    ``before`` and ``after`` are the contents of the turns around a turn, in the order in which they were said.
    Documents carry their title and headings, turns their date, speaker and neighbours.
    """
    if record.kind != _TURN:
        title = " > ".join(str(record.attributes[k]) for k in ("title", "heading") if record.attributes.get(k))
        # also when the body begins with its title: said twice it counts for more (HotpotQA recall@5: BM25 74.2 -> 76.7)
        return f"{title}\n{record.body}" if title else record.body
    own = _spoken(record.speaker, record.body)
    lines = [_date(record.valid_from)] if record.valid_from is not None and record.session else []
    lines += [_spoken(turn.get("speaker"), turn.get("body", "")) for turn in before]
    lines.append(own)
    lines += [_spoken(turn.get("speaker"), turn.get("body", "")) for turn in after]
    return "\n".join([*lines, own] if before or after else lines)


def _spoken(speaker: str | None, body: str) -> str:
    return f"{speaker}: {body}" if speaker else body


def _date(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"


class _Read:
    """Changed records as they were read, with the turns around each. A change is made once for all views."""

    def __init__(self, rows: Sequence[Any], around: Mapping[str, Sequence[Any]]) -> None:
        self.rows = rows
        self.around = around
        self._made: dict[tuple[str, int], Change] = {}

    def change(self, row: Any, seq: int, view: str) -> Change:
        made = self._made.get((row.id, seq))
        if made is None:
            made = self._made[row.id, seq] = _change(row, seq)
        return _for_view(made, view)


class Feed:
    """Reads changes for views from an engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._last: tuple[tuple[int, int, int], _Read] | None = None
        self._reading = threading.Lock()

    def read(
        self, since: int, limit: int, *, kinds: Iterable[str], view: str, head: int | None = None
    ) -> tuple[list[Change], int]:
        """At most about ``limit`` changes after ``since`` that concern the view, and the number they lead up to.

        ``head``, the last number of the journal, lets views that stand at the same place share one reading.
        """
        wanted = set(kinds)
        found = self._shared(since, limit, head)
        if not found.rows:
            return [], since
        around = found.around if _TURN in wanted else {}
        out: list[Change] = []
        for row in found.rows:
            if row.kind in wanted:
                out.append(found.change(row, row.last_seq, view))
            out += [found.change(turn, row.last_seq, view) for turn in around.get(row.id, ())]
        return out, found.rows[-1].last_seq

    def _shared(self, since: int, limit: int, head: int | None) -> _Read:
        if head is None:
            return self._read(since, limit)
        with self._reading:  # views that catch up at once wait here for the first one's reading
            key = (since, limit, head)
            if self._last is not None and self._last[0] == key:
                return self._last[1]
            found = self._read(since, limit)
            if len(found.rows) <= _SHARED:
                self._last = (key, found)
            return found

    def _read(self, since: int, limit: int) -> _Read:
        with reading(self._engine) as connection, connection.begin():
            rows = _CHANGED_SINCE.rows(connection, since=since, count=limit)
            return _Read(rows, self._turns_around(connection, rows))

    def changes_of(self, record_ids: Iterable[str], *, view: str) -> list[Change]:
        """The present state of these records as changes (to compare a view with the journal)."""
        ids = list(record_ids)
        with reading(self._engine) as connection, connection.begin():
            return [_for_view(_change(row, row.last_seq), view) for row in _present(connection, ids)]

    def carriers(self, record_ids: Iterable[str]) -> list[tuple[str, int]]:
        """(id, version id) of the live turns whose text carries, or may once have carried, one of these turns."""
        ids = list(record_ids)
        with reading(self._engine) as connection, connection.begin():
            near = self._turns_around(connection, _present(connection, ids), _AROUND_EVER)
            return sorted({(turn.id, turn.version_id) for turns in near.values() for turn in turns})

    def _turns_around(
        self, connection: sa.Connection, rows: Iterable[Any], around: Prepared | None = None
    ) -> dict[str, list[Any]]:
        """For each changed turn the live turns that carry it, named once, but not those that changed themselves."""
        turns = [row for row in rows if row.kind == _TURN and row.thread]
        if not turns:
            return {}
        named = {row.id for row in turns}
        pairs: list[tuple[str, str]] = []
        for start in range(0, len(turns), _MANY):
            ids = [row.id for row in turns[start : start + _MANY]]
            for row in (around or _AROUND).rows(connection, ids=ids):
                for other in row[1:]:
                    if other and other not in named:
                        named.add(other)
                        pairs.append((row.id, other))
        found = {row.id: row for row in _present(connection, sorted({other for _, other in pairs}))}
        out: dict[str, list[Any]] = {}
        for turn, other in pairs:
            if other in found:
                out.setdefault(turn, []).append(found[other])
        return out


def _present(connection: sa.Connection, ids: Sequence[str]) -> list[Any]:
    """The rows of these records, each with its content and the turns around it, in journal order within each part."""
    return [
        row
        for start in range(0, len(ids), _MANY)
        for row in _CHANGED_BY_ID.rows(connection, ids=ids[start : start + _MANY])
    ]


def _same_place(one: Any, other: Any) -> list[sa.ColumnElement[bool]]:
    """Conditions: ``one`` is a live turn of the conversation that ``other`` belongs to."""
    return [
        one.c.thread == other.c.thread,
        one.c.session == other.c.session,
        one.c.namespace == other.c.namespace,
        one.c.kind == _TURN,
        one.c.status == Status.ACTIVE.value,
    ]


def _near(column: str, offset: int) -> sa.ScalarSelect[Any]:
    """``column`` of the live turn that comes ``offset`` turns after a record (before it, when negative)."""
    other = records.alias(f"near_{column}_{abs(offset)}{'b' if offset < 0 else 'a'}")
    place = other.c.created_seq
    return (
        sa.select(other.c[column])
        .where(
            records.c.kind == _TURN,
            records.c.thread != "",
            *_same_place(other, records),
            place < records.c.created_seq if offset < 0 else place > records.c.created_seq,
        )
        .order_by(place.desc() if offset < 0 else place)
        .offset(abs(offset) - 1)
        .limit(1)
        .correlate(records)
        .scalar_subquery()
    )


_BEFORE = tuple(range(-TURNS_BEFORE, 0))
_AFTER = tuple(range(1, TURNS_AFTER + 1))


def _changed() -> sa.Select[Any]:
    """Records with their content and, for turns, the contents of the turns around them."""
    texts = [(versions.alias(f"text_{place + TURNS_BEFORE}"), place) for place in (*_BEFORE, *_AFTER)]
    query = sa.select(records, versions.c.data, *(text.c.data.label(_label(place)) for text, place in texts)).outerjoin(
        versions, versions.c.id == records.c.version_id
    )
    for text, place in texts:
        query = query.outerjoin(text, text.c.id == _near("version_id", place))
    return query.order_by(records.c.last_seq)


def _label(place: int) -> str:
    return f"turn_{abs(place)}_{'before' if place < 0 else 'after'}"


def _around(before: int, after: int) -> Prepared:
    """Of turns with these ids the live ones up to ``before`` places before and ``after`` places after each."""
    ids: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
    places = (*range(-before, 0), *range(1, after + 1))
    others = [_near("id", place).label(_label(place)) for place in places]
    return Prepared(sa.select(records.c.id, *others).where(records.c.id.in_(ids)))


_CHANGED_SINCE = Prepared(_changed().where(records.c.last_seq > sa.bindparam("since")).limit(sa.bindparam("count")))
_CHANGED_BY_ID = Prepared(_changed().where(records.c.id.in_(sa.bindparam("ids", expanding=True))))
_AROUND = _around(TURNS_AFTER, TURNS_BEFORE)  # who carries a turn: for whom it is near the other way round
# a purge also reaches the turns that were nearer while those between them were retracted
_AROUND_EVER = _around(TURNS_AFTER + 4, TURNS_BEFORE + 4)


def _change(row: Any, seq: int) -> Change:
    if row.status != Status.ACTIVE.value or row.data is None:
        return Change(seq=seq, record_id=row.id, record=None, at=row.last_at, op="remove")
    record = record_of(
        row.id,
        json.loads(row.data),
        status=row.status,
        version_id=row.version_id,
        created_seq=row.created_seq,
        created_at=row.created_at,
        updated_at=row.last_at,
    )
    text = indexed_text(record, _texts(row, _BEFORE), _texts(row, _AFTER))
    return Change(seq=seq, record_id=row.id, record=record, text=text, at=row.last_at, op="upsert")


def _for_view(change: Change, view: str) -> Change:
    """The change as a view gets it: a record that is for other memories is nothing for it to hold."""
    if change.record is None or change.record.memories is None or view in change.record.memories:
        return change
    return Change(seq=change.seq, record_id=change.record_id, record=None, at=change.at, op="remove")


def _texts(row: Any, places: Iterable[int]) -> list[Mapping[str, Any]]:
    found = (getattr(row, _label(place)) for place in places)
    return [json.loads(data) for data in found if data is not None]
