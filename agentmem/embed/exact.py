"""Exact search over the vectors of one view: a mapped matrix, codes for what a query may filter by, and the cursor.

A view's own copy of its live rows, so that a search of everything is one matrix product and a purge is over when this
folder is clean. Results are a function of the live set: candidates are scored again row by row, rounded, and ties are
broken by id. Knows vectors, ids and facets; no texts, no embedder, no journal.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmem.contract import Vectors
from agentmem.embed.rowfile import RowFile
from agentmem.embed.sidecar import open_sidecar, shrink, writing
from agentmem.errors import BadInput
from agentmem.records import Change, Namespace, Record, path_of

FACETS = ("namespace", "kind", "speaker", "session", "thread", "subject")
_FILTERS = frozenset(FACETS[1:])
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS live(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
    namespace TEXT NOT NULL, kind TEXT NOT NULL, speaker TEXT NOT NULL, session TEXT NOT NULL, thread TEXT NOT NULL,
    subject TEXT NOT NULL);
"""
_DEAD = -1
_DECIMALS = 6
_SLACK = 1e-5  # by how much two ways of summing 32-bit products may differ
_GATHER_BELOW = 0.25  # share of the rows below which picking them costs less than a product with all

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scored:
    """A record's id with its cosine, rounded to six places."""

    id: str
    score: float


class ExactIndex:
    """The live vectors of a view in ``folder``. One process writes; readers open ``readonly`` and see its commits.

    ``signature`` names what the rows were made with (embedder and dimension); rows of another signature are dropped,
    and `applied` is 0 again, so that the core applies everything anew.
    """

    def __init__(self, folder: Path, dim: int, signature: str, *, readonly: bool = False) -> None:
        self._folder, self._dim, self._signature, self._readonly = folder, dim, signature, readonly
        self._lock = threading.RLock()
        self._table: sqlite3.Connection | None = None
        self._file: RowFile | None = None
        self._seen = -1  # data_version of the last load
        self._empty()

    # ---- writing

    def write(self, changes: Sequence[Change], vectors: Vectors) -> None:
        """Put in what has a record (``vectors`` are theirs, in order), take out what has none. Idempotent."""
        with self._lock:
            table, file = self._opened()
            last = {change.record_id: i for i, change in enumerate(changes)}
            order = {i: place for place, i in enumerate(i for i, c in enumerate(changes) if c.record is not None)}
            gone = [changes[i].record_id for i in last.values() if changes[i].record is None]
            kept = [i for i in last.values() if changes[i].record is not None]
            places = self._places([changes[i].record_id for i in kept])
            freed = [self._row[record_id] for record_id in gone if record_id in self._row]
            values = [
                (row, changes[i].record_id, changes[i].seq, _facets(changes[i].record))
                for row, i in zip(places, kept, strict=True)
            ]
            try:
                file.write(places, vectors[[order[i] for i in kept]] if kept else vectors[:0])
                file.sync()
                with writing(table):
                    table.executemany("DELETE FROM live WHERE row = ?", [(row,) for row in freed])
                    table.executemany(
                        "INSERT OR REPLACE INTO live VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        [(row, record_id, seq, *facets) for row, record_id, seq, facets in values],
                    )
                file.clear(freed)
            except BaseException:
                self.close()  # what is in memory may be ahead of the files: load them anew
                raise
            for record_id in gone:
                self._remove(record_id)
            self._reserve(max(places, default=-1) + 1)
            for row, record_id, seq, facets in values:
                self._insert(row, record_id, seq, facets)

    @property
    def applied(self) -> int:
        """The number last given to `mark`; 0 for a new index."""
        return int(self.note("applied") or 0)

    def mark(self, seq: int) -> None:
        """Commit the cursor; a reader has none of its own."""
        if not self._readonly:
            self.put_note("applied", str(seq))

    def note(self, key: str) -> str | None:
        """A small text kept with the index, or None."""
        with self._lock:
            if not self._exists():
                return None
            row = self._opened()[0].execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            return None if row is None else str(row[0])

    def put_note(self, key: str, value: str) -> None:
        with self._lock:
            self._opened()[0].execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))

    def drop_notes(self, *keys: str) -> None:
        with self._lock, writing(self._opened()[0]):
            self._opened()[0].executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])

    def erase(self) -> None:
        """Zero every row that is not live and rewrite the table without what was deleted from it."""
        with self._lock:
            if self._exists() and not self._readonly:
                table, file = self._opened()
                file.clear_all_but(list(self._row.values()))
                file.sync()
                shrink(table)

    def close(self) -> None:
        with self._lock:
            if self._table is not None:
                self._table.close()
            if self._file is not None:
                self._file.close()
            self._table = self._file = None
            self._seen = -1
            self._empty()

    # ---- reading

    def __len__(self) -> int:
        with self._lock:
            self._load_if_changed()
            return len(self._row)

    def __contains__(self, record_id: str) -> bool:
        with self._lock:
            self._load_if_changed()
            return record_id in self._row

    def search(
        self,
        vector: Vectors,
        k: int,
        *,
        namespace: Namespace = (),
        filters: Mapping[str, Any] | None = None,
        after: int | None = None,
    ) -> list[Scored]:
        """The k best by cosine, best first; ``after`` restricts to what was written after that sequence number."""
        with self._lock:
            file = self._load_if_changed()
            if file is None or k <= 0 or not self._row:
                return []
            mask = self._mask(namespace, filters or {}, after)
            chosen = np.flatnonzero(mask)
            if not len(chosen):
                return []
            if len(chosen) < _GATHER_BELOW * self._end:
                scores = file.rows[chosen] @ vector
            else:
                scores = (file.rows[: self._end] @ vector)[chosen]
            if len(chosen) > k:
                floor = np.partition(scores, len(scores) - k)[len(scores) - k] - _SLACK
                chosen = chosen[scores >= floor]
            return self._rescored(file, chosen, vector)[:k]

    def score(self, vector: Vectors, record_ids: Iterable[str]) -> list[Scored]:
        """Exact scores of these records, best first; ids that are not live are left out."""
        with self._lock:
            file = self._load_if_changed()
            rows = [self._row[i] for i in dict.fromkeys(record_ids) if i in self._row]
            return self._rescored(file, np.array(rows, np.int64), vector) if file is not None and rows else []

    def vectors(self, record_ids: Sequence[str]) -> Vectors:
        """(len(record_ids), dim), copies; every id must be live."""
        with self._lock:
            file = self._load_if_changed()
            assert file is not None, "live ids lie in an open file"
            out: Vectors = np.array(file.rows[[self._row[i] for i in record_ids]])
            return out

    def written_after(self, seq: int, limit: int | None = None) -> list[tuple[int, str]]:
        """(sequence number, id) of live rows written after ``seq``, in that order."""
        with self._lock:
            self._load_if_changed()
            rows = np.flatnonzero((self._seqs[: self._end] > seq) & (self._codes[0, : self._end] != _DEAD))
            rows = rows[np.argsort(self._seqs[rows], kind="stable")][:limit]
            return [(int(self._seqs[row]), self._ids[row]) for row in rows]

    def ids(self) -> list[str]:
        with self._lock:
            self._load_if_changed()
            return sorted(self._row)

    # ---- inside: memory

    def _empty(self) -> None:
        self._row: dict[str, int] = {}
        self._ids: list[str] = []
        self._codes = np.full((len(FACETS), 0), _DEAD, np.int32)
        self._seqs = np.zeros(0, np.int64)
        self._values: list[dict[str, int]] = [{} for _ in FACETS]
        self._free: list[int] = []
        self._end = 0
        self._scopes: dict[str, Mask] = {}

    def _reserve(self, rows: int) -> None:
        if rows > len(self._seqs):
            capacity = max(rows, 1024, len(self._seqs) * 3 // 2)
            codes = np.full((len(FACETS), capacity), _DEAD, np.int32)
            codes[:, : self._end] = self._codes[:, : self._end]
            seqs = np.zeros(capacity, np.int64)
            seqs[: self._end] = self._seqs[: self._end]
            self._codes, self._seqs = codes, seqs
        self._ids += [""] * (rows - len(self._ids))

    def _insert(self, row: int, record_id: str, seq: int, facets: Sequence[str]) -> None:
        self._row[record_id], self._ids[row], self._seqs[row] = row, record_id, seq
        for facet, (value, codes) in enumerate(zip(facets, self._values, strict=True)):
            if value not in codes:
                codes[value] = len(codes)
                self._scopes.clear()
            self._codes[facet, row] = codes[value]
        self._end = max(self._end, row + 1)

    def _remove(self, record_id: str) -> None:
        row = self._row.pop(record_id, None)
        if row is not None:
            self._ids[row] = ""
            self._codes[:, row] = _DEAD
            self._free.append(row)

    def _places(self, record_ids: Sequence[str]) -> list[int]:
        """The row of each id: its own, a free one, or a new one behind the last."""
        places, new = [], self._end
        for record_id in record_ids:
            place = self._row.get(record_id)
            if place is None:
                place = self._free.pop() if self._free else new
                new = max(new, place + 1)
            places.append(place)
        return places

    def _mask(self, namespace: Namespace, filters: Mapping[str, Any], after: int | None) -> Mask:
        unknown = set(filters) - _FILTERS
        if unknown:
            raise BadInput(f"no filter named '{min(unknown)}'; known: {', '.join(sorted(_FILTERS))}")
        codes = self._codes[:, : self._end]
        mask: Mask = self._in_scope(namespace)[codes[0]] if namespace else codes[0] != _DEAD
        for name, wanted in filters.items():
            facet = FACETS.index(name)
            values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Collection) else wanted
            allowed = [self._values[facet].get("" if value is None else str(value), _DEAD - 1) for value in values]
            mask &= np.isin(codes[facet], allowed)
        if after is not None:
            mask &= self._seqs[: self._end] > after
        return mask

    def _in_scope(self, namespace: Namespace) -> Mask:
        """For every namespace code whether it lies in the scope; the last entry, of code -1, is False."""
        path = path_of(namespace)
        if path not in self._scopes:
            allowed = np.zeros(len(self._values[0]) + 1, bool)
            allowed[[code for value, code in self._values[0].items() if value.startswith(path)]] = True
            self._scopes[path] = allowed
        return self._scopes[path]

    def _rescored(self, file: RowFile, rows: NDArray[np.int64], vector: Vectors) -> list[Scored]:
        # each row is summed by itself: a matrix product's last bits depend on where a row stands
        exact = (file.rows[rows].astype(np.float64) * vector.astype(np.float64)).sum(axis=1).round(_DECIMALS)
        scored = [Scored(self._ids[row], float(score)) for row, score in zip(rows, exact, strict=True)]
        return sorted(scored, key=lambda s: (-s.score, s.id))

    # ---- inside: files

    def _exists(self) -> bool:
        return self._table is not None or (self._folder / "exact.db").exists()

    def _opened(self) -> tuple[sqlite3.Connection, RowFile]:
        if self._table is None or self._file is None:
            if not self._readonly:
                self._folder.mkdir(parents=True, exist_ok=True)
            table = open_sidecar(self._folder / "exact.db", _SCHEMA, readonly=self._readonly)
            if not self._readonly and not self._fits(table):
                with writing(table):
                    table.execute("DELETE FROM live")
                    table.execute("DELETE FROM meta")
                    table.execute("INSERT INTO meta VALUES('signature', ?)", (self._signature,))
                (self._folder / "exact.f32").unlink(missing_ok=True)
            self._file = RowFile(self._folder / "exact.f32", self._dim, readonly=self._readonly)
            self._table = table
            self._load(table)
        return self._table, self._file

    def _fits(self, table: sqlite3.Connection) -> bool:
        """Whether the rows were made as ours are, and the file holds them all (it may have been cut or deleted)."""
        known = table.execute("SELECT value FROM meta WHERE key = 'signature'").fetchone()
        last = table.execute("SELECT max(row) FROM live").fetchone()[0]
        file = self._folder / "exact.f32"
        size = file.stat().st_size if file.exists() else 0
        return (
            known is not None and known[0] == self._signature and (last is None or size >= (last + 1) * self._dim * 4)
        )

    def _load_if_changed(self) -> RowFile | None:
        """Open on first use; in a reader, load again what the owner has committed since."""
        if not self._exists():
            return None
        table, file = self._opened()
        if self._readonly and table.execute("PRAGMA data_version").fetchone()[0] != self._seen:
            self._load(table)
            file.remap()
        return file

    def _load(self, table: sqlite3.Connection) -> None:
        self._empty()
        self._seen = table.execute("PRAGMA data_version").fetchone()[0]
        last = table.execute("SELECT max(row) FROM live").fetchone()[0]
        self._reserve(0 if last is None else last + 1)
        for live in table.execute("SELECT row, id, seq, namespace, kind, speaker, session, thread, subject FROM live"):
            self._insert(live[0], live[1], live[2], live[3:])
        self._free = np.flatnonzero(self._codes[0, : self._end] == _DEAD)[::-1].tolist()


def _facets(record: Record | None) -> tuple[str, ...]:
    assert record is not None, "only what has a record is written"
    return (
        path_of(record.namespace),
        record.kind,
        record.speaker or "",
        record.session or "",
        record.thread or "",
        record.subject or "",
    )
