"""The whole history as a memory: nothing is chosen and nothing missed, while it fits a budget of tokens."""

from agentmem_context.memory import ContextMemory

__all__ = ["ContextMemory"]
