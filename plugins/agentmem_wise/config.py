"""Settings of the memory `wise`."""

from __future__ import annotations

from typing import Literal

from agentmem_lm.edits import EditConfig


class WiseConfig(EditConfig):
    """``router``: "key" keeps slots per subject behind a gate, "activation" is the paper's side memory.

    A slot speaks above a whitened cosine of its keys' own spread less ``gate_slack``, at least ``gate`` and at most
    ``gate_most``, unless the token is by more than ``mention_margin`` nearer to its subject as somebody else's answer;
    ``same_key`` is the cosine above which two keys of a slot are one; ``steps``, ``rate``, ``preserve_weight`` steer
    the optimisation (see `agentmem_lm.shifts`). The others are of the activation router: shard size, whether
    shards stand side by side or are merged, mask density, margins (alpha, beta, gamma) and TIES density.
    """

    router: Literal["key", "activation"] = "key"
    gate: float = 0.6
    gate_slack: float = 0.2
    gate_most: float = 0.85
    mention_margin: float = 0.08
    same_key: float = 0.97
    steps: int = 30
    rate: float = 1.0
    preserve_weight: float = 0.5
    group: int = 25
    side_layer: int | None = None
    shard: int = 20
    shards: Literal["retrieve", "merge"] = "retrieve"
    mask_density: float = 0.2
    side_steps: int = 60
    side_rate: float = 20.0
    alpha: float = 5.0
    beta: float = 20.0
    gamma: float = 10.0
    ties_density: float = 0.53
    activation_ratio: float = 0.88
