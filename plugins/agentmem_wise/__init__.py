"""WISE: a side memory beside untouched weights, with routing that decides per token which of the two speaks."""

from agentmem_wise.memory import WiseMemory

__all__ = ["WiseMemory"]
