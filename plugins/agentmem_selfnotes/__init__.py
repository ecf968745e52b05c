"""Self-Notes: what follows from a text, written down while it is read."""

from agentmem_selfnotes.memory import SelfNotesMemory

__all__ = ["SelfNotesMemory"]
