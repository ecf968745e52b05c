"""Settings of THEANINE."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class TheanineConfig(MemoryConfig):
    """Which memories are put on a common timeline, and how much of one is recalled with a hit."""

    least_likeness: float = Field(0.3, ge=0, le=1)  # cosine under which two memories are not put to the model
    candidates: int = Field(3, ge=0)  # older memories that a new one is put against
    longest: int = Field(8, ge=2)  # members of a timeline that are recalled with a hit
    timeline_share: float = Field(0.5, ge=0, le=1)  # of a hit's score that its neighbours in time get
    anchors: int = Field(5, ge=1)  # best hits whose timelines are unrolled
