"""Tables in an SQLite database in memory, and statements run on them under an authorizer.

Only SELECT, INSERT, UPDATE and DELETE on the known tables pass; ATTACH, PRAGMA, schema changes, extensions and a second
statement are refused, endless ones are stopped. It knows rows and SQL, no records and no model.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentmem.errors import Refused

Value = str | int | float | None
Row = dict[str, Value]

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ID = "_id"
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_WRITES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob"}
_SOURCE = re.compile(r"\bfrom\s+([a-z_]\w*)\s*(where\s.+?)?(?=\s+(?:group|order|limit)\b|;|\s*$)", re.I | re.S)


@dataclass(frozen=True)
class Result:
    """What one statement gave: the columns and rows of a SELECT, and the ids of the rows it read them from."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    ids: tuple[str, ...] = ()


class Tables:
    """``rows``: (table, id, values). Columns are those that any row of the table has, and those of ``schema``."""

    def __init__(
        self,
        rows: Iterable[tuple[str, str, Mapping[str, Any]]],
        schema: Mapping[str, Sequence[str]],
        *,
        most_rows: int,
        most_work: int,
    ) -> None:
        self._most_rows, self._most_work = most_rows, most_work
        held = [(checked(table), row_id, values) for table, row_id, values in rows]
        self.schema: dict[str, list[str]] = {checked(t): [checked(c) for c in columns] for t, columns in schema.items()}
        for table, _, values in held:
            columns = self.schema.setdefault(table, [])
            columns += [name for name in map(checked, values) if name not in columns]
        # the memory is asked from several threads, one at a time
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for table, columns in self.schema.items():
            self._db.execute(f"CREATE TABLE {table} ({', '.join([f'{_ID} TEXT PRIMARY KEY', *columns])})")
        for table, row_id, values in held:
            names = [_ID, *values]
            marks = ", ".join("?" for _ in names)
            self._db.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", [row_id, *values.values()])

    def close(self) -> None:
        self._db.close()

    def snapshot(self) -> dict[tuple[str, str], Row]:
        """Every row by (table, id); rows that a statement inserted have an id of their own making."""
        found: dict[tuple[str, str], Row] = {}
        for table, columns in self.schema.items():
            names = ["rowid", _ID, *columns]
            for rowid, row_id, *values in self._db.execute(f"SELECT {', '.join(names)} FROM {table}"):
                found[table, row_id or f"new-{rowid}"] = dict(zip(columns, values, strict=True))
        return found

    def run(self, statements: Sequence[str], *, write: bool) -> list[Result]:
        """Run statements in one transaction: all of them, or none and Refused with the reason.

        A later one may use ``:s1_total``: the column ``total`` of the first row that the first one gave.
        """
        results: list[Result] = []
        known: dict[str, Value] = {}
        self._db.execute("BEGIN")
        try:
            for place, statement in enumerate(statements, 1):
                results.append(self._run(statement, known, write))
                if results[-1].rows:
                    known |= {f"s{place}_{c}": v for c, v in zip(results[-1].columns, results[-1].rows[0], strict=True)}
        except (sqlite3.Error, sqlite3.Warning) as error:
            self._db.execute("ROLLBACK")
            raise Refused(f"the statement {len(results) + 1} of {len(statements)} is refused: {error}") from error
        self._db.execute("COMMIT")
        return results

    def _run(self, statement: str, known: Mapping[str, Value], write: bool) -> Result:
        allowed = _READS | _WRITES if write else _READS
        ticks = iter(range(self._most_work // 1000))

        def authorise(action: int, one: str | None, other: str | None, *_: str | None) -> int:
            is_known = action not in _WRITES or one in self.schema
            is_ours = action != sqlite3.SQLITE_UPDATE or other != _ID
            is_harmless = action != sqlite3.SQLITE_FUNCTION or (other or "").lower() not in _FORBIDDEN_FUNCTIONS
            return (
                sqlite3.SQLITE_OK if action in allowed and is_known and is_ours and is_harmless else sqlite3.SQLITE_DENY
            )

        self._db.set_authorizer(authorise)
        self._db.set_progress_handler(lambda: next(ticks, None) is None, 1000)
        try:
            cursor = self._db.execute(statement, known)
            columns = tuple(column[0] for column in cursor.description or ())
            rows = cursor.fetchmany(self._most_rows) if columns else []
            if not columns and cursor.rowcount > self._most_rows:
                raise sqlite3.OperationalError(f"it changes {cursor.rowcount} rows, at most {self._most_rows} may be")
            return Result(columns, tuple(map(tuple, rows)), self._read_from(statement, known))
        finally:
            self._db.set_authorizer(None)
            self._db.set_progress_handler(None, 0)

    def _read_from(self, statement: str, known: Mapping[str, Value]) -> tuple[str, ...]:
        """The ids of the rows that a SELECT from one table read, by its own condition; none for anything else."""
        source = _SOURCE.search(statement) if statement.lstrip()[:6].lower() == "select" else None
        if source is None or source[1].lower() not in self.schema:
            return ()
        try:
            found = self._db.execute(f"SELECT {_ID} FROM {source[1]} {source[2] or ''} ORDER BY {_ID}", known)
            return tuple(row_id for (row_id,) in found.fetchmany(self._most_rows) if row_id)
        except (sqlite3.Error, sqlite3.Warning):
            return ()  # a join, or an alias that the shortened statement has lost


def checked(name: str) -> str:
    """A table's or column's name, which is the only text that is put into SQL."""
    if not _NAME.fullmatch(name) or name == _ID:
        raise Refused(f"'{name}' cannot name a table or column; use small letters, digits and _")
    return name
