"""Statements that run several times a turn: SQLAlchemy writes them once, and SQLite's driver runs them.

SQLAlchemy's way to the driver takes some 90 µs a statement; SQLite itself is done with most of these in 10. On another
database they go through SQLAlchemy like all others. Either way rows have their columns as attributes, errors are
SQLAlchemy's, and the connection's transaction is the one that counts.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

_DIALECT = sqlite.dialect(paramstyle="qmark")
_TEXTS = 500  # of one statement, by the lengths of its lists


class Prepared:
    """A select, or a delete, whose values are its named parameters; an expanding one is given a list.

    Unless the connection has begun a transaction, each is a read of its own: begin where several must agree.
    """

    def __init__(self, statement: sa.Select[Any] | sa.Delete) -> None:
        self._statement = statement
        self._compiled: Any = statement.compile(dialect=_DIALECT)
        self._texts: dict[tuple[int, ...], str] = {}
        columns = [str(column.key) for column in statement.selected_columns] if isinstance(statement, sa.Select) else []
        self._row: Any = namedtuple("Row", columns)  # type: ignore[misc]

    def rows(self, connection: sa.Connection, **values: Any) -> Sequence[Any]:
        """All rows, read at once."""
        if not _is_direct(connection):
            return connection.execute(self._statement, values).all()
        return list(map(self._row._make, self._run(connection, values)))

    def first(self, connection: sa.Connection, **values: Any) -> Any:
        """The first row; None when there is none."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def run(self, connection: sa.Connection, **values: Any) -> None:
        """Carry it out; nothing is read."""
        if _is_direct(connection):
            self._run(connection, values)
        else:
            connection.execute(self._statement, values)

    def _run(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[Any]:
        given = {**self._compiled.params, **values}
        sizes: list[int] = []
        bound: list[Any] = []
        for name in self._compiled.positiontup:
            value = given[name]
            if isinstance(value, list):
                sizes.append(len(value))
                bound += value
            else:
                bound.append(value)
        text = self._texts.get(tuple(sizes)) or self._text(tuple(sizes), given)
        try:
            return driver_of(connection).execute(text, bound).fetchall()
        except sqlite3.Error as error:
            fail(text, error)

    def _text(self, sizes: tuple[int, ...], values: Mapping[str, Any]) -> str:
        if len(self._texts) >= _TEXTS:
            self._texts.clear()
        text = self._texts[sizes] = str(self._compiled.construct_expanded_state(values).statement)
        return text


class PreparedInsert:
    """Rows into one table; each names every column."""

    def __init__(self, table: sa.Table) -> None:
        self._statement = table.insert()
        compiled: Any = self._statement.compile(dialect=_DIALECT)
        self._text, self._names = str(compiled), compiled.positiontup

    def run(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert inside the connection's transaction."""
        assert connection.in_transaction(), "only a write transaction inserts"
        if not _is_direct(connection):
            connection.execute(self._statement, rows)
            return
        bound = [[row[name] for name in self._names] for row in rows]
        try:
            driver_of(connection).executemany(self._text, bound)
        except sqlite3.Error as error:
            fail(self._text, error)


def _is_direct(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def driver_of(connection: sa.Connection) -> sqlite3.Connection:
    """SQLite's own connection under one of SQLAlchemy's."""
    driver: Any = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection), "only asked for on SQLite"
    return driver


def fail(text: str, error: sqlite3.Error) -> NoReturn:
    """Raise the driver's error as SQLAlchemy would have."""
    raise sa.exc.DBAPIError.instance(text, None, error, sqlite3.Error, hide_parameters=True) from error
