"""The settings of this memory: ``--set notes.least_overlap=0.2``, or a section [notes] in agentmem.toml."""

from agentmem.contract import MemoryConfig


class NotesConfig(MemoryConfig):
    least_overlap: float = 0.0
    """The share of the question's words that a record must hold to be recalled."""
