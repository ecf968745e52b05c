"""How the small SQLite files beside vectors and indexes are opened: WAL, deletes that leave nothing, one writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANY = 500  # values bound in one statement


def open_sidecar(path: Path, schema: str, *, readonly: bool = False) -> sqlite3.Connection:
    """An autocommit connection for several threads under the caller's lock."""
    uri = f"{path.absolute().as_uri()}{'?mode=ro' if readonly else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute("PRAGMA temp_store=MEMORY")
    if not readonly:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # the journal is the truth; this can be made again
        connection.executescript(schema)
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def shrink(connection: sqlite3.Connection) -> None:
    """Rewrite the file without free pages and empty its log."""
    connection.execute("VACUUM")
    for _ in range(2):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def in_parts(values: Iterable[Any]) -> Iterator[tuple[str, list[Any]]]:
    """("?,?,…", values) in parts that fit one statement."""
    items = list(values)
    for start in range(0, len(items), MANY):
        part = items[start : start + MANY]
        yield ",".join("?" * len(part)), part
