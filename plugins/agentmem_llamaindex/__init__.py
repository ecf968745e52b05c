"""agentmem inside LlamaIndex: a retriever, a chat memory, and any LlamaIndex vector store as a view of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem_llamaindex.memory import LlamaIndexMemory

if TYPE_CHECKING:
    from agentmem_llamaindex.chat import JournalMemory as JournalMemory
    from agentmem_llamaindex.retriever import JournalRetriever as JournalRetriever

__all__ = ["JournalMemory", "JournalRetriever", "LlamaIndexMemory"]


def __getattr__(name: str) -> Any:
    """LlamaIndex is imported with the classes that derive from its own, not with the view."""
    try:
        if name == "JournalRetriever":
            from agentmem_llamaindex.retriever import JournalRetriever

            return JournalRetriever
        if name == "JournalMemory":
            from agentmem_llamaindex.chat import JournalMemory

            return JournalMemory
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("llama_index"):
            raise
        told = f"agentmem_llamaindex.{name} needs LlamaIndex; install the extra 'llamaindex'"
        raise ImportError(told, name=error.name) from error
    raise AttributeError(f"module 'agentmem_llamaindex' has no attribute '{name}'")
