"""Vector memory: exact search over mapped vectors, Chroma's HNSW index once a store has outgrown it."""

from agentmem_chroma.memory import ChromaMemory

__all__ = ["ChromaMemory"]
