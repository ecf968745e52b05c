"""A knowledge graph over what passages name, after HippoRAG; usable with no language model at all."""

from agentmem_hipporag.memory import HippoRAGMemory

__all__ = ["HippoRAGMemory"]
