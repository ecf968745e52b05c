"""A LlamaIndex vector store that is given ids and vectors and nothing else. LlamaIndex is imported late."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from operator import methodcaller
from typing import Any, TypeVar

from agentmem.contract import Vectors
from agentmem.errors import BadInput, Missing, PluginError
from agentmem_llamaindex.config import LlamaIndexConfig

T = TypeVar("T")
_BATCH = 500


class Nodes:
    """Nearest ids by the store's own measure. Every method raises PluginError when the store fails."""

    def __init__(self, config: LlamaIndexConfig) -> None:
        self._config = config
        self._made: Any = None

    def put(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Add or replace; ``vectors``: (len(ids), dim)."""
        self.remove(ids)  # the first call makes the store, and says what is missing when it cannot
        from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

        for start in range(0, len(ids), _BATCH):
            nodes = [
                TextNode(
                    id_=record_id,
                    text="",
                    embedding=vector.tolist(),
                    # its own document: `delete` takes documents, and is all that every store can do
                    relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=record_id)},
                )
                for record_id, vector in zip(ids[start : start + _BATCH], vectors[start : start + _BATCH], strict=True)
            ]
            self._asked("add", methodcaller("add", nodes))

    def remove(self, ids: Iterable[str]) -> None:
        doomed = list(ids)

        def delete(store: Any) -> None:
            try:
                store.delete_nodes(doomed)
            except (NotImplementedError, AttributeError):
                for record_id in doomed:
                    store.delete(record_id)

        if doomed:
            self._asked("delete", delete)

    def nearest(self, vector: Vectors, n: int) -> list[str]:
        from llama_index.core.vector_stores.types import VectorStoreQuery

        asked = VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=n)
        found = self._asked("query", lambda store: store.query(asked))
        return [str(i) for i in found.ids or [node.node_id for node in found.nodes or []]]

    def _asked(self, what: str, ask: Callable[[Any], T]) -> T:
        if self._made is None:
            self._made = _make(self._config)
        try:
            return ask(self._made)
        except Exception as error:  # stores raise what their servers' clients raise
            raise PluginError(f"{self._config.store} failed to {what}: {error}", "llamaindex") from error


def _make(config: LlamaIndexConfig) -> Any:
    """The store that the settings name. Raises Missing or BadInput with what to change."""
    module, _, path = config.store.partition(":")
    try:
        made: Any = importlib.import_module(module)
    except ImportError as error:
        raise Missing(
            f"llamaindex.store = '{config.store}' cannot be imported ({error}); install the package that holds it"
        ) from error
    for name in path.split("."):
        if not hasattr(made, name):
            raise BadInput(f"llamaindex.store = '{config.store}': {module} has no '{path}'; give module:Class")
        made = getattr(made, name)
    try:
        store = made(**config.options)
    except Exception as error:  # a store checks its keywords in its own way
        given = ", ".join(config.options) or "no options"
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadInput(f"{config.store} cannot be made with {given} (llamaindex.options): {why}") from error
    if not all(callable(getattr(store, name, None)) for name in ("add", "delete", "query")):
        raise BadInput(f"llamaindex.store = '{config.store}' makes a {type(store).__name__}, which is no vector store")
    return store
