"""Settings of the memory layer."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class MemlayerConfig(MemoryConfig):
    """Where the layer sits, how large it is, and what an edit must show before it is mounted."""

    layer: int | None = Field(default=None, ge=0)  # None: the highest layer whose subject position carries facts
    heads: int = Field(default=4, ge=1, le=16)
    n_keys: int = Field(default=512, ge=16, le=4096)  # n_keys squared slots
    d_key: int = Field(default=32, ge=8)
    top_k: int = Field(default=16, ge=1, le=64)
    temperature: float = Field(default=20.0, gt=0)
    gate: float = Field(default=0.35, ge=0, le=1)  # share of attention on written rows below which nothing is read
    rows: int = Field(default=64, ge=1, le=1024)  # slots that one edit may write
    steps: int = Field(default=30, ge=1, le=500)
    rate: float = Field(default=2.0, gt=0)
    seed: int = 7
    admit: bool = True
    min_rewrite: float = Field(default=1.0, ge=0, le=1)
    min_paraphrase: float = Field(default=0.75, ge=0, le=1)
    min_preserved: float = Field(default=0.7, ge=0, le=1)
