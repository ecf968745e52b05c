"""Settings of the triple memory."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class RetLlmConfig(MemoryConfig):
    """Which relations hold one object at a time, and how near a term must be to stand for another."""

    single_valued: tuple[str, ...] = ("lives in", "works at", "works as", "moved to", "is married to", "is")
    least_likeness: float = Field(0.6, ge=0, le=1)  # share of common words under which a term is another one
    pattern_bonus: float = Field(1.0, ge=0)  # by which a triple that fits the question's pattern stands above the rest
