"""One Chroma collection that holds ids and vectors and nothing else, in a folder of its own or on a server.

Deleting, vacuuming, even dropping leaves vectors in Chroma's queue and HNSW files; only removing the folder does not.
So `drop` replaces the folder. Never given documents or metadata. Imports chromadb late.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agentmem.contract import Vectors
from agentmem.errors import BadInput, Missing, PluginError
from agentmem_chroma.config import ChromaConfig

T = TypeVar("T")


class Collection:
    """Nearest ids by cosine, approximately. Every method raises PluginError when Chroma fails."""

    def __init__(self, folder: Path, name: str, config: ChromaConfig) -> None:
        self._folder, self._name, self._config = folder, name, config
        self._client: Any = None
        self._collection: Any = None

    def put(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Add or replace; ``vectors``: (len(ids), dim)."""
        self._asked(lambda c: c.upsert(ids=list(ids), embeddings=vectors))

    def remove(self, ids: Sequence[str]) -> None:
        self._asked(lambda c: c.delete(ids=list(ids)))

    def nearest(self, vector: Vectors, n: int) -> list[str]:
        def ask(collection: Any) -> list[str]:
            found = collection.query(query_embeddings=[vector], n_results=n, include=[])
            return [str(record_id) for record_id in found["ids"][0]]

        return self._asked(ask)

    def drop(self) -> None:
        """Remove everything: the folder, or the collection on the server."""
        if self._config.url is not None:
            self._asked(lambda _: self._client.delete_collection(self._name))
        self.close()
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._collection = None

    def _asked(self, ask: Callable[[Any], T]) -> T:
        where = self._config.url or self._folder.name
        try:
            return ask(self._opened())
        except (PluginError, Missing, BadInput):
            raise
        except Exception as error:  # chromadb's errors and its client's share no root
            raise PluginError(f"Chroma ({where}) failed: {type(error).__name__}: {error}", "chroma") from error

    def _opened(self) -> Any:
        if self._collection is None:
            self._client = self._connect()
            self._collection = self._client.get_or_create_collection(
                self._name,
                configuration={
                    "hnsw": {
                        "space": "cosine",
                        "max_neighbors": self._config.max_neighbors,
                        "ef_construction": self._config.ef_construction,
                        "ef_search": self._config.ef_search,
                    }
                },
                embedding_function=None,  # vectors are always given; its own would be downloaded
            )
        return self._collection

    def _connect(self) -> Any:
        try:
            import chromadb
            from chromadb.config import Settings
        except ImportError as error:
            raise Missing("chromadb is not installed; install the extra 'chroma'") from error
        settings = Settings(anonymized_telemetry=False)
        if self._config.url is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            return chromadb.PersistentClient(str(self._folder), settings=settings)
        address = urlsplit(self._config.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise BadInput(f"chroma.url = '{self._config.url}' is no address; expected http://host:port")
        token = os.environ.get(self._config.token_env)
        return chromadb.HttpClient(
            host=address.hostname,
            port=address.port or (443 if address.scheme == "https" else 8000),
            ssl=address.scheme == "https",
            headers={"Authorization": f"Bearer {token}"} if token else None,
            settings=settings,
        )
