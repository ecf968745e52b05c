"""Learns the calibration of arms from how they fared: ridge logistic regression, scaled by Platt's method.

Outcomes are shares (0 to 1) and enter as soft labels. The scale is fitted on predictions for groups that the line was
not fitted on. Plain numpy, deterministic. Knows no evaluation set: examples come as numbers.

Platt 1999, "Probabilistic outputs for support vector machines", without its prior-corrected targets.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agentmem.errors import BadInput
from agentmem.routing.arms import NOTHING, Arm
from agentmem.routing.features import NAMES, is_small_talk
from agentmem.routing.model import Line, RoutingModel

Floats = NDArray[np.float64]
_FOLDS = 5
_RIDGE = 1.0
_STEPS = 30
LEAST = 20
"""Examples of an arm, below which it is not learnt."""


@dataclass(frozen=True, slots=True)
class Example:
    """One question as it was: its features and signals, what each arm that was tried brought, and its group."""

    group: str
    features: Mapping[str, float]
    outcomes: Mapping[Arm, float]
    signals: Mapping[str, float] = field(default_factory=dict)


def learn(examples: Sequence[Example], *, ms: Mapping[str, float] | None = None, source: str = "") -> RoutingModel:
    """A model of every arm that was tried often enough; BadInput when none was."""
    arms = sorted({arm for example in examples for arm in example.outcomes})
    signals = tuple(sorted({name for example in examples for name in example.signals}))
    names = (*NAMES, *signals)
    table = np.array([[{**e.signals, **e.features}.get(name, 0.0) for name in names] for e in examples], dtype=float)
    lines, probed = {}, {}
    for arm in arms:
        tried = [i for i, example in enumerate(examples) if arm in example.outcomes]
        if arm == NOTHING:  # it is only ever judged where it is allowed
            tried = [i for i in tried if is_small_talk(examples[i].features)]
        if len(tried) < LEAST:
            continue
        y = np.array([examples[i].outcomes[arm] for i in tried])
        folds = np.array([_fold(examples[i].group) for i in tried])
        lines[arm] = fit(table[tried, : len(NAMES)], y, folds)
        if signals:
            probed[arm] = fit(table[tried], y, folds)
    if not lines:
        raise BadInput(f"no arm was tried {LEAST} times; there are {len(examples)} examples")
    ranges = {name: (float(table[:, i].min()), float(table[:, i].max())) for i, name in enumerate(names)}
    return RoutingModel(tuple(NAMES), lines, ranges, signals, probed, dict(ms or {}), source)


def fit(x: Floats, y: Floats, folds: NDArray[np.int64]) -> Line:
    """A line for outcomes ``y`` (n,) of rows ``x`` (n, d), its scale taken from folds that it was not fitted on."""
    held = np.zeros(len(y))
    for fold in np.unique(folds):
        inside = folds != fold
        weights, bias = _ridge(x[inside], y[inside]) if inside.any() else (np.zeros(x.shape[1]), 0.0)
        held[folds == fold] = x[folds == fold] @ weights + bias
    scale, shift = platt(held, y)
    weights, bias = _ridge(x, y)
    return Line(tuple(float(w * scale) for w in weights), float(bias * scale + shift))


def _ridge(x: Floats, y: Floats) -> tuple[Floats, float]:
    """Newton's method on the penalised likelihood; features are standardised inside, the bias is not penalised."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-9] = np.inf  # what never varied counts for nothing
    table = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    w = _newton(table, y, np.append(np.full(x.shape[1], _RIDGE), 1e-3))
    weights = w[:-1] / spread
    return weights, float(w[-1] - weights @ mean)


def platt(z: Floats, y: Floats, *, towards: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    """Scale and shift of logits ``z`` (n,); the scale is not negative, so that a better prediction stays a better one.

    ``towards``: the scale and shift that few examples leave as they are.
    """
    about = np.array(towards)
    firmness = np.array([1e-2, 1e-3]) if towards == (0.0, 0.0) else np.array([10.0, 5.0])
    scale, shift = _newton(np.column_stack([z, np.ones(len(z))]), y, firmness, about)
    if scale > 0:
        return float(scale), float(shift)
    return 0.0, float(np.log((y.mean() + 1e-3) / (1 - y.mean() + 1e-3)))


def _newton(x: Floats, y: Floats, penalty: Floats, about: Floats | None = None) -> Floats:
    start = np.zeros(x.shape[1]) if about is None else about
    w = start.copy()
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (p - y) + penalty * (w - start)
        curvature = (x * (p * (1 - p) + 1e-6)[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        w = w - step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-9))
        if float(np.abs(step).max()) < 1e-7:
            break
    return w


def _fold(group: str) -> int:
    return zlib.crc32(group.encode()) % _FOLDS


def brier(p: Sequence[float], y: Sequence[float]) -> float:
    """Mean squared difference between predictions and outcomes."""
    return float(np.mean((np.asarray(p) - np.asarray(y)) ** 2)) if len(p) else 0.0


def calibration_error(p: Sequence[float], y: Sequence[float], bins: int = 10) -> float:
    """ECE: over ten bins of equal size, the mean distance of the mean prediction from the mean outcome."""
    if not len(p):
        return 0.0
    order = np.argsort(np.asarray(p), kind="stable")
    parts = np.array_split(order, min(bins, len(p)))
    told, seen = np.asarray(p), np.asarray(y)
    return float(sum(len(part) * abs(told[part].mean() - seen[part].mean()) for part in parts) / len(p))
