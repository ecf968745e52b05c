"""Settings of the memory `lm`, and of local models (the section `local`)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from agentmem.contract import MemoryConfig


class LmConfig(MemoryConfig):
    """What a local model must be sure of before its own answer is offered as evidence."""

    min_confidence: float = Field(default=0.5, ge=0, le=1)
    max_new_tokens: int = Field(default=24, ge=1, le=512)
    base: bool = False  # answer from the bare weights, without mounted edits


class LocalConfig(MemoryConfig):
    """How a local model is loaded, and how it answers as a chat model."""

    device: str = "auto"
    dtype: str = "auto"
    padding: Literal["left", "right"] = "left"
    max_new_tokens: int = Field(default=256, ge=1)
    namespace: tuple[str, ...] = ()
    base: bool = False  # answer from the bare weights, without mounted edits
    cite: bool = True  # say what a bare answer rests on
    tell_conflicts: bool = True  # say when the weights alone would answer otherwise than the passage that was followed
    context_weight: float | Literal["adaptive"] = 1.0
    mix_at: Literal["conflicts", "every_token"] = "conflicts"

    @field_validator("context_weight", mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        if value != "adaptive" and not (isinstance(value, int | float) and 0 <= value <= 1):
            raise ValueError("give a number from 0 (the weights alone) to 1 (the passages alone), or adaptive")
        return value
