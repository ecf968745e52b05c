"""The agent's recall as a LlamaIndex retriever: questions in, nodes with scores out. Writes nothing but touches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from agentmem import Agent
from agentmem.records import Hit


class JournalRetriever(BaseRetriever):
    """Retrieves records. ``k``, ``namespace``, ``memory`` and ``filters`` are those of `Agent.recall`.

    A node's id is the record's, so that `agent.history`, `agent.correct` and `agent.retract` take it.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        k: int | None = None,
        namespace: Sequence[str] | str | None = None,
        memory: str | Sequence[str] | None = None,
        filters: dict[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        self._agent = agent
        self._asked: dict[str, Any] = {"k": k, "namespace": namespace, "memory": memory, "filters": filters}
        super().__init__(**keywords)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(hit) for hit in self._agent.recall(query_bundle.query_str, **self._asked)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(hit: Hit) -> NodeWithScore:
    record = hit.record
    when = record.valid_from if record.valid_from is not None else record.recorded_at
    metadata = {
        "kind": record.kind,
        "namespace": "/".join(record.namespace),
        "date": datetime.fromtimestamp(when, UTC).date().isoformat(),
        "source": next((source.uri for source in record.sources), None),
        "speaker": record.speaker,
        "why": hit.why,
    }
    told = {name: value for name, value in metadata.items() if value}
    hidden = ["why", "namespace"]  # of no use to a model
    node = TextNode(
        id_=record.id,
        text=record.body,
        metadata=told,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=list(told),
    )
    return NodeWithScore(node=node, score=hit.score)
