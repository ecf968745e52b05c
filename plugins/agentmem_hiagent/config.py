"""Settings of the HiAgent memory."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class HiAgentConfig(MemoryConfig):
    """How finished subgoals are written down and how much of them is shown."""

    summaries: str = Field("extractive", pattern="^(extractive|chat)$")  # who writes the line of a finished subgoal
    max_words: int = Field(80, ge=5)  # of a summary that a model writes
    budget_tokens: int | None = Field(None, ge=200)  # of the visible context; None: whatever it takes
