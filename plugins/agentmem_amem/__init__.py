"""A-MEM: notes with keywords, tags and links, which newer notes may rewrite."""

from agentmem_amem.memory import AMemMemory

__all__ = ["AMemMemory"]
