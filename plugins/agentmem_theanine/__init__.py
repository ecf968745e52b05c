"""THEANINE: memories on timelines; what is out of date is shown in its succession, never dropped."""

from agentmem_theanine.memory import TheanineMemory

__all__ = ["TheanineMemory"]
