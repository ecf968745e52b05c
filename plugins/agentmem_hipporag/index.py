"""Brings the graph up to date with changes of records, and puts a question to it. The seam between records and arrays.

Which record is a passage, which one was read out of a passage, and what is kept of either is decided here; the
algorithm below sees numbers only, the memory above sees records only.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from agentmem.contract import Embedder
from agentmem.records import Change, Record, path_of
from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.facts import FactIndex
from agentmem_hipporag.graph import KnowledgeGraph
from agentmem_hipporag.indexing import Triple, passage_edges, written_words
from agentmem_hipporag.spans import Mentions, mentions
from agentmem_hipporag.store import Store
from agentmem_hipporag.vectors import VectorFile, Vectors

EXTRACTION = "extraction"  # kind of a record that holds what a model read out of one passage
_NOTHING = Mentions("", ())


def given_entities(record: Record) -> tuple[str, ...]:
    """Names that came with a record: its attribute `entities`, its subject and object."""
    listed = record.attributes.get("entities") or ()
    own = [part for part in (record.subject, record.object) if part]
    return (*(e for e in listed if isinstance(e, str)), *own) if isinstance(listed, (list, tuple)) else tuple(own)


def given_triples(record: Record) -> tuple[Triple, ...]:
    """Triples that came with a record: its attribute `triples`, and its own subject, relation and object."""
    listed = record.attributes.get("triples") or ()
    found: list[Triple] = []
    if isinstance(listed, (list, tuple)):
        found = [(t[0], t[1], t[2]) for t in listed if len(t) == 3 and all(isinstance(part, str) for part in t)]
    if record.subject and record.object:
        found.append((record.subject, record.relation or "", record.object))
    return tuple(dict.fromkeys(found))


def read_from(record: Record) -> str | None:
    """The id of the passage that a record was read out of; None for records that are passages themselves."""
    if record.kind in (EXTRACTION, "triple") and record.derived_from:
        return record.derived_from[0]
    return None


class GraphIndex:
    """The files of one graph memory: store, rows, vectors, facts. Open once; guarded by the memory's lock."""

    def __init__(
        self, folder: Path, config: HippoRAGConfig, embedder: Embedder | None, *, readonly: bool = False
    ) -> None:
        self.folder = folder
        self.config = config
        self.embedder = embedder
        self.readonly = readonly
        dim = embedder.dim if embedder is not None else 0
        self._print = f"{config.index_print()} {embedder.model_id if embedder is not None else 'no embedder'} {dim}"
        self.store = self._open_store()
        self.vectors = VectorFile(folder / "vectors.f32", dim)
        self.graph = KnowledgeGraph(self.store, folder, config.gains())
        self.facts = FactIndex(self.store, folder, embedder, config) if config.indexes_facts else None
        self._next_row = self.store.n_rows()

    def _open_store(self) -> Store:
        path = self.folder / "graph.sqlite"
        store = Store(path, readonly=self.readonly)
        if store.meta("print", self._print) == self._print or self.readonly:
            return store
        store.close()  # other settings or another embedder: the index is made again from the journal
        shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        return Store(path)

    def close(self) -> None:
        self.store.close()

    @property
    def applied(self) -> int:
        return int(self.store.meta("applied", "0"))

    def set_applied(self, seq: int) -> None:
        if not self.readonly:
            self.store.set_meta("applied", str(seq))

    # ---- writing

    def apply(self, changes: Sequence[Change], embed: Callable[[Sequence[Change]], Vectors] | None) -> None:
        """Bring sources in line with the changes, all or none; `embed` gives the vectors of passages."""
        with self.store.transaction():
            self.store.set_meta("print", self._print)
            fresh = [change for change in changes if self._replaces(change)]
            passages = [c for c in fresh if c.record is not None and read_from(c.record) is None]
            rows = {id(change): self._next_row + i for i, change in enumerate(passages)}
            if passages and self.vectors.dim:
                assert embed is not None, "an index with vectors needs the vector store"
                self.vectors.write(self._next_row, embed(passages))
            self._next_row += len(passages)
            for change in fresh:
                self._apply_one(change, rows.get(id(change)))
            if self.facts is not None:
                self.facts.settle(self.graph)
            if changes:
                self.store.set_meta("applied", str(max(self.applied, max(change.seq for change in changes))))

    def _replaces(self, change: Change) -> bool:
        """Whether the index must change: the record is new to it, has another version, or is gone."""
        held = self.store.live_source(change.record_id)
        if change.record is None or not change.record.is_live:
            return held is not None
        return held is None or held.print != source_print(change)

    def _apply_one(self, change: Change, row: int | None) -> None:
        held = self.store.live_source(change.record_id)
        if held is not None:
            self.store.end_source(held)
            self.graph.end(held.id)
        record = change.record
        if record is None or not record.is_live:
            return
        parent = read_from(record)
        page = self.store.page_id(parent or record.id)
        triples = given_triples(record)
        told = self._mentions(record, change.text) if parent is None else _NOTHING
        edges = passage_edges(self.store, page, told, given_entities(record), triples)
        words = written_words(f"{record.attributes.get('title', '')} {record.body}") if parent is None else []
        columns = {"kind": record.kind, "speaker": record.speaker, "session": record.session, "thread": record.thread}
        source = self.store.add_source(
            record.id, source_print(change), page, row, path_of(record.namespace), columns, edges, words
        )
        self.graph.add(source, page, row, edges)
        if self.facts is not None:
            self.facts.add(source, triples)

    def _mentions(self, record: Record, text: str) -> Mentions:
        title = str(record.attributes.get("title") or "")
        if self.config.mode == "hipporag2":
            return mentions("", title)
        return mentions(record.body, title)

    def tidy(self, *, now: bool = False) -> bool:
        """Write the rows out as one mapped segment when enough new ones have gathered; whether it did."""
        if self.readonly or not (now or self.graph.wants_compaction):
            return False
        self.graph.compact()
        return True

    # ---- figures

    def size(self) -> dict[str, int]:
        """Nodes, live sources, entries, and bytes of rows on disk and in memory."""
        graph = self.graph
        return {
            "nodes": graph.n_nodes,
            "sources": int(graph.live.values.sum()),
            "entries": sum(len(segment) for segment in graph.segments),
            "bytes": sum(segment.nbytes for segment in graph.segments),
        }


def source_print(change: Change) -> str:
    """What tells one content of a record from another: its version row, place, and the text around it."""
    assert change.record is not None
    record = change.record
    parts = (
        record.version_id,
        record.kind,
        record.speaker,
        record.session,
        record.thread,
        path_of(record.namespace),
        change.text,
    )
    told = repr((parts, record.subject, record.relation, record.object, sorted(record.attributes.items())))
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
