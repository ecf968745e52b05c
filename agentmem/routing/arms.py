"""Arms: the sets of memories that can be chosen, and what each costs. Knows no memory by name; names come as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

WIDE = 3  # by how much more hits a wide arm keeps


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """A set of memories, asked together and fused; with none, nothing is asked. Keys: "bm25+chroma", "bm25*3", ""."""

    memories: tuple[str, ...]
    width: int = 1

    @property
    def key(self) -> str:
        return "+".join(self.memories) + (f"*{self.width}" if self.width > 1 else "")

    @classmethod
    def of(cls, key: str) -> Arm:
        names, star, width = key.partition("*")
        return cls(tuple(sorted(n for n in names.split("+") if n)), int(width) if star else 1)


NOTHING = Arm(())


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost in units of a right answer: its worth, a millisecond, a hit shown, a call of a chat model.

    ``risk`` is for leaving out memories that rank, all of them: questions are seldom quite like those learnt from, and
    a set forgives what a single memory does not. It outweighs differences that are too small to be sure of.
    """

    value: float = 1.0
    ms: float = 2e-5
    hit: float = 1e-3
    call: float = 0.05
    risk: float = 0.03

    def weigh(self, arm: Arm, ranking: Collection[str]) -> float:
        """The price of relying on an arm alone where these could be asked."""
        left_out = set(ranking) - set(arm.memories)
        return self.risk * len(left_out) / len(ranking) if ranking else 0.0

    def of(self, arm: Arm, ms: Mapping[str, float], *, k: int, calls: Collection[str] = ()) -> float:
        """The cost of an arm: memories share the processor, so their milliseconds add up."""
        spent = sum(ms.get(name, UNKNOWN_MS) for name in arm.memories)
        shown = k * arm.width if arm.memories else 0
        return self.ms * spent + self.hit * shown + self.call * len(set(arm.memories) & set(calls))


UNKNOWN_MS = 20.0


def possible(arms: Sequence[Arm], names: Collection[str]) -> tuple[list[Arm], tuple[str, ...]]:
    """The arms whose memories are all there, and the memories that no arm knows (they are asked along)."""
    known = {name for arm in arms for name in arm.memories}
    strangers = tuple(sorted(set(names) - known))
    return [arm for arm in arms if set(arm.memories) <= set(names)], strangers


def all_arms(rank: Sequence[str], weights: Sequence[str] = ()) -> list[Arm]:
    """Every arm worth trying: nothing, each memory alone, pairs, all that rank (also wide), all with the weights."""
    rank = sorted(rank)
    arms = [NOTHING, *(Arm((name,)) for name in (*rank, *weights))]
    arms += [Arm((a, b)) for i, a in enumerate(rank) for b in rank[i + 1 :]]
    arms += [Arm(tuple(rank)), Arm(tuple(rank), WIDE)]
    arms += [Arm(tuple(sorted((*rank, name)))) for name in weights]
    return list(dict.fromkeys(arms))
