"""Settings of the memory `memit`."""

from __future__ import annotations

from pydantic import Field

from agentmem_lm.edits import EditConfig


class MemitConfig(EditConfig):
    """``strength`` is λ, the weight of what the layer saw on ordinary text; ``spread`` over how many layers, up to the
    site, the change is spread (the paper's five on large models; fewer where the site has fewer below it).

    ``null_space``: keep the update out of the directions that ordinary text uses, down to the eigenvalue ``null_share``
    of the largest (AlphaEdit; one layer). ``least_reached`` is the share of its shift that an edit must still get
    beside all others: below it the matrix is out of room.
    """

    strength: float = 400.0
    spread: int = Field(default=3, ge=1)
    null_space: bool = False
    null_share: float = 0.02
    least_reached: float = 0.5
    steps: int = 30
    rate: float = 1.0
    preserve_weight: float = 0.5
    group: int = 25
