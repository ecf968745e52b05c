"""Corrections and experience: MemPrompt's clarifications and ARM-RAG's rationales."""

from agentmem_memprompt.memory import MemPromptMemory

__all__ = ["MemPromptMemory"]
