"""MEMIT: edits written into the feed-forward weights themselves, solved anew from the base over all live edits."""

from agentmem_memit.memory import MemitMemory

__all__ = ["MemitMemory"]
