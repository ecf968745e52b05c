"""Settings of the view over a LlamaIndex vector store."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from agentmem.contract import MemoryConfig


class LlamaIndexConfig(MemoryConfig):
    store: str = Field(
        "llama_index.core.vector_stores:SimpleVectorStore",
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$",
        description="module:Class of the vector store, or module:Class.method that makes one",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="keywords that the store is made with")
    durable: bool = Field(False, description="the store keeps what it holds between starts (a server, a folder)")
    overfetch: float = Field(2.0, ge=1, description="times k that the store is asked for, before exact rescoring")
