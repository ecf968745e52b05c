"""Opens the database under the journal: one place for pragmas, locking and the difference between the engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, OperationalError

from agentmem.errors import HomeBusy, HomeDamaged
from agentmem.journal.prepared import driver_of, fail

_MOST_IDLE = 4
_LOCK_KEY = 0x6167656E  # PostgreSQL advisory lock, held to commit so that sequence numbers become visible in order


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def open_engine(url: str, *, readonly: bool = False, synchronous: str = "FULL", busy_ms: int = 5000) -> sa.Engine:
    """An engine whose write transactions take the write lock at once and whose deletes leave no text behind."""
    if readonly and url.startswith("sqlite:///"):
        url = f"sqlite:///file:{url.removeprefix('sqlite:///')}?mode=ro&uri=true"
    engine = sa.create_engine(url, execution_options={"idle": []})
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, see below
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")
        connection.execute("PRAGMA secure_delete=ON")  # off in some builds; without it purged text stays in free pages
        connection.execute("PRAGMA temp_store=MEMORY")  # no copy of a text in a temporary file
        connection.execute("PRAGMA cache_size=-32000")
        if not readonly:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        text = "BEGIN IMMEDIATE" if connection.get_execution_options().get("write", False) else "BEGIN"
        try:
            driver_of(connection).execute(text)
        except sqlite3.Error as error:
            fail(text, error)

    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A write transaction, alone: sequence numbers taken inside become visible in their order."""
    try:
        with engine.connect() as connection, connection.execution_options(write=True).begin():
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            yield connection
    except DatabaseError as error:
        if isinstance(error, OperationalError) and "locked" in str(error):
            raise HomeBusy("another process holds the journal's write lock for more than 5 s; try again") from error
        _tell_damage(engine, error)
        raise


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A short read transaction; close it at once, an open one holds back the physical half of a purge."""
    connection: sa.Connection | None = None
    try:
        connection = _idle_or_new(engine)
        yield connection
        if connection.in_transaction():
            connection.rollback()
    except BaseException as error:
        if connection is not None:
            connection.close()
        _tell_damage(engine, error)
        raise
    idle = _idle(engine)
    if len(idle) < _MOST_IDLE:
        idle.append(connection)
    else:
        connection.close()


def close(engine: sa.Engine) -> None:
    """Let go of all connections."""
    idle = _idle(engine)
    while idle:
        idle.pop().close()
    engine.dispose()


def _idle(engine: sa.Engine) -> list[sa.Connection]:
    """Connections with nothing open, for whoever reads next: SQLAlchemy takes longer for one than SQLite to read."""
    found: list[sa.Connection] = engine.get_execution_options()["idle"]
    return found


def _idle_or_new(engine: sa.Engine) -> sa.Connection:
    try:
        return _idle(engine).pop()
    except IndexError:
        return engine.connect()


def _tell_damage(engine: sa.Engine, error: BaseException) -> None:
    """Raise HomeDamaged when that is what an error means."""
    if isinstance(error, DatabaseError) and ("malformed" in str(error) or "not a database" in str(error)):
        where = f"{engine.url.database} is damaged; restore a backup made by 'agentmem backup'"
        raise HomeDamaged(where) from error


def shrink(engine: sa.Engine) -> bool:
    """Rewrite the database without free pages and empty the write-ahead log; False when a reader stood in the way."""
    if engine.dialect.name != "sqlite":
        return False
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("VACUUM")
        busy = True
        for _ in range(2):  # the first empties the log, the second sees it empty
            busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0
        return not busy
