"""Random draws that give the same values on every Python version.

Knows nothing of worlds or models. Only `random.Random.random` is promised to be stable across versions, so every
choice, sample and shuffle is made from it here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A seeded source of choices; two sources with one seed give the same sequence."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        return int(self._random.random() * limit)

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self._random.random() < share

    def choice(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely."""
        return items[int(self._random.random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order (Fisher and Yates)."""
        out = list(items)
        for last in range(len(out) - 1, 0, -1):
            other = self.below(last + 1)
            out[last], out[other] = out[other], out[last]
        return out

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items; all of them, shuffled, when there are fewer."""
        return self.shuffled(items)[:count]
