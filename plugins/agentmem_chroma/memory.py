"""The vector memory as the contract wants it: an exact index that is the truth, and Chroma as its shortcut.

Every change goes into the exact index at once. Chroma is fed in batches behind it, from a size on at which exact search
of everything gets slower than HNSW; what it has not got yet is searched exactly, and what it finds is scored exactly.
Namespaces and filters always go to the exact index, where they make a search faster instead of slower.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import cast

import numpy as np

from agentmem.ahead import Ahead
from agentmem.contract import Calibration, Capability, Context, Memory, MemoryConfig, Vectors
from agentmem.embed.exact import ExactIndex, Scored
from agentmem.errors import Missing, PluginError
from agentmem.past import changes_as_of
from agentmem.records import Change, CheckLine, Hit, Proposal, Query, Recall
from agentmem_chroma.collection import Collection
from agentmem_chroma.config import ChromaConfig

_FED = "fed"  # the sequence number up to which Chroma holds the index; absent: there is no collection
_GONE = "gone"  # ids that left the index and may still be in the collection
_NAME = "collection"
_DOOMED = "doomed"  # collections on a server that could not be reached to remove them
_LEAVE_ALONE_S = 60.0
_START_BATCHES = 5  # more than that is handed to Chroma when idle only: it takes half a millisecond a record


class ChromaMemory(Memory):
    """Finds records by the meaning of their text."""

    name = "chroma"
    capabilities = Capability.AS_OF | Capability.APPROXIMATE | Capability.NEEDS_EMBED | Capability.SHARED_READ
    Config = ChromaConfig
    calibration = Calibration(0.3)

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(ChromaConfig, self.config)
        self._index: ExactIndex | None = None
        self._collection: Collection | None = None
        self._ahead: Ahead[Vectors] = Ahead()  # in a reader: what the owner's files lack
        self._ask_again_at = 0.0  # monotonic; a server that failed is left alone for a while

    # ---- the three verbs

    def apply(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        if self.context.readonly:
            rows = iter(self._vectors_of([c for c in changes if c.record is not None]))
            self._ahead.hold(changes, [next(rows) if c.record is not None else None for c in changes])
            return
        index = self._exact()
        fed = index.note(_FED)
        gone = [c.record_id for c in changes if c.record is None and c.record_id in index] if fed is not None else []
        if gone:
            index.put_note(_GONE, json.dumps(sorted({*self._gone(), *gone})))
        index.write(changes, self._vectors_of([c for c in changes if c.record is not None]))
        started = fed is not None or len(index) <= _START_BATCHES * self._settings.batch
        if started and len(index) >= max(1, self._settings.exact_below):
            self._feed(index, whole=False)

    def recall(self, query: Query) -> Recall:
        if self.context.vectors is None:
            raise Missing("the memory chroma needs an embedder; set 'embedder' (the default is minilm)")
        if query.as_of is not None:
            return self._recall_past(query, query.as_of)
        index = self._exact()
        self._ahead.forget(index.applied if len(self._ahead) else 0)
        if not len(index) and not len(self._ahead):
            return Recall(abstain="no record is indexed here yet")
        vector = self._vector_of(query)
        scored, why = self._found(index, query, vector)
        if len(self._ahead):
            scored = self._with_ahead(index, scored, query, vector)
        records = self.context.records.get_many([s.id for s in scored])
        hits = [Hit(records[s.id], s.score, why) for s in scored if s.id in records and query.admits(records[s.id])]
        return Recall(hits=tuple(hits), signals=_signals(scored, len(index)))

    # ---- the cursor and the hooks

    @property
    def applied(self) -> int:
        return self._exact().applied

    @applied.setter
    def applied(self, seq: int) -> None:
        self._exact().mark(seq)

    def maintain(self, phase: str) -> Sequence[Proposal]:
        if phase == "idle" and not self.context.readonly:
            index = self._exact()
            if len(index) >= max(1, self._settings.exact_below):
                self._feed(index, whole=True)
        return ()

    def check(self) -> Sequence[CheckLine]:
        index = self._exact()
        count, fed = len(index), index.note(_FED)
        if fed is None:
            lines = [CheckLine("ok", f"chroma: {count} vectors, searched exactly")]
        else:
            behind = len(index.written_after(int(fed)))
            where = f"on {self._settings.url}" if self._settings.url else "in the home"
            lines = [CheckLine("ok", f"chroma: {count} vectors; HNSW {where}, {behind} behind (searched exactly)")]
        if doomed := self._doomed(index):
            remedy = "start the server; they are removed when the agent is idle"
            lines.append(CheckLine("warning", f"chroma: the server still holds {', '.join(doomed)}", remedy))
        if self._settings.url:
            lines.append(CheckLine("note", "chroma: what a purge removes may stay in the files of the Chroma server"))
        return lines

    def erase(self) -> None:
        index = self._exact()
        if index.note(_FED) is not None:
            self._forget_collection(index)
        index.erase()

    def close(self) -> None:
        if self._collection is not None:
            self._collection.close()
        if self._index is not None:
            self._index.close()
        self._collection = self._index = None
        self._ahead.clear()

    # ---- finding

    def _found(self, index: ExactIndex, query: Query, vector: Vectors) -> tuple[list[Scored], str]:
        fed = index.note(_FED)
        narrowed = query.namespace or query.filters
        if narrowed or fed is None or len(index) < self._settings.exact_below or not self._may_ask():
            found = index.search(vector, query.k, namespace=query.namespace, filters=query.filters)
            return found, "near in meaning"
        wanted = int(query.k * self._settings.overfetch) + len(self._gone())
        try:
            near = self._chroma(index).nearest(vector, wanted)
        except PluginError as error:  # the exact index has everything: slower, never wrong
            self._note_failure(error)
            return index.search(vector, query.k), "near in meaning"
        tail = index.search(vector, query.k, after=int(fed))
        merged = {s.id: s for s in [*index.score(vector, near), *tail]}
        return sorted(merged.values(), key=lambda s: (-s.score, s.id))[: query.k], "near in meaning (HNSW)"

    def _with_ahead(self, index: ExactIndex, scored: list[Scored], query: Query, vector: Vectors) -> list[Scored]:
        """The hits with what the owner has not applied yet, as if it had."""
        if any(s.id in self._ahead for s in scored):  # those are outdated: ask for as many more
            wanted = query.k + len(self._ahead)
            scored = index.search(vector, wanted, namespace=query.namespace, filters=query.filters)
        kept = [s for s in scored if s.id not in self._ahead]
        fresh = [
            Scored(change.record_id, _cosine(row, vector))
            for change, row in self._ahead.live()
            if change.record is not None and query.admits(change.record)
        ]
        return sorted([*kept, *fresh], key=lambda s: (-s.score, s.id))[: query.k]

    def _recall_past(self, query: Query, as_of: float) -> Recall:
        everything = changes_as_of(
            self.context.records, as_of, namespace=query.namespace, kinds=self.kinds, view=self.name
        )
        past = [change for change in everything if change.record is not None and query.admits(change.record)]
        if not past:
            return Recall(abstain="nothing was known at that time")
        vector = self._vector_of(query).astype(np.float64)
        scores = (self._vectors_of(past).astype(np.float64) * vector).sum(axis=1).round(6)
        ranked = sorted(zip(scores.tolist(), past, strict=True), key=lambda pair: (-pair[0], pair[1].record_id))
        hits = [
            Hit(change.record, score, "near in meaning, as of then")
            for score, change in ranked[: query.k]
            if change.record is not None
        ]
        return Recall(hits=tuple(hits), signals=_signals([Scored(h.record_id, h.score) for h in hits], len(past)))

    def _vector_of(self, query: Query) -> Vectors:
        if query.vector is not None:
            return np.asarray(query.vector, np.float32)
        assert self.context.vectors is not None, "recall has asked for it"
        return self.context.vectors.of_query(query.text)

    def _vectors_of(self, changes: Sequence[Change]) -> Vectors:
        if self.context.vectors is None:
            raise Missing("the memory chroma needs an embedder; set 'embedder' (the default is minilm)")
        return self.context.vectors.of_changes(changes)

    # ---- the two indexes

    def _exact(self) -> ExactIndex:
        if self._index is None:
            embedder = self.context.embedder
            if embedder is None:
                raise Missing("the memory chroma needs an embedder; set 'embedder' (the default is minilm)")
            signature = f"{embedder.model_id}/{embedder.dim}"
            folder = self.context.data_dir
            self._index = ExactIndex(folder, embedder.dim, signature, readonly=self.context.readonly)
        return self._index

    def _chroma(self, index: ExactIndex) -> Collection:
        if self._collection is None:
            name = index.note(_NAME)
            if name is None:
                name = f"agentmem-{self.context.new_id()}"
                index.put_note(_NAME, name)
            self._collection = Collection(self.context.data_dir / "chroma", name, self._settings)
        return self._collection

    def _gone(self) -> list[str]:
        return list(json.loads(self._exact().note(_GONE) or "[]"))

    def _feed(self, index: ExactIndex, *, whole: bool) -> None:
        """Hand Chroma what it lacks: full batches only, or (``whole``) all of it as far as the time reaches."""
        if not self._may_ask():
            return
        stop_at = time.monotonic() + self._settings.idle_s
        try:
            if self._doomed(index):
                self._remove_doomed(index)
            if index.note(_FED) is None:
                if self._settings.url is None:
                    self._forget_collection(index)  # whatever an interrupted start left
                index.put_note(_FED, "0")
            waiting = index.written_after(int(index.note(_FED) or 0))
            while waiting and (whole or len(waiting) >= self._settings.batch) and time.monotonic() < stop_at:
                size = self._settings.batch
                while size < len(waiting) and waiting[size][0] == waiting[size - 1][0]:
                    size += 1  # never between two records of one sequence number
                ids = [record_id for _, record_id in waiting[:size]]
                self._chroma(index).put(ids, index.vectors(ids))
                index.put_note(_FED, str(waiting[size - 1][0] if size < len(waiting) else waiting[-1][0]))
                waiting = waiting[size:]
            gone = [record_id for record_id in self._gone() if record_id not in index]
            if gone and (whole or len(gone) >= self._settings.batch):
                self._chroma(index).remove(gone)
                index.put_note(_GONE, "[]")
        except PluginError as error:
            # the collection is a shortcut that can be made again; the index goes on without it
            self._note_failure(error)
            if self._settings.url is None:
                self._forget_collection(index)

    def _may_ask(self) -> bool:
        return not self.context.readonly and time.monotonic() >= self._ask_again_at

    def _note_failure(self, error: PluginError) -> None:
        self.context.emit("chroma.failed", {"error": str(error)})
        if self._settings.url is not None:
            self._ask_again_at = time.monotonic() + _LEAVE_ALONE_S

    def _forget_collection(self, index: ExactIndex) -> None:
        """Remove the collection, or note that it is still to be removed from a server that does not answer."""
        name = index.note(_NAME)
        try:
            self._chroma(index).drop()
        except PluginError as error:
            self._note_failure(error)
            if name is not None:
                index.put_note(_DOOMED, json.dumps(sorted({*self._doomed(index), name})))
        self._collection = None
        index.drop_notes(_FED, _GONE, _NAME)

    def _remove_doomed(self, index: ExactIndex) -> None:
        for name in self._doomed(index):
            Collection(self.context.data_dir / "chroma", name, self._settings).drop()
        index.drop_notes(_DOOMED)

    def _doomed(self, index: ExactIndex) -> list[str]:
        return list(json.loads(index.note(_DOOMED) or "[]"))


def _cosine(row: Vectors, vector: Vectors) -> float:
    """As the exact index computes it, to the last digit."""
    return float((row.astype(np.float64) * vector.astype(np.float64)).sum().round(6))


def _signals(scored: Sequence[Scored], size: int) -> dict[str, float]:
    if not scored:
        return {"size": float(size)}
    runner_up = scored[1].score if len(scored) > 1 else 0.0
    return {"top": scored[0].score, "margin": scored[0].score - runner_up, "size": float(size)}
