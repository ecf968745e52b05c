"""The full-text memory as the contract wants it: exact BM25 over the live set, whatever happened before.

A table of live documents is the truth. tantivy proposes candidates; they are scored again from the table, together with
what tantivy has not got yet, and asked for in growing numbers until none that was left out can belong to the answer.
"""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from agentmem.ahead import Ahead
from agentmem.contract import Calibration, Capability, Context, Memory, MemoryConfig
from agentmem.past import changes_as_of
from agentmem.records import Change, CheckLine, Hit, Query, Recall, Record, path_of
from agentmem_bm25.analysis import Analyzer
from agentmem_bm25.candidates import Candidates
from agentmem_bm25.config import Bm25Config
from agentmem_bm25.held import Held
from agentmem_bm25.scoring import Collection, Scorer, idf
from agentmem_bm25.table import Document, DocumentTable, packed

_FACETS = ("kind", "speaker", "session", "thread", "subject")
_FLOAT32 = 1.0 + 1e-4  # by how much tantivy's 32-bit sums may fall short
_DEAD_SHARE = 0.3  # of tantivy's documents, from which it is written anew
_DEAD_LEAST = 1000

Ranked = list[tuple[float, str]]


class Bm25Memory(Memory):
    """Finds records by their words."""

    name = "bm25"
    capabilities = Capability.AS_OF | Capability.SHARED_READ
    Config = Bm25Config
    # LoCoMo recall@10, words and meaning together: .6 75.5, .7 76.2, .8 75.7 (n=698, two folds of conversations alike)
    calibration = Calibration(0.7)

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(Bm25Config, self.config)
        self._lock = threading.RLock()
        self._analyze = Analyzer(self._settings.language)
        self._table: DocumentTable | None = None
        self._candidates: Candidates | None = None
        self._tail: dict[int, Document] = {}  # live documents that tantivy has not got
        self._ahead: Ahead[Document] = Ahead()  # in a reader: what the owner's files lack
        self._seen = -1

    # ---- the three verbs

    def apply(self, changes: Sequence[Change]) -> None:
        with self._lock:
            if self.context.readonly:
                self._ahead.hold(changes, [self._document(change) for change in changes])
                return
            table = self._opened()
            if not changes or table is None:
                return
            last = {change.record_id: change for change in changes}
            made = {i: Counter(self._analyze(c.text)) for i, c in last.items() if c.record is not None}
            rows = [(i, _facets(last[i].record), counts) for i, counts in made.items() if counts]
            gone = [i for i in last if not made.get(i)]
            entering, leaving = table.replace(gone, rows)
            for number in leaving:
                self._tail.pop(number, None)
            self._tail.update((document.number, document) for document in entering)
            if len(self._tail) >= self._settings.batch:
                self._flush(table)

    def recall(self, query: Query) -> Recall:
        with self._lock:
            if query.as_of is not None:
                return self._recall_past(query, query.as_of)
            table = self._opened()
            self._ahead.forget(table.number("applied") if table is not None else 0)
            held = Held(table, self._ahead)
            collection = held.collection()
            if not collection.documents:
                return Recall(abstain="no record is indexed here yet")
            weights = _weights(self._analyze(query.text), held.frequencies, collection)
            ranked = self._ranked(table, collection, weights, query) if weights else []
        if not ranked:
            return Recall(abstain="no record has any of these words")
        records = self.context.records.get_many([record_id for _, record_id in ranked])
        hits = [
            Hit(records[record_id], value, "shares words")
            for value, record_id in ranked
            if record_id in records and query.admits(records[record_id])
        ]
        return Recall(hits=tuple(hits), signals=_signals(ranked, weights, collection))

    # ---- the cursor and the hooks

    @property
    def applied(self) -> int:
        with self._lock:
            table = self._opened()
            return table.number("applied") if table is not None else 0

    @applied.setter
    def applied(self, seq: int) -> None:
        with self._lock:
            table = self._opened()
            if table is not None:
                table.put_notes(applied=seq)

    def check(self) -> Sequence[CheckLine]:
        with self._lock:
            table = self._opened()
            if table is None:
                return []
            live, later = table.number("documents"), len(self._tail)
            return [CheckLine("ok", f"bm25: {live} documents, {live - later} of them in tantivy")]

    def erase(self) -> None:
        with self._lock:
            table = self._opened()
            if table is not None and not self.context.readonly:
                self._rewrite(table)
                table.shrink()

    def close(self) -> None:
        with self._lock:
            if self._table is not None:
                self._table.close()
            self._table = self._candidates = None
            self._tail = {}
            self._ahead.clear()

    def _document(self, change: Change) -> Document | None:
        counts = Counter(self._analyze(change.text)) if change.record is not None else None
        if not counts:
            return None
        facets = "\n".join(_facets(change.record))
        return Document(0, change.record_id, counts.total(), facets, packed(counts))

    # ---- finding

    def _ranked(
        self, table: DocumentTable | None, collection: Collection, weights: Mapping[str, float], query: Query
    ) -> Ranked:
        scope = _scope(query)
        mean = collection.mean_length
        ahead = self._ahead
        later = [d for d in self._tail.values() if d.id not in ahead] + [d for _, d in ahead.live()]
        found = _scored((d for d in later if _within(d, scope)), weights, mean)
        if table is None or self._candidates is None or not self._candidates.size:
            return found[: query.k]
        # a score computed here exceeds tantivy's at most by this factor: its lengths are rounded down
        excess = _FLOAT32 * max(1.0, mean / (table.number("flushed_terms") / self._candidates.size))
        limit = query.k + query.k // 4 + 8  # lengths up to 40 terms are exact in tantivy, so a few more than k suffice
        while True:
            numbers, floor = self._candidates.best(weights, scope, limit)
            known = table.by_numbers(numbers)
            if ahead or self._tail:
                known = [d for d in known if d.id not in ahead and d.number not in self._tail]
            ranked = _scored(known, weights, mean)
            ranked = (sorted([*found, *ranked], key=_order) if found else ranked)[: query.k]
            certain = len(ranked) == query.k and (not ranked or ranked[-1][0] > floor * excess)
            if certain or len(numbers) < limit:
                return ranked
            limit = min(3 * limit, self._candidates.size + 1)

    def _recall_past(self, query: Query, as_of: float) -> Recall:
        """BM25 over what was live then; built for this question."""
        documents: list[Document] = []
        records: dict[str, Record] = {}
        past = changes_as_of(self.context.records, as_of, kinds=self.kinds, view=self.name)
        for number, change in enumerate(past):
            counts = Counter(self._analyze(change.text))
            if change.record is not None and counts:
                records[change.record_id] = change.record
                documents.append(Document(number, change.record_id, counts.total(), "", packed(counts)))
        terms = self._analyze(query.text)
        frequencies = Counter(term for term in set(terms) for d in documents if f" {term}:" in d.counts)
        collection = Collection(len(documents), sum(d.length for d in documents))
        weights = _weights(terms, lambda wanted: {t: frequencies[t] for t in wanted if frequencies[t]}, collection)
        admitted = [d for d in documents if query.admits(records[d.id])]
        ranked = _scored(admitted, weights, collection.mean_length)[: query.k]
        if not ranked:
            return Recall(abstain="no record of that time has any of these words")
        hits = tuple(Hit(records[i], value, "shares words, as of then") for value, i in ranked)
        return Recall(hits=hits, signals=_signals(ranked, weights, collection))

    # ---- files

    def _opened(self) -> DocumentTable | None:
        """The table, or None in a reader of a home that has none yet."""
        folder = self.context.data_dir
        readonly = self.context.readonly
        if self._table is None:
            if readonly and not (folder / "bm25.db").exists():
                return None
            folder.mkdir(parents=True, exist_ok=True)
            self._table = DocumentTable(folder, f"2/{self._settings.language}", readonly=readonly)
            self._seen = -1
        if self._seen == -1 or (readonly and self._table.version() != self._seen):
            self._seen = self._table.version()
            self._table.forget()
            self._load(self._table)
        return self._table

    def _load(self, table: DocumentTable) -> None:
        folder = self.context.data_dir / f"tantivy-{table.number('generation')}"
        self._candidates = Candidates(folder) if folder.exists() else None
        size = self._candidates.size if self._candidates is not None else 0
        if size != table.number("flushed_size") and not self.context.readonly:
            self._rewrite(table)  # a crash came between tantivy's commit and ours
        else:
            self._tail = {d.number: d for d in table.after(table.number("flushed"))}

    def _flush(self, table: DocumentTable) -> None:
        """Hand the tail to tantivy; write tantivy anew when too much of it is dead."""
        flushed = table.number("flushed")
        size = self._candidates.size if self._candidates is not None else 0
        dead = size - table.count_to(flushed)
        if dead > max(_DEAD_LEAST, _DEAD_SHARE * size):
            self._rewrite(table)
            return
        if self._candidates is None:
            self._candidates = Candidates(self.context.data_dir / f"tantivy-{table.number('generation')}")
        tail = list(self._tail.values())
        self._candidates.add(tail)
        self._note_flush(table, tail, table.number("flushed_terms") + sum(d.length for d in tail))

    def _rewrite(self, table: DocumentTable) -> None:
        """A new folder with what is live; the old ones are removed."""
        generation = table.number("generation") + 1
        live = list(table.after(0)) if table.number("documents") >= self._settings.batch else []
        fresh = None
        if live:
            fresh = Candidates(self.context.data_dir / f"tantivy-{generation}")
            fresh.add(live)
        self._candidates = fresh
        self._note_flush(table, live, sum(d.length for d in live), generation=generation)
        for folder in self.context.data_dir.glob("tantivy-*"):
            if folder.name != f"tantivy-{generation}":
                shutil.rmtree(folder, ignore_errors=True)

    def _note_flush(self, table: DocumentTable, added: Sequence[Document], terms: int, **notes: int) -> None:
        last = added[-1].number if added else 0
        size = self._candidates.size if self._candidates is not None else 0
        table.put_notes(flushed=last, flushed_size=size, flushed_terms=terms, **notes)
        self._tail = {d.number: d for d in table.after(last)}


def _weights(terms: Iterable[str], frequencies: Any, collection: Collection) -> dict[str, float]:
    found: Mapping[str, int] = frequencies(sorted(set(terms)))
    return {term: idf(collection.documents, n) for term, n in sorted(found.items())}


def _scored(documents: Iterable[Document], weights: Mapping[str, float], mean_length: float) -> Ranked:
    scorer = Scorer(weights, mean_length)
    below_zero = sorted((-scorer.score(d.counts, d.length), d.id) for d in documents)  # best first, ties by id
    return [(-value, record_id) for value, record_id in below_zero if value < 0.0]


def _order(pair: tuple[float, str]) -> tuple[float, str]:
    return (-pair[0], pair[1])


def _facets(record: Record | None) -> tuple[str, ...]:
    """Tokens for every scope above a record's namespace and for every filter."""
    assert record is not None, "only what has a record is indexed"
    scopes = [path_of(record.namespace[:depth]) for depth in range(1, len(record.namespace) + 1)]
    named = ((name, getattr(record, name)) for name in _FACETS)
    return (
        *(_facet("namespace", scope) for scope in scopes),
        *(_facet(name, value) for name, value in named if value is not None),
    )


def _facet(name: str, value: object) -> str:
    return " ".join(f"{name}={value}".splitlines())  # a line each in the table


def _scope(query: Query) -> list[list[str]]:
    """Groups of facets: a document must have one of each group."""
    groups = [[_facet("namespace", path_of(query.namespace))]] if query.namespace else []
    for name, wanted in query.filters.items():
        if name in _FACETS:
            values = wanted if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
            if None not in values:  # what has no value has no facet; such hits are sorted out at the end
                groups.append([_facet(name, value) for value in values])
    return groups


def _within(document: Document, scope: Sequence[Sequence[str]]) -> bool:
    return all(any(document.has_facet(facet) for facet in group) for group in scope)


def _signals(ranked: Ranked, weights: Mapping[str, float], collection: Collection) -> dict[str, float]:
    top = ranked[0][0]
    runner_up = ranked[1][0] if len(ranked) > 1 else 0.0
    return {
        "top": top,
        "margin": top - runner_up,
        "coverage": top / max(1e-9, sum(weights.values()) * 2.2),
        "size": float(collection.documents),
    }
