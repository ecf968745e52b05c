"""Reading records from the journal, as they stand or as they stood; never writes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from agentmem.errors import NotFound
from agentmem.journal.codec import record_of
from agentmem.journal.engine import reading
from agentmem.journal.recent import Recent
from agentmem.journal.schema import changes, derivations, records, touches, transactions, versions
from agentmem.records import HistoryEntry, Namespace, Record, Status, path_of

_PAGE = 1000
_MANY = 400  # ids in one statement, below every engine's limit of bound values


def in_namespace(column: sa.ColumnElement[str], namespace: Namespace) -> sa.ColumnElement[bool] | None:
    """The condition that a namespace path lies in a scope; None for the scope of everything."""
    if not namespace:
        return None
    path = path_of(namespace)
    return sa.and_(column >= path, column < path[:-1] + "0")  # "0" follows "/"


def _last_changes(seq: int) -> sa.Subquery:
    """For every record its state after the change ``seq``."""
    last = (
        sa.select(changes.c.record_id, sa.func.max(changes.c.seq).label("seq"))
        .where(changes.c.seq <= seq)
        .group_by(changes.c.record_id)
        .subquery()
    )
    return (
        sa.select(
            changes.c.record_id,
            changes.c.after_version.label("version_id"),
            changes.c.after_status.label("status"),
            changes.c.at.label("last_at"),
        )
        .join(last, changes.c.seq == last.c.seq)
        .subquery()
    )


# built once: making a statement takes longer than running it
_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_HEAD = sa.select(sa.func.max(changes.c.seq))
_PRESENT = sa.select(
    records.c.id,
    records.c.created_seq,
    records.c.created_at,
    records.c.status,
    records.c.version_id,
    records.c.last_at,
    versions.c.data,
).join(versions, versions.c.id == records.c.version_id)
_BY_ID = _PRESENT.where(records.c.id.in_(_IDS))


class Reader:
    """The `RecordReader` of the contract, over an engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._recent = Recent()

    # ---- one and many

    def get(self, record_id: str, *, as_of: float | None = None) -> Record | None:
        return self.get_many([record_id], as_of=as_of).get(record_id)

    def get_many(self, record_ids: Sequence[str], *, as_of: float | None = None) -> dict[str, Record]:
        found: dict[str, Record] = {}
        ids = list(dict.fromkeys(record_ids))
        if not ids:
            return found
        if as_of is None:
            kept = self._recent.at(self.head())  # the head first: what is read after it is no older
            found = {i: record for i in ids if (record := kept.records.get(i)) is not None}
            missing = [i for i in ids if i not in found]
            if missing:
                with reading(self._engine) as connection:
                    read = self._by_ids(connection, _BY_ID, missing)
                kept.put(read.values())
                found |= read
        else:
            with reading(self._engine) as connection:
                query = self._select(self._seq_at(connection, as_of)).where(records.c.id.in_(_IDS))
                found = self._by_ids(connection, query, ids)
        return {i: found[i] for i in ids if i in found}

    def _by_ids(self, connection: sa.Connection, query: sa.Select[Any], ids: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for start in range(0, len(ids), _MANY):
            rows = connection.execute(query, {"ids": ids[start : start + _MANY]}).all()
            found.update((row.id, _record(row)) for row in rows if row.data is not None)
        return found

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
        scope = in_namespace(records.c.namespace, namespace)
        conditions = [c for c in (scope,) if c is not None]
        if kinds is not None:
            conditions.append(records.c.kind.in_(list(kinds)))
        if thread is not None:
            conditions.append(records.c.thread == thread)
        if session is not None:
            conditions.append(records.c.session == session)
        if subject is not None:
            conditions.append(records.c.subject == subject.casefold())
        seq: int | None = None
        if as_of is not None:
            with reading(self._engine) as connection:
                seq = self._seq_at(connection, as_of)
            conditions.append(records.c.created_seq <= seq)
        query = self._select(seq, [Status(s).value for s in statuses]).where(*conditions)
        order = records.c.created_seq.desc() if newest_first else records.c.created_seq
        left = limit
        while left is None or left > 0:
            page = query.order_by(order).limit(_PAGE if left is None else min(left, _PAGE))
            if place is not None:
                page = page.where(records.c.created_seq < place if newest_first else records.c.created_seq > place)
            with reading(self._engine) as connection:
                rows = connection.execute(page).all()
            if not rows:
                return
            place = rows[-1].created_seq
            for row in rows:
                if row.data is not None:
                    yield _record(row)
            left = None if left is None else left - len(rows)
            if len(rows) < _PAGE:
                return

    def _select(self, seq: int | None, statuses: Sequence[str] | None = None) -> sa.Select[Any]:
        """Rows of records joined with the body that counts, now or after the change ``seq``."""
        fixed = (records.c.id, records.c.created_seq, records.c.created_at)
        if seq is None:
            return _PRESENT if statuses is None else _PRESENT.where(records.c.status.in_(statuses))
        state = _last_changes(seq)
        query = (
            sa.select(*fixed, state.c.status, state.c.version_id, state.c.last_at, versions.c.data)
            .join(state, state.c.record_id == records.c.id)
            .join(versions, versions.c.id == state.c.version_id)
        )
        return query if statuses is None else query.where(state.c.status.in_(statuses))

    def _seq_at(self, connection: sa.Connection, at: float) -> int:
        found = connection.execute(sa.select(sa.func.max(changes.c.seq)).where(changes.c.at <= at)).scalar()
        return int(found or 0)

    # ---- relations between records

    def child_ids(self, record_ids: Sequence[str]) -> set[str]:
        """Ids of everything that was ever derived from these, directly."""
        out: set[str] = set()
        ids = list(record_ids)
        with reading(self._engine) as connection:
            for start in range(0, len(ids), _MANY):
                part = derivations.c.parent.in_(ids[start : start + _MANY])
                out.update(connection.execute(sa.select(derivations.c.child).where(part)).scalars())
        return out

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
        if key in counts:
            return counts[key]
        query = sa.select(records.c.id).where(records.c.status == Status.ACTIVE.value)
        scope = in_namespace(records.c.namespace, namespace)
        if scope is not None:
            query = query.where(scope)
        if kinds is not None:
            query = query.where(records.c.kind.in_(list(kinds)))
        with reading(self._engine) as connection:
            counted = sa.select(sa.func.count()).select_from(query.limit(at_most).subquery())
            counts[key] = int(connection.execute(counted).scalar_one())
        return counts[key]

    def count_by_kind(self, *, namespace: Namespace = (), at_most: int | None = None) -> dict[str, int]:
        """How many live records there are of each kind; counting stops at ``at_most`` records."""
        query = sa.select(records.c.kind).where(records.c.status == Status.ACTIVE.value)
        scope = in_namespace(records.c.namespace, namespace)
        if scope is not None:
            query = query.where(scope)
        some = query.limit(at_most).subquery()
        with reading(self._engine) as connection:
            counted = connection.execute(sa.select(some.c.kind, sa.func.count()).group_by(some.c.kind))
            return {str(kind): int(count) for kind, count in counted}

    def head(self) -> int:
        if self._engine.dialect.name == "sqlite":  # several times in every recall: past SQLAlchemy it is much quicker
            with contextlib.closing(self._engine.raw_connection()) as raw, contextlib.closing(raw.cursor()) as cursor:
                cursor.execute("SELECT max(seq) FROM changes")
                (last,) = cursor.fetchone() or (0,)
                return int(last or 0)
        with reading(self._engine) as connection:
            return int(connection.execute(_HEAD).scalar() or 0)

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
