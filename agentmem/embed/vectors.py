"""The vectors of a home, computed once per text and kept by (embedder, row of the versions table).

Rows lie in a memory-mapped file, their owners in a small SQLite index: a row counts once its index row is committed,
and is on the disk before. Equal texts share a row; they are found by a hash keyed with the home's secret, so that what
is kept does not give a short text away. Knows nothing of namespaces, live sets or search.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from agentmem.contract import Embedder, Vectors
from agentmem.embed.rowfile import RowFile
from agentmem.embed.sidecar import in_parts, open_sidecar, shrink, writing
from agentmem.errors import HomeDamaged
from agentmem.records import Change

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vectors(row INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS owners(version_id INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY(version_id, digest)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_of_digest ON owners(digest);
"""
_DIGEST_BYTES = 16
_QUERIES_KEPT = 256


def model_folder(folder: Path, model_id: str) -> Path:
    """Where the vectors of one embedder lie below the home's ``vectors`` folder."""
    return folder / re.sub(r"[^A-Za-z0-9._-]", "_", model_id)


class KeptVectors:
    """The `VectorStore` of the contract. One process writes; others open ``readonly`` and compute what is missing.

    ``folder`` is the home's ``vectors`` folder; ``secret`` the home's 32 bytes.
    """

    def __init__(self, folder: Path, embedder: Embedder, secret: bytes, *, readonly: bool = False) -> None:
        self.folder = model_folder(folder, embedder.model_id)
        self._embedder, self._secret, self._readonly = embedder, secret, readonly
        self._lock = threading.RLock()
        self._queries: OrderedDict[str, Vectors] = OrderedDict()
        self._index: sqlite3.Connection | None = None
        self._file: RowFile | None = None
        self._free: list[int] = []  # rows below the high-water mark that nobody owns, the lowest last
        self._end = 0

    # ---- the contract

    def of_changes(self, changes: Sequence[Change]) -> Vectors:
        """(n, dim) for the n changes that have a record, in their order; computes, keeps and shares."""
        wanted = [(c.record.version_id, self._digest(c.text), c.text) for c in changes if c.record is not None]
        if not wanted:
            return np.zeros((0, self._embedder.dim), np.float32)
        with self._lock:
            opened = self._opened()
            if opened is None:  # a reader of a home that has no vectors yet
                return self._embedder.embed([text for _, _, text in wanted])
            index, file = opened
            file.remap()
            rows = self._rows_of(index, {digest for _, digest, _ in wanted})
            missing = {digest: text for _, digest, text in wanted if digest not in rows}
            fresh = self._embedder.embed(list(missing.values())) if missing else None
            computed = dict(zip(missing, fresh, strict=True)) if fresh is not None else {}
            if not self._readonly:
                self._keep(index, file, computed, {(version, digest) for version, digest, _ in wanted})
            out = np.empty((len(wanted), self._embedder.dim), np.float32)
            for i, (_, digest, _) in enumerate(wanted):
                out[i] = computed[digest] if digest in computed else file.rows[rows[digest]]
            return out

    def of_query(self, text: str) -> Vectors:
        """(dim,). The last questions are kept in memory only."""
        with self._lock:
            if text in self._queries:
                self._queries.move_to_end(text)
                return self._queries[text]
        vector: Vectors = self._embedder.embed([text])[0]
        with self._lock:
            self._queries[text] = vector
            while len(self._queries) > _QUERIES_KEPT:
                self._queries.popitem(last=False)
        return vector

    # ---- what the core needs besides

    def has(self, changes: Sequence[Change]) -> list[bool]:
        """For each change whether nothing would have to be computed (to say how far a re-indexing has come)."""
        digests = [self._digest(c.text) if c.record is not None else None for c in changes]
        with self._lock:
            opened = self._opened()
            known = set(self._rows_of(opened[0], {d for d in digests if d is not None})) if opened else set()
        return [digest is None or digest in known for digest in digests]

    def count(self) -> int:
        """How many different texts have a vector."""
        with self._lock:
            opened = self._opened()
            return int(opened[0].execute("SELECT count(*) FROM vectors").fetchone()[0]) if opened else 0

    def purge(self, version_ids: Iterable[int]) -> int:
        """Zero the vectors that only these versions own and forget their hashes; returns how many. May be repeated."""
        with self._lock:
            self._queries.clear()
            opened = self._opened()
            if opened is None or self._readonly:
                return 0
            index, file = opened
            orphans = self._disown(index, version_ids)
            self._find_free(index)
            file.clear_all_but([row for (row,) in index.execute("SELECT row FROM vectors")])
            file.sync()
            shrink(index)
            return orphans

    def close(self) -> None:
        with self._lock:
            if self._index is not None:
                self._index.close()
            if self._file is not None:
                self._file.close()
            self._index = self._file = None
            self._queries.clear()

    # ---- inside

    def _digest(self, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._secret[:64], digest_size=_DIGEST_BYTES).digest()

    def _opened(self) -> tuple[sqlite3.Connection, RowFile] | None:
        if self._index is not None and self._file is not None:
            return self._index, self._file
        database = self.folder / "index.db"
        if self._readonly and not database.exists():
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        index = open_sidecar(database, _SCHEMA, readonly=self._readonly)
        self._check_model(index)
        self._file = RowFile(self.folder / "vectors.f32", self._embedder.dim, readonly=self._readonly)
        self._index = index
        if not self._readonly:
            self._drop_lost(index, len(self._file.rows))
            self._find_free(index)
        return index, self._file

    def _check_model(self, index: sqlite3.Connection) -> None:
        ours = {"model": self._embedder.model_id, "dim": str(self._embedder.dim)}
        theirs = dict(index.execute("SELECT key, value FROM meta"))
        if not theirs and not self._readonly:
            index.executemany("INSERT INTO meta VALUES(?, ?)", ours.items())
        elif theirs != ours:
            index.close()
            raise HomeDamaged(
                f"the vectors in {self.folder.name} were made by {theirs.get('model')} with {theirs.get('dim')} "
                f"numbers, the embedder is {ours['model']} with {ours['dim']}; run 'agentmem reindex'"
            )

    def _rows_of(self, index: sqlite3.Connection, digests: Iterable[bytes]) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for marks, part in in_parts(digests):
            found.update(index.execute(f"SELECT digest, row FROM vectors WHERE digest IN ({marks})", part))
        return found

    def _keep(
        self,
        index: sqlite3.Connection,
        file: RowFile,
        computed: dict[bytes, Vectors],
        owners: set[tuple[int, bytes]],
    ) -> None:
        if computed:
            places = [self._free.pop() for _ in range(min(len(self._free), len(computed)))]
            places += range(self._end, self._end + len(computed) - len(places))
            self._end = max(self._end, max(places) + 1)
            file.write(places, np.stack(list(computed.values())))
            file.sync()
            with writing(index):
                index.executemany("INSERT INTO vectors VALUES(?, ?)", zip(places, computed, strict=True))
                index.executemany("INSERT OR IGNORE INTO owners VALUES(?, ?)", owners)
        else:
            new = [
                o
                for o in owners
                if not index.execute("SELECT 1 FROM owners WHERE (version_id, digest) = (?, ?)", o).fetchone()
            ]
            if new:
                with writing(index):
                    index.executemany("INSERT OR IGNORE INTO owners VALUES(?, ?)", new)

    def _disown(self, index: sqlite3.Connection, version_ids: Iterable[int]) -> int:
        """Delete the owners and then the index rows that have none left."""
        orphans = 0
        with writing(index):
            for marks, part in in_parts(version_ids):
                digests = {
                    digest
                    for (digest,) in index.execute(f"SELECT digest FROM owners WHERE version_id IN ({marks})", part)
                }
                index.execute(f"DELETE FROM owners WHERE version_id IN ({marks})", part)
                for some, group in in_parts(digests):
                    orphans += index.execute(
                        f"DELETE FROM vectors WHERE digest IN ({some}) "
                        "AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.digest = vectors.digest)",
                        group,
                    ).rowcount
        return orphans

    def _drop_lost(self, index: sqlite3.Connection, capacity: int) -> None:
        """Forget rows that the file does not hold (it was cut or deleted): they are computed again."""
        if index.execute("SELECT 1 FROM vectors WHERE row >= ?", (capacity,)).fetchone():
            with writing(index):
                index.execute("DELETE FROM vectors WHERE row >= ?", (capacity,))
                index.execute("DELETE FROM owners WHERE digest NOT IN (SELECT digest FROM vectors)")

    def _find_free(self, index: sqlite3.Connection) -> None:
        owned = np.array([row for (row,) in index.execute("SELECT row FROM vectors")], np.int64)
        self._end = int(owned.max()) + 1 if len(owned) else 0
        free = np.ones(self._end, bool)
        free[owned] = False
        self._free = np.flatnonzero(free)[::-1].tolist()
