"""Settings of MemoryBank."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class MemoryBankConfig(MemoryConfig):
    """How fast memories fade and how much that counts."""

    strength_days: float = Field(1.0, gt=0)  # S of a memory that was never recalled, in days
    fading_share: float = Field(0.1, ge=0, le=1)  # of the score; the rest is relevance
    forget_below: float = Field(0.0, ge=0, le=1)  # retention under which a record is not recalled here; 0: never
    least_turns: int = Field(4, ge=2)  # of a day that is worth a summary
