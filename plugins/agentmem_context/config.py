"""The settings of the whole-history memory (section ``context`` of agentmem.toml)."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class ContextConfig(MemoryConfig):
    budget_tokens: int = Field(
        3_000, ge=1, description="above this estimate of its size the history is not shown whole"
    )
