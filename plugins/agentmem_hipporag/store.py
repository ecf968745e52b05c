"""What the graph keeps on disk: names, sources with their edges, and word counts, in one SQLite file.

The file is the truth of the view; arrays and segments are made from it. Every table can be told by source, so an
insertion or a removal touches the rows of that source only. Knows SQL and arrays, nothing of ranking.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from agentmem_hipporag.edges import Ints
from agentmem_hipporag.names import loose_key

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node(id INTEGER PRIMARY KEY, page INTEGER NOT NULL, key TEXT NOT NULL, loose TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS node_key ON node(key, page);
CREATE INDEX IF NOT EXISTS node_loose ON node(loose) WHERE loose IS NOT NULL;
CREATE TABLE IF NOT EXISTS token(token TEXT NOT NULL, node INTEGER NOT NULL, PRIMARY KEY(token, node)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS source(
  id INTEGER PRIMARY KEY, live INTEGER NOT NULL, record TEXT NOT NULL, print TEXT NOT NULL, page INTEGER NOT NULL,
  row INTEGER, path TEXT NOT NULL, kind TEXT NOT NULL, speaker TEXT, session TEXT, thread TEXT,
  edges BLOB NOT NULL, words BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS source_record ON source(record) WHERE live;
CREATE INDEX IF NOT EXISTS source_page ON source(page) WHERE live;
CREATE INDEX IF NOT EXISTS source_path ON source(path) WHERE live;
CREATE TABLE IF NOT EXISTS ended(source INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS word(
  word TEXT NOT NULL, path TEXT NOT NULL, plain INTEGER NOT NULL, capital INTEGER NOT NULL,
  PRIMARY KEY(word, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempt(record TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
"""
SYNONYMS = "\x02synonyms"  # record and kind of the edges between names; they belong to every scope in which both live
FILTERS = ("kind", "speaker", "session", "thread")
_AT_A_TIME = 500  # parameters in one statement


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One version of one record, as the graph holds it; `print` tells one content from another.

    `row` is the place of a passage among the vectors, None for what was read out of another passage.
    """

    id: int
    record: str
    print: str
    page: int
    row: int | None
    path: str
    edges: Ints
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which sources a question may see: a path prefix, and allowed values of columns."""

    path: str = "/"
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def is_everything(self) -> bool:
        return self.path == "/" and not self.filters


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _AT_A_TIME):
        yield items[start : start + _AT_A_TIME]


def _edges(blob: bytes) -> Ints:
    return np.frombuffer(blob, dtype=np.int32).reshape(-1, 3)


class Store:
    """The file. Not thread-safe by itself; the memory holds one lock around it."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Readonly nothing is made or changed; a file that is missing then counts as an empty one."""
        self._counts: dict[tuple[str, str], list[int]] = {}
        if readonly:
            where = f"file:{quote(str(path))}?mode=ro" if path.exists() else "file::memory:"
            self.db = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON", "cache_size=-32000"):
                self.db.execute(f"PRAGMA {pragma}")
        if not (readonly and path.exists()):
            self.db.executescript(_SCHEMA)
        if readonly:
            self.db.execute("PRAGMA query_only=ON")

    def close(self) -> None:
        self.db.close()

    def make(self, schema: str) -> None:
        """Tables of a part that is not always there."""
        if not self.db.execute("PRAGMA query_only").fetchone()[0]:
            for statement in filter(str.strip, schema.split(";")):
                self.db.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._write_counts()
        except BaseException:
            self.db.execute("ROLLBACK")
            self._counts = {}
            raise
        self.db.execute("COMMIT")

    # ---- settings of the file

    def meta(self, key: str, default: str = "") -> str:
        row = self.db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return default if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES(?,?)", (key, value))

    # ---- nodes

    def n_nodes(self) -> int:
        return int(self.db.execute("SELECT coalesce(max(id),-1)+1 FROM node").fetchone()[0])

    def name_ids(self, keys: Iterable[str]) -> dict[str, int]:
        """The nodes of these names, made where they are missing; ids are given without gaps."""
        wanted = list(dict.fromkeys(keys))
        found = self.find_names(wanted)
        next_id = self.n_nodes()
        for key in wanted:
            if key in found:
                continue
            loose = loose_key(key)
            self.db.execute("INSERT INTO node VALUES(?,0,?,?)", (next_id, key, loose if loose != key else None))
            self.db.executemany("INSERT INTO token VALUES(?,?)", [(t, next_id) for t in set(loose.split())])
            found[key] = next_id
            next_id += 1
        return found

    def page_id(self, record: str) -> int:
        """The node of a passage, made when it is missing."""
        row = self.db.execute("SELECT id FROM node WHERE key=? AND page=1", (record,)).fetchone()
        if row is not None:
            return int(row[0])
        made = self.n_nodes()
        self.db.execute("INSERT INTO node VALUES(?,1,?,NULL)", (made, record))
        return made

    def find_names(self, keys: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for batch in _batches(keys):
            marks = ",".join("?" * len(batch))
            found.update(self.db.execute(f"SELECT key,id FROM node WHERE page=0 AND key IN ({marks})", batch))
        return found

    def find_loose(self, loose: Sequence[str]) -> dict[str, list[int]]:
        """Names whose loose form is one of these, their own key included."""
        found: dict[str, list[int]] = {}
        for batch in _batches(loose):
            marks = ",".join("?" * len(batch))
            for form, node in self.db.execute(
                f"SELECT loose,id FROM node WHERE loose IN ({marks}) UNION SELECT key,id FROM node WHERE page=0 AND"
                f" key IN ({marks}) ORDER BY id",
                [*batch, *batch],
            ):
                found.setdefault(form, []).append(node)
        return found

    def with_token(self, token: str) -> Ints:
        """Nodes whose name has this word in it (in its loose form)."""
        rows = self.db.execute("SELECT node FROM token WHERE token=?", (token,)).fetchall()
        return np.array([r[0] for r in rows], dtype=np.int32)

    def keys_of(self, nodes: Iterable[int]) -> dict[int, str]:
        """Names, and record ids of passages."""
        found: dict[int, str] = {}
        for batch in _batches([str(int(n)) for n in nodes]):
            marks = ",".join("?" * len(batch))
            found.update(self.db.execute(f"SELECT id,key FROM node WHERE id IN ({marks})", [int(b) for b in batch]))
        return found

    # ---- sources

    def add_source(
        self,
        record: str,
        content: str,
        page: int,
        row: int | None,
        path: str,
        columns: Mapping[str, str | None],
        edges: Ints,
        words: Sequence[str],
    ) -> int:
        """Write a source; `words` are told with their case and counted under the path."""
        cursor = self.db.execute(
            "INSERT INTO source(live,record,print,page,row,path,kind,speaker,session,thread,edges,words)"
            " VALUES(1,?,?,?,?,?,?,?,?,?,?,?)",
            (
                record, content, page, row, path, columns.get("kind") or "", columns.get("speaker"),
                columns.get("session"), columns.get("thread"), edges.astype(np.int32).tobytes(),
                " ".join(words).encode(),
            ),
        )  # fmt: skip
        self._count_words(path, words, 1)
        assert cursor.lastrowid is not None
        return cursor.lastrowid - 1

    def end_source(self, source: SourceRow) -> None:
        """The source counts no longer; its row goes with the next compaction."""
        self.db.execute("UPDATE source SET live=0 WHERE id=?", (source.id + 1,))
        self.db.execute("INSERT OR IGNORE INTO ended VALUES(?)", (source.id,))
        self._count_words(source.path, source.words, -1)

    def forget_ended(self) -> None:
        """Delete the rows of sources that no longer count, once no segment refers to them."""
        self.db.execute("DELETE FROM source WHERE NOT live")
        self.db.execute("DELETE FROM ended")

    def _count_words(self, path: str, words: Sequence[str], sign: int) -> None:
        """Noted now, written at the end of the transaction: most words come again in the same batch."""
        for word in words:
            held = self._counts.setdefault((word.casefold(), path), [0, 0])
            held[not word.islower()] += sign

    def _write_counts(self) -> None:
        self.db.executemany(
            "INSERT INTO word VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET plain=plain+excluded.plain,"
            " capital=capital+excluded.capital",
            [(word, path, plain, capital) for (word, path), (plain, capital) in self._counts.items()],
        )
        self._counts = {}

    def _source(self, row: tuple[int, str, str, int, int | None, str, bytes, bytes]) -> SourceRow:
        return SourceRow(
            row[0] - 1, row[1], row[2], row[3], row[4], row[5], _edges(row[6]), tuple(row[7].decode().split())
        )

    def live_source(self, record: str) -> SourceRow | None:
        row = self.db.execute(
            "SELECT id,record,print,page,row,path,edges,words FROM source WHERE record=? AND live", (record,)
        ).fetchone()
        return None if row is None else self._source(row)

    def edges_from(self, first: int) -> Iterator[tuple[int, int, int | None, Ints]]:
        """(source, page, vector row, edges) of all sources from this one on, ended ones too, in order."""
        query = "SELECT id,page,row,edges FROM source WHERE id>? ORDER BY id"
        for sid, page, row, blob in self.db.execute(query, (first,)):
            yield sid - 1, page, row, _edges(blob)

    def edges_of(self, source: int) -> tuple[int, Ints]:
        page, blob = self.db.execute("SELECT page,edges FROM source WHERE id=?", (source + 1,)).fetchone()
        return page, _edges(blob)

    def n_sources(self) -> int:
        return int(self.db.execute("SELECT coalesce(max(id),0) FROM source").fetchone()[0])

    def n_rows(self) -> int:
        """The first place among the vectors that nothing refers to."""
        return int(self.db.execute("SELECT coalesce(max(row),-1)+1 FROM source").fetchone()[0])

    def unread(self, limit: int) -> list[str]:
        """Passages out of which nothing was read yet, those first that were tried least often."""
        rows = self.db.execute(
            "SELECT record FROM source s LEFT JOIN attempt USING(record) WHERE s.live AND s.row IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM source e WHERE e.page=s.page AND e.live AND e.row IS NULL)"
            " ORDER BY coalesce(attempt.times,0), s.id LIMIT ?",
            (limit,),
        )
        return [r[0] for r in rows]

    def note_attempt(self, record: str) -> None:
        """A passage could not be read; others go first from now on."""
        self.db.execute("INSERT INTO attempt VALUES(?,1) ON CONFLICT DO UPDATE SET times=times+1", (record,))

    def ended(self) -> list[int]:
        """Sources that ended since the last compaction."""
        return [r[0] for r in self.db.execute("SELECT source FROM ended ORDER BY source")]

    def selected(self, selection: Selection) -> Ints:
        """The sources that a question may see."""
        clauses: list[str] = ["live"]
        values: list[str] = []
        if selection.path != "/":
            clauses.append("(path >= ? AND path < ? OR kind = ?)")
            values += [selection.path, selection.path[:-1] + "0", SYNONYMS]  # "0" follows "/"
        for column, allowed in selection.filters:
            assert column in FILTERS, f"no column {column!r} to filter by"
            clauses.append(f"({column} IN ({','.join('?' * len(allowed))}) OR row IS NULL)")
            values += allowed
        rows = self.db.execute(f"SELECT id-1 FROM source WHERE {' AND '.join(clauses)} ORDER BY id", values)
        return np.array([r[0] for r in rows], dtype=np.int32)

    def attempts(self) -> int:
        """How many live passages could not be read, though it was tried."""
        query = (
            "SELECT count(*) FROM attempt a WHERE EXISTS (SELECT 1 FROM source s WHERE s.record=a.record AND s.live)"
        )
        return int(self.db.execute(query).fetchone()[0])

    # ---- words

    def capital_share(self, words: Sequence[str], path: str) -> dict[str, float]:
        """For each word that the scope's passages hold, in which share of them it is written with a capital."""
        shares: dict[str, float] = {}
        for batch in _batches(list(dict.fromkeys(words))):
            marks = ",".join("?" * len(batch))
            for word, plain, capital in self.db.execute(
                f"SELECT word,sum(plain),sum(capital) FROM word WHERE word IN ({marks}) AND path >= ? AND path < ?"
                " GROUP BY word",
                [*batch, path, path[:-1] + "0"],
            ):
                if plain + capital > 0:
                    shares[word] = capital / (plain + capital)
        return shares
