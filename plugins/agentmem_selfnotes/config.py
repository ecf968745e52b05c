"""Settings of the Self-Notes memory."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class SelfNotesConfig(MemoryConfig):
    """Who writes notes, on what, and how many."""

    writer: str = Field("chat", pattern="^(chat|local|none)$")  # local: the causal LM pauses by itself
    batch: int = Field(8, ge=1)  # segments a prompt
    max_notes: int = Field(2, ge=1)  # on one segment
    min_segments: int = Field(1, ge=1)  # shorter texts get no notes
    start: str = " (note: "  # what begins a note of the local model
    end: str = ")"
    threshold: float | None = Field(None, gt=0, lt=1)  # least probability of the start; None: it must be the likeliest
