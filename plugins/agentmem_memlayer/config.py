"""Settings of the memory layer; what every weight memory has besides is in `agentmem_lm.edits`."""

from __future__ import annotations

from pydantic import Field

from agentmem_lm.edits import EditConfig


class MemlayerConfig(EditConfig):
    """How large the layer is, when a token reads it, and how an edit is computed.

    ``gate`` is the share of a token's attention that must fall on written rows before it reads any; ``rows`` how many
    slots an edit writes; ``steps`` to ``still`` are those of `agentmem_lm.shifts`.
    """

    heads: int = Field(default=4, ge=1, le=16)
    n_keys: int = Field(default=512, ge=32, le=4096)
    d_key: int = Field(default=32, ge=8)
    top_k: int = Field(default=16, ge=1, le=32)
    temperature: float = Field(default=20.0, gt=0)
    gate: float = Field(default=0.35, ge=0, le=1)
    rows: int = Field(default=64, ge=1, le=1024)
    steps: int = Field(default=15, ge=1, le=500)
    rate: float = Field(default=3.0, gt=0)
    preserve_weight: float = Field(default=3.0, ge=0)
    enough: float = Field(default=0.05, gt=0)
    still: float = Field(default=0.03, gt=0)
    decays: tuple[float, float] = (0.5, 0.9)  # half as many steps as with Adam's own, and shorter shifts
    together: int = Field(default=16, ge=1)  # facts that one optimisation holds
    seed: int = 7
