"""Full-text memory: BM25 whose scores depend on what is live and on nothing else, on tantivy."""

from agentmem_bm25.memory import Bm25Memory

__all__ = ["Bm25Memory"]
