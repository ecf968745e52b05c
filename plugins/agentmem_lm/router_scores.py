"""Scores a router against what was possible: five comparators, the oracle as a bracket, harm, calibration.

Everything is a utility in points (100 = a right answer for nothing), net of what it cost. The oracle that picks the
best of noisy repeats is too good, the one that picks by the other repeats is too bad; the truth lies between.
"""

from __future__ import annotations

import random
import statistics
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentmem.bench.report import Interval
from agentmem.routing.arms import Arm, Prices
from agentmem.routing.learning import brier, calibration_error
from agentmem_lm.router_matrix import Row

_FOLDS = 5
_RIGHT = 0.999


@dataclass(frozen=True, slots=True)
class Scores:
    """All in points of utility but the shares, which are 0 to 1."""

    policy: float
    best_fixed: float
    fixed_arm: str
    cheapest: float
    uniform: float
    same_shares: float
    permuted: float
    oracle_low: float
    oracle_high: float
    harm: float
    ahead: Interval  # policy over the best fixed arm

    @property
    def regret_low(self) -> float:
        return self.oracle_low - self.policy

    @property
    def regret_high(self) -> float:
        return self.oracle_high - self.policy

    @property
    def captured(self) -> float:
        """The share of what the oracle is ahead of the best fixed arm (the middle of the bracket)."""
        headroom = (self.oracle_low + self.oracle_high) / 2 - self.best_fixed
        return (self.policy - self.best_fixed) / headroom if headroom > 1e-9 else 0.0


def score(rows: Sequence[Row], ms: Mapping[str, float], prices: Prices, *, k: int, seed: int = 0) -> Scores:
    """The scores of the router's choices in these rows; every row has the same arms and at least two repeats."""
    arms = sorted(rows[0].outcomes)
    cost = {arm: prices.of(arm, ms, k=k) for arm in arms}
    table = [{arm: [100 * (x - cost[arm]) for x in row.outcomes[arm]] for arm in arms} for row in rows]
    fixed = _fixed(rows, table, arms)
    policy = [_policy(row, ms, prices, k) for row in rows]
    chosen = [arm for row in rows for arm in row.chosen]
    counts = Counter(chosen)
    total = sum(counts.values())
    shares = {arm: counts[arm] / total for arm in arms}
    rng = random.Random(seed)
    shuffled = rng.sample(rows, len(rows))
    cheapest = min(arms, key=lambda arm: (cost[arm], arm.key))
    held = [_mean(table[i][fixed[i]]) for i in range(len(rows))]
    return Scores(
        policy=_mean([_mean(values) for values in policy]),
        best_fixed=_mean(held),
        fixed_arm=Counter(arm.key for arm in fixed).most_common(1)[0][0],
        cheapest=_mean([_mean(row[cheapest]) for row in table]),
        uniform=_mean([_mean([_mean(row[arm]) for arm in arms]) for row in table]),
        same_shares=_mean([sum(shares[arm] * _mean(row[arm]) for arm in arms) for row in table]),
        permuted=_mean(
            [
                _mean([row[arm][0] for arm in other.chosen if arm in row])
                for row, other in zip(table, shuffled, strict=True)
            ]
        ),
        oracle_low=_mean([_left_out(row, arms) for row in table]),
        oracle_high=_mean([max(_mean(row[arm]) for arm in arms) for row in table]),
        harm=_harm(rows, fixed),
        ahead=_ahead(rows, [_mean(values) for values in policy], held, rng),
    )


def calibration(rows: Sequence[Row]) -> dict[str, tuple[float, float, int]]:
    """By arm: (ECE, Brier score, n) of the first judgement, for questions that were judged by features."""
    told: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        for repeat, route in enumerate(row.routes):
            for key, p in route.decision.get("p", {}).items():
                outcome = row.outcomes.get(Arm.of(key))
                if outcome is not None:
                    told[key].append((float(p), outcome[repeat]))
    out = {}
    for key, pairs in sorted(told.items()):
        p, y = zip(*pairs, strict=True)
        out[key] = (calibration_error(p, y), brier(p, y), len(pairs))
    return out


def _policy(row: Row, ms: Mapping[str, float], prices: Prices, k: int) -> list[float]:
    out = []
    for outcome, route in zip(row.policy, row.routes, strict=True):
        arm = Arm(tuple(sorted(route.memories)), route.width)
        out.append(100 * (outcome - prices.of(arm, ms, k=k)))
    return out


def _fixed(rows: Sequence[Row], table: Sequence[Mapping[Arm, Sequence[float]]], arms: Sequence[Arm]) -> list[Arm]:
    """For each question the arm that was best on the folds that its group is not in."""
    folds = [zlib.crc32(row.group.encode()) % _FOLDS for row in rows]
    best = {}
    for fold in range(_FOLDS):
        inside = [row for row, own in zip(table, folds, strict=True) if own != fold] or list(table)
        best[fold] = max(arms, key=lambda arm: (_mean([_mean(row[arm]) for row in inside]), arm.key))
    return [best[fold] for fold in folds]


def _left_out(row: Mapping[Arm, Sequence[float]], arms: Sequence[Arm]) -> float:
    """The outcome of each repeat for the arm that is best by the other repeats."""
    repeats = len(row[arms[0]])
    values = []
    for left in range(repeats):
        others = {arm: _mean([x for i, x in enumerate(row[arm]) if i != left]) for arm in arms}
        values.append(row[max(arms, key=lambda arm: (others[arm], arm.key))][left])
    return _mean(values)


def _harm(rows: Sequence[Row], fixed: Sequence[Arm]) -> float:
    """How often the router is wrong where the best fixed arm is right."""
    pairs = [
        (outcome, own)
        for row, arm in zip(rows, fixed, strict=True)
        for outcome, own in zip(row.outcomes[arm], row.policy, strict=True)
    ]
    return _mean([float(outcome >= _RIGHT > own) for outcome, own in pairs])


def _ahead(rows: Sequence[Row], policy: Sequence[float], fixed: Sequence[float], rng: random.Random) -> Interval:
    """Paired bootstrap over groups."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row, one, other in zip(rows, policy, fixed, strict=True):
        groups[row.group].append(one - other)
    parts = list(groups.values())
    draws = []
    for _ in range(1000):
        sample = rng.choices(parts, k=len(parts))
        draws.append(sum(map(sum, sample)) / sum(map(len, sample)))
    draws.sort()
    value = _mean([x for part in parts for x in part])
    return Interval(value, draws[25], draws[974], len(parts))


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0
