"""Ebbinghaus's forgetting curve as MemoryBank uses it. Numbers in, numbers out."""

from __future__ import annotations

import math

DAY_S = 86_400.0


def strength(hits: int, start_days: float) -> float:
    """S in days: every recall adds one unit (Zhong et al. 2024, section 3.3)."""
    return start_days * (1 + hits)


def retention(elapsed_s: float, strength_days: float) -> float:
    """R = exp(-t / S) in (0, 1]; ``elapsed_s`` seconds since the last recall (or the writing)."""
    return math.exp(-max(0.0, elapsed_s) / DAY_S / strength_days)
