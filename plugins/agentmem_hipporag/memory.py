"""The graph memory as the core sees it: applies changes, answers questions, has passages read at idle time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, cast

import numpy as np

from agentmem import registry
from agentmem.contract import Calibration, Capability, ChatModel, Context, Memory, MemoryConfig
from agentmem.errors import AgentmemError, BadInput, BudgetExceeded, ModelError
from agentmem.records import Change, CheckLine, Draft, Hit, Proposal, Query, Recall, Record, Trust, path_of
from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.extractors import Extraction, Extractor
from agentmem_hipporag.index import EXTRACTION, GraphIndex
from agentmem_hipporag.search import ROUNDS, Answer, search, thoughtful
from agentmem_hipporag.store import FILTERS, Selection
from agentmem_hipporag.vectors import Vectors


class HippoRAGMemory(Memory):
    """Passages joined by what they name, ranked by personalised PageRank from what the question names."""

    name: ClassVar[str] = "hipporag"
    kinds: ClassVar[frozenset[str]] = Memory.kinds | {EXTRACTION}
    capabilities: ClassVar[Capability] = Capability.NEEDS_EMBED | Capability.APPROXIMATE
    Config: ClassVar[type[MemoryConfig]] = HippoRAGConfig
    # Far ahead on documents (MuSiQue recall@5 74 against 58): with 20 the others hardly move its order, and on three
    # sets what is fused stays within half a point of it at every depth (4: up to 2.7 points less). Far behind on turns,
    # where names tell little (LoCoMo recall@10 48 against 77; .1 costs nothing there, .2 half a point).
    calibration: ClassVar[Calibration] = Calibration(0.1, {"chunk": 20.0, "fact": 0.5}, logarithmic=True)
    config: HippoRAGConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._lock = threading.RLock()
        self._index: GraphIndex | None = None

    @property
    def index(self) -> GraphIndex:
        """The files, opened at first use."""
        with self._lock:
            if self._index is None:
                self._index = GraphIndex(
                    self.context.data_dir, self.config, self.context.embedder, readonly=self.context.readonly
                )
            return self._index

    # ---- the verbs

    def apply(self, changes: Sequence[Change]) -> None:
        vectors = self.context.vectors
        with self._lock:
            try:
                self.index.apply(changes, vectors.of_changes if vectors is not None else None)
            except BaseException:
                self._close_index()  # what is in memory may be ahead of the file; it is read anew at next use
                raise

    def recall(self, query: Query) -> Recall:
        if query.k <= 0:
            return Recall()
        with self._lock:
            told = self._told(self._search(query), query)
            if self.config.iterate == "chat" and self.context.chat is not None and told.hits:
                told = self._reasoned(query, told, self.context.chat)
            return told

    def _search(self, query: Query) -> Answer:
        selection = Selection(path_of(query.namespace), _filters(query))
        vector = self._vector(query)
        return search(self.index, query.text, vector, selection, query.k, chat=self.context.chat)

    def _reasoned(self, query: Query, told: Recall, chat: ChatModel) -> Recall:
        """Further hops with a chat model: its next sentence is the next question, the best score counts."""
        best = {hit.record.id: hit for hit in told.hits}
        for _ in range(ROUNDS - 1):
            shown = sorted(best.values(), key=lambda hit: (-hit.score, hit.record.id))[: query.k]
            try:
                thought = thoughtful(query.text, [hit.record.body for hit in shown], chat)
            except (ModelError, BudgetExceeded):
                break
            if not thought or thought.lower().startswith("so the answer"):
                break
            further = replace(query, text=f"{query.text} {thought}", vector=None)
            for hit in self._told(self._search(further), query).hits:
                if hit.record.id not in best or best[hit.record.id].score < hit.score:
                    best[hit.record.id] = hit
        hits = sorted(best.values(), key=lambda hit: (-hit.score, hit.record.id))[: query.k]
        return replace(told, hits=tuple(hits))

    def _vector(self, query: Query) -> Vectors | None:
        if query.vector is not None:
            return np.asarray(query.vector, dtype=np.float32)
        if not query.text.strip() or self.context.vectors is None or self.context.embedder is None:
            return None
        return self.context.vectors.of_query(query.text)

    def _told(self, answer: Answer, query: Query) -> Recall:
        records = self.context.records.get_many([found.record for found in answer.found])
        hits = [
            Hit(records[found.record], found.score, found.why, found.path)
            for found in answer.found
            if found.record in records and records[found.record].is_live
        ]
        abstain = None if hits else (answer.reason or "nothing in sight of this question")
        return Recall(hits=tuple(hits[: query.k]), signals=answer.signals, abstain=abstain)

    # ---- the cursor

    @property
    def applied(self) -> int:
        return self.index.applied

    @applied.setter
    def applied(self, seq: int) -> None:
        with self._lock:
            self.index.set_applied(seq)

    # ---- hooks

    def maintain(self, phase: str) -> Sequence[Proposal]:
        """When idle: write new rows out if many have gathered, and have unread passages read by the extractor."""
        if phase != "idle" or self.context.readonly:
            return ()
        with self._lock:
            self.index.tidy()
            extractor = self._extractor()
            return self._read_passages(extractor) if extractor is not None else ()

    def _extractor(self) -> Extractor | None:
        """The configured extractor if it needs a model; spans are read while indexing."""
        if self.config.extractor == "spans":
            return None
        made = cast(type[Extractor], registry.load("extractors", self.config.extractor))()
        return made if self.context.chat is not None or not made.needs_chat else None

    def _read_passages(self, extractor: Extractor) -> list[Proposal]:
        """Drafts for passages out of which nothing was read yet; what fails is tried again after the others."""
        drafts: list[Proposal] = []
        store = self.index.store
        for record_id in store.unread(self.config.read_at_idle):
            record = self.context.records.get(record_id)
            if record is None or not record.is_live:
                continue
            try:
                found = extractor.extract(record.body, str(record.attributes.get("title") or ""), self.context.chat)
            except BudgetExceeded:
                break
            except ModelError as error:
                store.note_attempt(record_id)
                self.context.emit("hipporag.unread", {"record": record_id, "why": str(error)})
                continue
            drafts.append(extraction_draft(record, found, extractor.name))
        return drafts

    def check(self) -> Sequence[CheckLine]:
        with self._lock:
            try:
                size = self.index.size()
            except AgentmemError as error:
                return [CheckLine("error", str(error), "agentmem reindex hipporag")]
            tried = self.index.store.attempts()
        lines = [
            CheckLine("ok", f"{size['nodes']} nodes, {size['entries']} entries, {size['bytes'] / 1e6:.1f} MB of rows")
        ]
        if tried:
            lines.append(CheckLine("note", f"{tried} passages could not be read by '{self.config.extractor}' yet"))
        return lines

    def close(self) -> None:
        with self._lock:
            self._close_index()

    def _close_index(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


def extraction_draft(record: Record, found: Extraction, by: str) -> Draft:
    """One record for all that was read out of one passage; it goes where the passage goes, and when it goes."""
    lines = [f"{s} | {r} | {o}" for s, r, o in found.triples]
    return Draft(
        body="\n".join([", ".join(found.entities) or "names nothing", *lines]),
        kind=EXTRACTION,
        namespace=record.namespace,
        thread=record.thread,
        session=record.session,
        derived_from=(record.id,),
        trust=Trust.AGENT,
        attributes={"by": by, "entities": list(found.entities), "triples": [list(t) for t in found.triples]},
        memories=(HippoRAGMemory.name,),
    )


def _filters(query: Query) -> tuple[tuple[str, tuple[str, ...]], ...]:
    unknown = sorted(set(query.filters) - set(FILTERS))
    if unknown:
        raise BadInput(f"cannot filter by '{unknown[0]}'; possible: {', '.join(FILTERS)}")
    told = {k: (v,) if isinstance(v, str) else tuple(map(str, v)) for k, v in query.filters.items() if v is not None}
    return tuple(sorted(told.items()))
