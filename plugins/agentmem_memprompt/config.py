"""Settings of the memory of corrections and experience."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class MemPromptConfig(MemoryConfig):
    """How like a question must be to an earlier one before what was learnt there is recalled."""

    least_likeness: float = Field(0.5, ge=0, le=1)  # cosine of the two questions, or share of common words
    most_edits: int = Field(6, ge=0)  # edit distance up to which two questions are the same in any case
    hide_names: bool = True  # compare problems without their names and numbers (ARM-RAG's obfuscation)
