"""A memory for agentmem."""

from agentmem_notes.memory import NotesMemory

__all__ = ["NotesMemory"]
