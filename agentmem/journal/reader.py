"""Reading records from the journal, as they stand or as they stood; never writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from agentmem.errors import NotFound
from agentmem.journal.choosing import by_id, counted, counted_by_kind, in_namespace, page, scope_of, some
from agentmem.journal.codec import record_of
from agentmem.journal.engine import reading
from agentmem.journal.prepared import Prepared
from agentmem.journal.recent import Recent
from agentmem.journal.schema import changes, derivations, records, touches, transactions, versions
from agentmem.records import HistoryEntry, Namespace, Record, Status, namespace_of

_PAGE = 1000
_MANY = 400  # ids in one statement, below every engine's limit of bound values


_HEAD = Prepared(sa.select(sa.func.max(changes.c.seq).label("seq")))
_HEAD_AT = Prepared(sa.select(sa.func.max(changes.c.seq).label("seq")).where(changes.c.at <= sa.bindparam("at")))
_CHANGED = Prepared(
    sa.select(changes.c.record_id).where(changes.c.seq > sa.bindparam("seq")).limit(sa.bindparam("count"))
)
_CHILDREN = Prepared(sa.select(derivations.c.child).where(derivations.c.parent.in_(some("parents"))))


class Reader:
    """The `RecordReader` of the contract, over an engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._recent = Recent(self._changed_after)

    # ---- one and many

    def get(self, record_id: str, *, as_of: float | None = None) -> Record | None:
        return self.get_many([record_id], as_of=as_of).get(record_id)

    def get_many(self, record_ids: Sequence[str], *, as_of: float | None = None) -> dict[str, Record]:
        ids = list(dict.fromkeys(record_ids))
        if not ids:
            return {}
        if as_of is not None:
            found = self._by_ids(ids, as_of)
        else:
            kept = self._recent.at(self.head())  # the head first: what is read after it is no older
            found = {i: record for i in ids if (record := kept.records.get(i)) is not None}
            if missing := [i for i in ids if i not in found]:
                read = self._by_ids(missing, None)
                self._recent.put(kept, read.values())
                found |= read
        return {i: found[i] for i in ids if i in found}

    def _by_ids(self, ids: list[str], as_of: float | None) -> dict[str, Record]:
        statement = by_id(past=as_of is not None)
        rows: list[Any] = []
        with reading(self._engine) as connection, connection.begin():
            then = {} if as_of is None else {"seq": self._seq_at(connection, as_of)}
            for start in range(0, len(ids), _MANY):
                rows += statement.rows(connection, ids=ids[start : start + _MANY], **then)
        return {row.id: _record(row) for row in rows if row.data is not None}

    def _changed_after(self, seq: int) -> set[str] | None:
        """Ids of the records that changed after a number; None when they are many."""
        with reading(self._engine) as connection:
            rows = _CHANGED.rows(connection, seq=seq, count=_PAGE)
        return {row.record_id for row in rows} if len(rows) < _PAGE else None

    def statuses(self, record_ids: Sequence[str]) -> dict[str, Status]:
        """Where records stand, undone and purged ones included; ids that never were are left out."""
        found: dict[str, Status] = {}
        ids = list(dict.fromkeys(record_ids))
        with reading(self._engine) as connection:
            for start in range(0, len(ids), _MANY):
                part = records.c.id.in_(ids[start : start + _MANY])
                rows = connection.execute(sa.select(records.c.id, records.c.status).where(part))
                found.update((row.id, Status(row.status)) for row in rows)
        return found

    def resolve(self, prefix: str) -> str:
        """The id that begins with ``prefix`` (people type the first letters); NotFound when none or several do."""
        with reading(self._engine) as connection:
            ids = list(
                connection.execute(
                    sa.select(records.c.id).where(records.c.id >= prefix, records.c.id < prefix + "\U0010ffff").limit(3)
                ).scalars()
            )
        if prefix in ids or len(ids) == 1:
            return prefix if prefix in ids else ids[0]
        if not ids or not prefix:
            raise NotFound(f"no record '{prefix}'; 'agentmem records' lists them")
        raise NotFound(f"'{prefix}' begins several record ids ({', '.join(i[:12] for i in ids)}, …); give more of it")

    # ---- many in order

    def find(
        self,
        *,
        namespace: Namespace = (),
        kinds: Sequence[str] | None = None,
        statuses: Sequence[Status] = (Status.ACTIVE,),
        thread: str | None = None,
        session: str | None = None,
        subject: str | None = None,
        as_of: float | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        place: int | None = None,
    ) -> Iterator[Record]:
        """Records in journal order, read in pages so that no read transaction stays open.

        ``place``: a record's ``created_seq``; only what comes behind it in the order asked for.
        """
        given: dict[str, Any] = {**scope_of(namespace)}
        for name, value in (("thread", thread), ("session", session), ("subject", subject and subject.casefold())):
            if value is not None:
                given[name] = value
        if kinds is not None:
            given["kinds"] = list(kinds)
        fixed: dict[str, Any] = {"statuses": [Status(s).value for s in statuses]}
        if as_of is not None:
            with reading(self._engine) as connection:
                fixed["seq"] = self._seq_at(connection, as_of)
        left = limit
        while left is None or left > 0:
            if place is not None:
                given["before" if newest_first else "after"] = place
            some_page = page(frozenset(given), newest_first=newest_first, past=as_of is not None)
            count = _PAGE if left is None else min(left, _PAGE)
            with reading(self._engine) as connection:
                rows = some_page.rows(connection, count=count, **given, **fixed)
            if not rows:
                return
            place = rows[-1].created_seq
            for row in rows:
                if row.data is not None:
                    yield _record(row)
            left = None if left is None else left - len(rows)
            if len(rows) < _PAGE:
                return

    def _seq_at(self, connection: sa.Connection, at: float) -> int:
        return int(_HEAD_AT.first(connection, at=at).seq or 0)

    # ---- relations between records

    def child_ids(self, record_ids: Sequence[str]) -> set[str]:
        """Ids of everything that was ever derived from these, directly."""
        ids = list(record_ids)
        found: list[Any] = []
        with reading(self._engine) as connection:
            for start in range(0, len(ids), _MANY):
                found += _CHILDREN.rows(connection, parents=ids[start : start + _MANY])
        return {row.child for row in found}

    def children(self, record_id: str) -> list[Record]:
        found = self.get_many(sorted(self.child_ids([record_id])))
        return sorted((r for r in found.values() if r.is_live), key=lambda r: r.created_seq)

    # ---- numbers and the log

    def count(
        self, *, namespace: Namespace = (), kinds: Sequence[str] | None = None, at_most: int | None = None
    ) -> int:
        """How many live records there are; counting stops at ``at_most``, since it reads every one of them."""
        counts = self._recent.at(self.head()).counts
        key = (namespace, None if kinds is None else tuple(kinds), at_most)
        if key not in counts:
            given: dict[str, Any] = {**scope_of(namespace)} | ({} if kinds is None else {"kinds": list(kinds)})
            counting = counted(frozenset(given), limited=at_most is not None)
            with reading(self._engine) as connection:
                counts[key] = int(counting.first(connection, at_most=at_most, **given).number)
        return counts[key]

    def count_by_kind(self, *, namespace: Namespace = (), at_most: int | None = None) -> dict[str, int]:
        """How many live records there are of each kind; counting stops at ``at_most`` records."""
        given = scope_of(namespace)
        counting = counted_by_kind(frozenset(given), limited=at_most is not None)
        with reading(self._engine) as connection:
            rows = counting.rows(connection, at_most=at_most, **given)
        return {str(row.kind): int(row.number) for row in rows}

    def head(self) -> int:
        with reading(self._engine) as connection:
            return int(_HEAD.first(connection).seq or 0)

    def namespaces(self) -> list[tuple[str, int]]:
        """Paths of namespaces that hold live records, with how many."""
        query = (
            sa.select(records.c.namespace, sa.func.count())
            .where(records.c.status == Status.ACTIVE.value)
            .group_by(records.c.namespace)
            .order_by(records.c.namespace)
        )
        with reading(self._engine) as connection:
            return [(row[0], int(row[1])) for row in connection.execute(query)]

    def kinds(self) -> list[str]:
        """The kinds of record that this journal ever held."""
        query = sa.select(records.c.kind).distinct().order_by(records.c.kind)
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def threads(self, *, namespace: Namespace = ()) -> list[tuple[str, int, float]]:
        """Threads with live turns, the one last spoken in first: (name, turns, seconds since the epoch)."""
        last = sa.func.max(records.c.created_seq)
        query = (
            sa.select(records.c.thread, sa.func.count(), sa.func.max(records.c.created_at))
            .where(records.c.kind == "turn", records.c.status == Status.ACTIVE.value, records.c.thread != "")
            .group_by(records.c.thread)
            .order_by(last.desc())
        )
        scope = in_namespace(records.c.namespace, namespace)
        if scope is not None:
            query = query.where(scope)
        with reading(self._engine) as connection:
            return [(row[0], int(row[1]), float(row[2])) for row in connection.execute(query)]

    def sessions(
        self, *, namespace: Namespace = (), newest: int | None = None
    ) -> list[tuple[tuple[Namespace, str, str], int, float]]:
        """Sessions with live turns, the one last spoken in first: ((namespace, thread, session), turns, last time).

        ``newest``: only as far as that many turns of all back.
        """
        query = sa.select(records).where(
            records.c.kind == "turn", records.c.status == Status.ACTIVE.value, records.c.session != ""
        )
        scope = in_namespace(records.c.namespace, namespace)
        if scope is not None:
            query = query.where(scope)
        if newest is not None:
            query = query.order_by(records.c.created_seq.desc()).limit(newest)
        turns = query.subquery()
        place = (turns.c.namespace, turns.c.thread, turns.c.session)
        grouped = sa.select(*place, sa.func.count(), sa.func.max(turns.c.created_at)).group_by(*place)
        with reading(self._engine) as connection:
            rows = connection.execute(grouped.order_by(sa.func.max(turns.c.created_seq).desc())).all()
        return [((namespace_of(row[0]), row[1], row[2]), int(row[3]), float(row[4])) for row in rows]

    def summarised(self, *, namespace: Namespace = ()) -> dict[tuple[Namespace, str, str], int]:
        """The sessions with live summaries: (namespace, thread, session) -> the place in the journal of the last."""
        place = (records.c.namespace, records.c.thread, records.c.session)
        query = (
            sa.select(*place, sa.func.max(records.c.created_seq))
            .where(records.c.kind == "summary", records.c.status == Status.ACTIVE.value)
            .group_by(*place)
        )
        scope = in_namespace(records.c.namespace, namespace)
        if scope is not None:
            query = query.where(scope)
        with reading(self._engine) as connection:
            return {(namespace_of(row[0]), row[1], row[2]): int(row[3]) for row in connection.execute(query)}

    def history(self, record_id: str) -> list[HistoryEntry]:
        """Every change of the record, oldest first."""
        query = (
            sa.select(changes, transactions.c.actor, transactions.c.verb, versions.c.data)
            .join(transactions, transactions.c.id == changes.c.tx)
            .outerjoin(versions, versions.c.id == changes.c.after_version)
            .where(changes.c.record_id == record_id)
            .order_by(changes.c.seq)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise NotFound(f"no record '{record_id}'; 'agentmem records' lists them")
        entries = []
        for row in rows:
            data = json.loads(row.data) if row.data is not None else None
            entries.append(
                HistoryEntry(
                    seq=row.seq,
                    receipt_id=row.tx,
                    op=row.op,
                    at=row.at,
                    actor=row.actor,
                    reason=row.reason,
                    status=Status(row.after_status),
                    version=0 if data is None else data.get("version", 1),
                    body=None if data is None else data.get("body", ""),
                    cause=row.cause,
                    exact_undo=row.exact_undo,
                )
            )
        return entries

    def transactions(self, *, limit: int = 20, before_seq: int | None = None) -> list[sa.Row[Any]]:
        """The last transactions, newest first: id, first_seq, last_seq, verb, actor, reason, at, cause."""
        query = sa.select(transactions).order_by(transactions.c.first_seq.desc()).limit(limit)
        if before_seq is not None:
            query = query.where(transactions.c.first_seq < before_seq)
        with reading(self._engine) as connection:
            return list(connection.execute(query).all())

    def records_of(self, receipt_id: str) -> list[str]:
        """Ids of the records that a transaction touched, in order."""
        query = sa.select(changes.c.record_id).where(changes.c.tx == receipt_id).order_by(changes.c.seq)
        with reading(self._engine) as connection:
            return list(dict.fromkeys(connection.execute(query).scalars()))

    def touches(self, record_ids: Sequence[str]) -> dict[str, tuple[int, float]]:
        """How often and when last each record answered: id -> (hits, seconds since the epoch)."""
        out: dict[str, tuple[int, float]] = {}
        ids = list(record_ids)
        with reading(self._engine) as connection:
            for start in range(0, len(ids), _MANY):
                part = sa.select(touches).where(touches.c.record_id.in_(ids[start : start + _MANY]))
                out.update((row.record_id, (row.hits, row.last_at)) for row in connection.execute(part))
        return out


def _record(row: Any) -> Record:
    return record_of(
        row.id,
        json.loads(row.data),
        status=row.status,
        version_id=row.version_id,
        created_seq=row.created_seq,
        created_at=row.created_at,
        updated_at=row.last_at,
    )
