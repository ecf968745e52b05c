"""Settings of the `lm` memory."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class LmConfig(MemoryConfig):
    """What a local model must be sure of before its own answer is offered as evidence."""

    min_confidence: float = Field(default=0.5, ge=0, le=1)
    max_new_tokens: int = Field(default=24, ge=1, le=512)
    base: bool = False  # answer from the bare weights, without mounted edits
