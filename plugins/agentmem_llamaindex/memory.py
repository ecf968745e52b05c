"""Any LlamaIndex vector store as a vector view: an exact index that is the truth, and the store as its shortcut.

Every change goes into both. A question that is narrowed by nothing goes to the store, and what it finds is scored
exactly; one within a namespace or with filters goes to the exact index, since stores differ in what they can filter by.
While a store fails, search goes on exactly, and the store is filled again when the agent is idle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from agentmem.contract import Capability, Context, Memory, MemoryConfig, Vectors
from agentmem.embed.exact import ExactIndex
from agentmem.errors import Missing, PluginError
from agentmem.records import Change, CheckLine, Hit, Proposal, Query, Recall
from agentmem_llamaindex.config import LlamaIndexConfig
from agentmem_llamaindex.nodes import Nodes

_FILLED = "filled"  # a durable store holds what the index holds


class LlamaIndexMemory(Memory):
    """Finds records by the meaning of their text, through a vector store of LlamaIndex."""

    name = "llamaindex"
    capabilities = Capability.APPROXIMATE | Capability.NEEDS_EMBED
    Config = LlamaIndexConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(LlamaIndexConfig, self.config)
        self._index: ExactIndex | None = None
        self._nodes = Nodes(self._settings)
        self._filled = False  # a store in this process holds what the index holds
        self._fault = ""

    # ---- the three verbs

    def apply(self, changes: Sequence[Change]) -> None:
        if not changes or self.context.readonly:
            return
        index = self._exact()
        last = {change.record_id: change for change in changes}
        kept = [change for change in last.values() if change.record is not None]
        vectors = self._vectors_of(kept)
        if self._is_filled(index):
            try:
                self._nodes.remove(i for i, change in last.items() if change.record is None and i in index)
                self._nodes.put([change.record_id for change in kept], vectors)
            except PluginError as error:  # the index has everything; a change is never set aside for a store
                self._note_failure(index, error)
        index.write(list(last.values()), vectors)

    def recall(self, query: Query) -> Recall:
        if self.context.vectors is None:
            raise Missing("the memory llamaindex needs an embedder; set 'embedder' (the default is minilm)")
        index = self._exact()
        if not len(index):
            return Recall(abstain="no record is indexed here yet")
        given = query.vector
        vector = self.context.vectors.of_query(query.text) if given is None else np.asarray(given, np.float32)
        scored, why = None, "near in meaning"
        if not (query.namespace or query.filters or self.context.readonly):
            try:
                self._fill(index)
                near = self._nodes.nearest(vector, min(len(index), int(query.k * self._settings.overfetch)))
                scored, why = index.score(vector, near)[: query.k], f"near in meaning ({self._class()})"
            except PluginError as error:
                self._note_failure(index, error)
        if scored is None:
            scored = index.search(vector, query.k, namespace=query.namespace, filters=query.filters)
        records = self.context.records.get_many([s.id for s in scored])
        hits = [Hit(records[s.id], s.score, why) for s in scored if s.id in records and query.admits(records[s.id])]
        runner_up = scored[1].score if len(scored) > 1 else 0.0
        top = {"top": scored[0].score, "margin": scored[0].score - runner_up} if scored else {}
        return Recall(hits=tuple(hits), signals={"size": float(len(index)), **top})

    # ---- the cursor and the hooks

    @property
    def applied(self) -> int:
        return self._exact().applied

    @applied.setter
    def applied(self, seq: int) -> None:
        self._exact().mark(seq)

    def maintain(self, phase: str) -> Sequence[Proposal]:
        if phase == "idle" and not self.context.readonly:
            try:
                self._fill(self._exact())
            except PluginError as error:
                self._note_failure(self._exact(), error)
        return ()

    def check(self) -> Sequence[CheckLine]:
        index = self._exact()
        lines = [CheckLine("ok", f"llamaindex: {len(index)} vectors, in {self._settings.store}")]
        if self._fault:
            remedy = "it is filled again when the agent is idle; until then search is exact"
            lines.append(CheckLine("warning", f"llamaindex: {self._fault}", remedy))
        if self._settings.durable:
            lines.append(CheckLine("note", "llamaindex: what a purge removes may stay in the files of the store"))
        return lines

    def erase(self) -> None:
        if not self._settings.durable:  # a new store is filled from the live rows alone
            self._nodes, self._filled = Nodes(self._settings), False
        self._exact().erase()

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
        self._index = None

    # ---- the two indexes

    def _is_filled(self, index: ExactIndex) -> bool:
        return index.note(_FILLED) is not None if self._settings.durable else self._filled

    def _fill(self, index: ExactIndex) -> None:
        """Give the store every row, unless it holds them already."""
        if self._is_filled(index):
            return
        ids = index.ids()
        if ids:
            self._nodes.put(ids, index.vectors(ids))
        self._filled, self._fault = True, ""
        if self._settings.durable:
            index.put_note(_FILLED, "yes")

    def _note_failure(self, index: ExactIndex, error: PluginError) -> None:
        self._fault = str(error)
        self._filled = False
        index.drop_notes(_FILLED)
        if not self._settings.durable:
            self._nodes = Nodes(self._settings)
        self.context.emit("llamaindex.failed", {"error": self._fault})

    def _class(self) -> str:
        return self._settings.store.partition(":")[2].partition(".")[0]

    def _vectors_of(self, changes: Sequence[Change]) -> Vectors:
        if self.context.vectors is None:
            raise Missing("the memory llamaindex needs an embedder; set 'embedder' (the default is minilm)")
        return self.context.vectors.of_changes(changes)

    def _exact(self) -> ExactIndex:
        if self._index is None:
            embedder = self.context.embedder
            if embedder is None:
                raise Missing("the memory llamaindex needs an embedder; set 'embedder' (the default is minilm)")
            signature = f"{embedder.model_id}/{embedder.dim}"
            folder, readonly = self.context.data_dir, self.context.readonly
            self._index = ExactIndex(folder, embedder.dim, signature, readonly=readonly)
        return self._index
