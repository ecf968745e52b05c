"""Settings of A-MEM."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class AMemConfig(MemoryConfig):
    """How many neighbours a new note meets, and what links and evolution may do."""

    neighbours: int = Field(5, ge=0)
    evolve: bool = False  # let a new note rewrite the context and tags of its neighbours (as a new version)
    link_share: float = Field(0.5, ge=0, le=1)  # of a hit's score that what it links to is recalled with
    anchors: int = Field(10, ge=1)  # best hits whose links are followed
