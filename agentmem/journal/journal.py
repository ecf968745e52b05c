"""The journal of one home: opens the database, hands out write transactions, and answers what the state is."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agentmem.contract import Clock
from agentmem.errors import BadInput, Refused
from agentmem.journal import purge as purging
from agentmem.journal.blobs import BlobStore
from agentmem.journal.choosing import some
from agentmem.journal.codec import dumps, state_of
from agentmem.journal.engine import close, open_engine, reading, shrink, url_of, writing
from agentmem.journal.feed import Feed
from agentmem.journal.prepared import Prepared, PreparedInsert
from agentmem.journal.reader import Reader
from agentmem.journal.schema import blob_refs, changes, migrate, records, set_aside, touches, versions
from agentmem.journal.transaction import PERSON, Transaction, in_parts
from agentmem.journal.undo import drop_derived, undo
from agentmem.records import Draft, Receipt, Status, Update

_TOUCHES = 2048  # that are written at once; those of a process that is killed are lost
_LAST_CHANGE = Prepared(sa.select(changes.c.seq, changes.c.at).order_by(changes.c.seq.desc()).limit(1))
_TOUCH = PreparedInsert(touches)
_TOUCHED = Prepared(sa.select(touches).where(touches.c.record_id.in_(some("ids"))))
_UNTOUCH = Prepared(touches.delete().where(touches.c.record_id.in_(some("ids"))))
_LAST_VERSION = Prepared(sa.select(sa.func.max(versions.c.id).label("id")))


class Journal:
    """One home's log of changes. Thread-safe; several processes may append to the same one.

    ``url`` is a SQLAlchemy URL (default: SQLite inside ``folder``); blobs and the secret lie in ``folder``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        url: str | None = None,
        readonly: bool = False,
        synchronous: str = "FULL",
    ) -> None:
        self.folder = folder
        self.readonly = readonly
        self._clock = clock
        self._new_id = new_id
        self.path = folder / "journal.db"
        if readonly and url is None and not self.path.exists():
            raise BadInput(f"there is no home at {folder}; create one by writing to it, or check --home")
        folder.mkdir(parents=True, exist_ok=True)
        self.blobs = BlobStore(folder / "blobs")
        self.secret = _secret(folder / "secret", create=not readonly)
        self.engine = open_engine(url or url_of(self.path), readonly=readonly, synchronous=synchronous)
        if not readonly:
            with writing(self.engine) as connection:
                migrate(connection)
        self.records = Reader(self.engine)
        self.feed = Feed(self.engine)
        self._touched: dict[str, tuple[int, float]] = {}
        self._touching = threading.Lock()

    def close(self) -> None:
        self.flush_touches()
        close(self.engine)

    # ---- writing

    @contextmanager
    def transaction(
        self, verb: str, *, actor: str = PERSON, reason: str = "", cause: str | None = None
    ) -> Iterator[Transaction]:
        """One transaction: all of its changes become durable together when the block ends, or none."""
        if self.readonly:
            raise Refused("this home is open read-only; open it without readonly to write")
        with writing(self.engine) as connection:
            head = _LAST_CHANGE.first(connection)
            # transaction time never runs backwards, even when the clock does, so that as_of means one state
            at = max(self._clock.now(), head.at) if head else self._clock.now()
            tx = Transaction(
                connection=connection,
                blobs=self.blobs,
                secret=self.secret,
                new_id=self._new_id,
                verb=verb,
                actor=actor,
                reason=reason,
                at=at,
                seq=head.seq if head else 0,
                version_id=_LAST_VERSION.first(connection).id or 0,
                cause=cause,
            )
            yield tx
            tx.finish()

    def write(
        self,
        drafts: Sequence[Draft],
        *,
        verb: str = "remember",
        actor: str = PERSON,
        reason: str = "",
        status: Status = Status.ACTIVE,
    ) -> Receipt:
        """Append new records in one transaction."""
        with self.transaction(verb, actor=actor, reason=reason) as tx:
            tx.add_many(drafts, status=status)
        return tx.receipt()

    def propose(self, proposals: Iterable[Draft | Update], *, actor: str, verb: str = "derive") -> Receipt:
        """Append what a memory derived: new records and changes of existing ones, in one transaction."""
        with self.transaction(verb, actor=actor) as tx:
            for proposal in proposals:
                if isinstance(proposal, Draft):
                    tx.add(proposal)
                else:
                    tx.update(proposal)
        return tx.receipt()

    def correct(self, record_id: str, body: str, *, actor: str = PERSON, reason: str = "", **fields: Any) -> Receipt:
        """Give a record a new body; the old one stays in its history. What memories derived from it is taken along."""
        with self.transaction("correct", actor=actor, reason=reason) as tx:
            if tx.correct(record_id, body=body, fields=fields):
                drop_derived(tx, [record_id], "retract")
            else:
                tx.notes.append("the record says that already; nothing was changed")
        return tx.receipt()

    def set_status(self, record_id: str, op: str, *, actor: str = PERSON, reason: str = "") -> Receipt:
        """Retract, archive, restore, approve or refuse one record."""
        with self.transaction(op, actor=actor, reason=reason) as tx:
            if not tx.set_status(record_id, op):
                tx.notes.append("the record stands so already; nothing was changed")
            elif op == "retract":
                drop_derived(tx, [record_id], "retract")
        return tx.receipt()

    def undo(self, receipt_id: str, *, cascade: bool = False, actor: str = PERSON, reason: str = "") -> Receipt:
        """Take a transaction back; see `agentmem.journal.undo`."""
        with self.transaction("undo", actor=actor, reason=reason, cause=receipt_id) as tx:
            undo(tx, receipt_id, cascade=cascade)
        return tx.receipt()

    def purge(self, record_ids: Sequence[str], *, sources: bool = False, actor: str = PERSON) -> purging.PurgeJob:
        """Redact records, what derives from them and, with ``sources``, what they derive from; the logical half."""
        with self.transaction("purge", actor=actor) as tx:
            for record_id in record_ids:
                tx.require(record_id)
            return purging.redact(tx, self._purge_ids(tx.connection, record_ids, sources=sources))

    def purge_plan(self, record_ids: Sequence[str], *, sources: bool = False) -> list[str]:
        """Ids of everything that a purge would remove."""
        with reading(self.engine) as connection:
            return self._purge_ids(connection, record_ids, sources=sources)

    def _purge_ids(self, connection: sa.Connection, record_ids: Sequence[str], *, sources: bool) -> list[str]:
        roots = list(record_ids)
        if sources:
            roots += purging.source_ids(connection, roots)
        return purging.closure(connection, roots)

    # ---- jobs, blobs, touches, what views set aside

    def open_jobs(self) -> list[purging.PurgeJob]:
        with reading(self.engine) as connection:
            return purging.open_jobs(connection)

    def close_job(self, job_id: str) -> None:
        with writing(self.engine) as connection:
            purging.close_job(connection, job_id)

    def used_blobs(self) -> set[str]:
        with reading(self.engine) as connection:
            return set(connection.execute(sa.select(blob_refs.c.digest).distinct()).scalars())

    def touch(self, record_ids: Iterable[str]) -> None:
        """Count that these records answered; written in batches, outside undo and export."""
        now = self._clock.now()
        with self._touching:
            for record_id in record_ids:
                hits, _ = self._touched.get(record_id, (0, 0.0))
                self._touched[record_id] = (hits + 1, now)
            full = len(self._touched) >= _TOUCHES
        if full:
            self.flush_touches()

    def flush_touches(self) -> None:
        with self._touching:
            touched, self._touched = self._touched, {}
        if not touched or self.readonly:
            return
        with writing(self.engine) as connection:
            old: dict[str, int] = {}
            for part in in_parts(list(touched)):
                old |= {row.record_id: row.hits for row in _TOUCHED.rows(connection, ids=list(part))}
                _UNTOUCH.run(connection, ids=list(part))
            rows = [{"record_id": i, "hits": h + old.get(i, 0), "last_at": at} for i, (h, at) in touched.items()]
            _TOUCH.run(connection, rows)

    def put_aside(self, view: str, seq: int, record_id: str, error: str) -> None:
        """Note that a view could not apply a change; the view goes on without it."""
        with writing(self.engine) as connection:
            key = sa.and_(set_aside.c.view == view, set_aside.c.seq == seq)
            connection.execute(set_aside.delete().where(key))
            connection.execute(
                set_aside.insert().values(
                    view=view, seq=seq, record_id=record_id, error=error[:500], at=self._clock.now()
                )
            )

    def put_aside_rows(self, view: str | None = None) -> list[sa.Row[Any]]:
        query = sa.select(set_aside).order_by(set_aside.c.view, set_aside.c.seq)
        if view is not None:
            query = query.where(set_aside.c.view == view)
        with reading(self.engine) as connection:
            return list(connection.execute(query))

    def clear_aside(self, view: str) -> None:
        with writing(self.engine) as connection:
            connection.execute(set_aside.delete().where(set_aside.c.view == view))

    # ---- the state as a whole

    def state_hash(self, *, as_of: float | None = None) -> str:
        """A hash over the live records: bodies, kinds, links, validity; nothing of versions, times and touches."""
        total = hashlib.sha256()
        for record_id, data in self.state(as_of=as_of):
            total.update(dumps([record_id, state_of(data)]).encode())
        return total.hexdigest()

    def state(self, *, as_of: float | None = None, in_order: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """(id, content) of every live record, sorted by id or, ``in_order``, by place in the journal."""
        if as_of is not None:
            held = {r.version_id: r.id for r in self.records.find(as_of=as_of)}
            with reading(self.engine) as connection:
                rows = connection.execute(sa.select(versions.c.id, versions.c.data)).all()
            return sorted((held[row.id], json.loads(row.data)) for row in rows if row.id in held)
        query = (
            sa.select(records.c.id, versions.c.data)
            .join(versions, versions.c.id == records.c.version_id)
            .where(records.c.status == Status.ACTIVE.value)
            .order_by(records.c.created_seq if in_order else records.c.id)
        )
        with reading(self.engine) as connection:
            return [(row.id, json.loads(row.data)) for row in connection.execute(query)]

    def fold(self) -> dict[str, tuple[int | None, str]]:
        """Every record's state recomputed from the log alone; equals the records table (`agentmem audit` checks it)."""
        query = sa.select(changes.c.record_id, changes.c.after_version, changes.c.after_status).order_by(changes.c.seq)
        with reading(self.engine) as connection:
            return {row.record_id: (row.after_version, row.after_status) for row in connection.execute(query)}

    def table(self) -> dict[str, tuple[int | None, str]]:
        """Every record's state as the records table has it."""
        query = sa.select(records.c.id, records.c.version_id, records.c.status)
        with reading(self.engine) as connection:
            return {row.id: (row.version_id, row.status) for row in connection.execute(query)}

    def records_quoting(self, piece: str) -> list[str]:
        """Ids of records in which some version, past ones included, holds these words."""
        query = sa.select(versions.c.record_id).where(versions.c.data.contains(piece, autoescape=True)).distinct()
        with reading(self.engine) as connection:
            return sorted(connection.execute(query).scalars())

    def backup(self, target: Path) -> None:
        """A consistent copy of database, blobs and secret, made while the home is in use."""
        if target.exists() and any(target.iterdir()):
            raise BadInput(f"{target} is not empty; give a new folder for the backup")
        if self.engine.dialect.name != "sqlite":
            raise BadInput("a journal on a database server is backed up with that server's own tools (pg_dump)")
        import shutil
        import sqlite3

        target.mkdir(parents=True, exist_ok=True)
        with self.engine.connect() as connection:
            source: Any = connection.connection.driver_connection
            copy = sqlite3.connect(target / "journal.db.part")
            try:
                source.backup(copy, pages=4096)
            finally:
                copy.close()
        # blobs are never changed and only removed when nothing refers to them: copying after the database is safe
        if self.blobs.folder.exists():
            shutil.copytree(self.blobs.folder, target / "blobs", dirs_exist_ok=True)
        for name in ("secret", "agentmem.toml"):
            if (self.folder / name).exists():
                shutil.copy2(self.folder / name, target / name)
        os.replace(target / "journal.db.part", target / "journal.db")

    def shrink(self) -> bool:
        """Free the pages of what was redacted; False when an open reader keeps old text in the log."""
        return shrink(self.engine)


def _secret(path: Path, *, create: bool) -> bytes:
    """32 random bytes, made once and readable by the owner alone."""
    if path.exists():
        return path.read_bytes()
    if not create:
        return b""
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        os.link(draft, path)  # two processes may create the home at once: the first one's secret holds
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_bytes()
