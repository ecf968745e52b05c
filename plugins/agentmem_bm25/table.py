"""The live documents with their terms, and how many documents hold each term, in one SQLite file with the cursor.

This is the truth of the full-text memory: statistics are exact after every delete, and a document's score can be
computed from its row. A document's number is never used again, so an index that lags behind can only know too much.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentmem.embed.sidecar import in_parts, open_sidecar, shrink, writing
from agentmem_bm25.scoring import Collection

_KNOWN = 20_000  # documents that are kept in memory
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, length INTEGER NOT NULL,
    facets TEXT NOT NULL, counts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS frequencies(term TEXT PRIMARY KEY, documents INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Document:
    """A live record's terms with their counts; ``facets`` are the tokens that scopes and filters ask for.

    Both are kept as they are stored, facets a line each and counts as `packed` makes them: hundreds of candidates are
    scored for a question, and few of their terms are looked at.
    """

    number: int
    id: str
    length: int
    facets: str
    counts: str

    def has_facet(self, facet: str) -> bool:
        return f"\n{facet}\n" in f"\n{self.facets}\n"


class DocumentTable:
    """Opens light; every write is one transaction."""

    def __init__(self, folder: Path, signature: str, *, readonly: bool = False) -> None:
        """``signature`` says how texts become terms; documents made otherwise are dropped and `applied` is 0 again."""
        self._db: sqlite3.Connection = open_sidecar(folder / "bm25.db", _SCHEMA, readonly=readonly)
        self._readonly = readonly
        self._known: dict[int, Document] = {}  # documents read lately: one never changes, it can only go
        if not readonly and self.note("signature") != signature:
            with writing(self._db):
                for table in ("meta", "documents", "frequencies"):
                    self._db.execute(f"DELETE FROM {table}")
                self._put({"signature": signature})

    # ---- notes

    def note(self, key: str, default: str = "") -> str:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else str(row[0])

    def number(self, key: str) -> int:
        return int(self.note(key, "0"))

    def put_notes(self, **notes: int | str) -> None:
        """Commit some notes together."""
        if not self._readonly:
            with writing(self._db):
                self._put(notes)

    def _put(self, notes: Mapping[str, int | str]) -> None:
        rows = [(key, str(value)) for key, value in notes.items()]
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", rows)

    # ---- writing

    def replace(
        self, gone: Iterable[str], new: Sequence[tuple[str, Sequence[str], Counter[str]]]
    ) -> tuple[list[Document], list[int]]:
        """Take out ``gone`` and the former rows of ``new`` (id, facets, counts).

        Returns what was put in, and the numbers of what was taken out.

        A document that stands there already, with the same terms and facets, is left alone.
        """
        with writing(self._db):
            former = {document.id: document for document in self.by_ids([*gone, *(row[0] for row in new)])}
            start = self.number("next") or 1
            entering: list[Document] = []
            for record_id, facets, counts in new:
                made = Document(start + len(entering), record_id, counts.total(), "\n".join(facets), packed(counts))
                stands = former.get(record_id)
                if stands is not None and (stands.facets, stands.counts) == (made.facets, made.counts):
                    del former[record_id]
                else:
                    entering.append(made)
            leaving = list(former.values())
            self._db.executemany("DELETE FROM documents WHERE number = ?", [(d.number,) for d in leaving])
            self._db.executemany(
                "INSERT INTO documents VALUES(?, ?, ?, ?, ?)",
                [(d.number, d.id, d.length, d.facets, d.counts) for d in entering],
            )
            self._count(leaving, entering)
            self._put(
                {
                    "next": start + len(entering),
                    "documents": self.number("documents") + len(entering) - len(leaving),
                    "terms": self.number("terms") + sum(d.length for d in entering) - sum(d.length for d in leaving),
                }
            )
        for document in leaving:
            self._known.pop(document.number, None)
        return entering, [document.number for document in leaving]

    def _count(self, leaving: Sequence[Document], entering: Sequence[Document]) -> None:
        change: Counter[str] = Counter()
        for document in entering:
            change.update(term for term, _ in unpacked(document.counts))
        for document in leaving:
            change.subtract(term for term, _ in unpacked(document.counts))
        self._db.executemany(
            "INSERT INTO frequencies VALUES(?, ?) "
            "ON CONFLICT(term) DO UPDATE SET documents = documents + excluded.documents",
            [(term, n) for term, n in change.items() if n],
        )
        fewer = [(term,) for term, n in change.items() if n < 0]
        self._db.executemany("DELETE FROM frequencies WHERE term = ? AND documents <= 0", fewer)

    # ---- reading

    def collection(self) -> Collection:
        return Collection(self.number("documents"), self.number("terms"))

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Term -> how many live documents hold it; terms that none holds are left out."""
        found: dict[str, int] = {}
        for marks, part in in_parts(terms):
            found.update(self._db.execute(f"SELECT term, documents FROM frequencies WHERE term IN ({marks})", part))
        return found

    def by_numbers(self, numbers: Iterable[int]) -> list[Document]:
        """The live ones among them."""
        wanted = list(dict.fromkeys(numbers))
        found = [self._known[number] for number in wanted if number in self._known]
        missing = [number for number in wanted if number not in self._known]
        for marks, part in in_parts(missing):
            rows = self._db.execute(f"SELECT * FROM documents WHERE number IN ({marks})", part)
            found += [self._known.setdefault(row[0], Document(*row)) for row in rows]
        if len(self._known) > _KNOWN:
            self._known.clear()
        return found

    def forget(self) -> None:
        """Read documents anew: another process may have taken some out."""
        self._known.clear()

    def after(self, number: int) -> Iterator[Document]:
        """Live documents with a higher number, in order."""
        rows = self._db.execute("SELECT * FROM documents WHERE number > ? ORDER BY number", (number,))
        while some := rows.fetchmany(500):
            yield from (Document(*row) for row in some)

    def count_to(self, number: int) -> int:
        """How many live documents have this number or a lower one."""
        return int(self._db.execute("SELECT count(*) FROM documents WHERE number <= ?", (number,)).fetchone()[0])

    def version(self) -> int:
        """Another number once another process has committed."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def by_ids(self, record_ids: Iterable[str]) -> list[Document]:
        """The documents of these records; those that have none are left out."""
        return [
            Document(*row)
            for marks, part in in_parts(record_ids)
            for row in self._db.execute(f"SELECT * FROM documents WHERE id IN ({marks})", part)
        ]

    def shrink(self) -> None:
        shrink(self._db)

    def close(self) -> None:
        self._db.close()


def packed(counts: Mapping[str, int]) -> str:
    """Terms with their counts as one text, " crane:2 red:1 ", in which a term is found without reading the others."""
    return f" {' '.join(f'{term}:{n}' for term, n in sorted(counts.items()))} "


def unpacked(counts: str) -> Iterator[tuple[str, int]]:
    """The inverse of `packed`. Terms hold neither spaces nor colons."""
    for pair in counts.split():
        term, _, n = pair.rpartition(":")
        yield term, int(n)
