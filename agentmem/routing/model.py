"""How likely each arm is to bring what a question needs: one calibrated logistic regression an arm, in plain numbers.

Fitted by `agentmem.routing.learning`, kept as JSON: {"version", "features", "signals", "ranges", "ms", "arms": {key:
{"weights", "bias", "probed"?: {"weights", "bias"}, "n"}}}. Features outside the range that was learnt from are taken at
its edge, so that a question of another sort is not judged by a line drawn on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from agentmem.errors import BadInput
from agentmem.routing.arms import Arm

VERSION = 1


@dataclass(frozen=True, slots=True)
class Line:
    """p = sigmoid(weights · x + bias); Platt's scaling is multiplied into both."""

    weights: tuple[float, ...]
    bias: float

    def logit(self, x: Sequence[float]) -> float:
        return self.bias + sum(w * v for w, v in zip(self.weights, x, strict=True))

    def p(self, x: Sequence[float]) -> float:
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, self.logit(x)))))


@dataclass(frozen=True, slots=True)
class RoutingModel:
    """What is known of the arms."""

    features: tuple[str, ...]
    lines: Mapping[Arm, Line]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    probed: Mapping[Arm, Line] = field(default_factory=dict)  # with signals besides features
    ms: Mapping[str, float] = field(default_factory=dict)  # by memory, median
    source: str = ""

    @property
    def arms(self) -> list[Arm]:
        return sorted(self.lines)

    def judge(self, arm: Arm, features: Mapping[str, float]) -> float:
        """p̂ before any probe."""
        return self.lines[arm].p(self._clipped(features, self.features))

    def logit(self, arm: Arm, features: Mapping[str, float]) -> float:
        return self.lines[arm].logit(self._clipped(features, self.features))

    def judge_again(self, arm: Arm, features: Mapping[str, float], signals: Mapping[str, float]) -> float:
        """p̂ with what probes told; the first judgement where nothing was learnt of them."""
        line = self.probed.get(arm)
        if line is None:
            return self.judge(arm, features)
        return line.p(self._clipped({**features, **signals}, (*self.features, *self.signals)))

    def _clipped(self, values: Mapping[str, float], names: Sequence[str]) -> list[float]:
        out = []
        for name in names:
            low, high = self.ranges.get(name, (-math.inf, math.inf))
            out.append(min(high, max(low, values.get(name, 0.0))))
        return out

    def as_dict(self) -> dict[str, Any]:
        arms: dict[str, Any] = {}
        for arm in self.arms:
            arms[arm.key] = _plain(self.lines[arm])
            if arm in self.probed:
                arms[arm.key]["probed"] = _plain(self.probed[arm])
        return {
            "version": VERSION,
            "source": self.source,
            "features": list(self.features),
            "signals": list(self.signals),
            "ranges": {name: [round(v, 4) for v in pair] for name, pair in self.ranges.items()},
            "ms": {name: round(ms, 2) for name, ms in self.ms.items()},
            "arms": arms,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RoutingModel:
        """BadInput when the data is of another form or version."""
        try:
            if data["version"] != VERSION:
                raise BadInput(f"the routing model has version {data['version']}, not {VERSION}; learn it again")
            arms = {Arm.of(key): told for key, told in data["arms"].items()}
            found = cls(
                features=tuple(data["features"]),
                lines={arm: _line(told) for arm, told in arms.items()},
                ranges={name: (float(low), float(high)) for name, (low, high) in data.get("ranges", {}).items()},
                signals=tuple(data.get("signals", ())),
                probed={arm: _line(told["probed"]) for arm, told in arms.items() if "probed" in told},
                ms={name: float(ms) for name, ms in data.get("ms", {}).items()},
                source=str(data.get("source", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                f"the routing model cannot be read ({type(error).__name__}: {error}); learn it again"
            ) from error
        wide = len(found.features) + len(found.signals)
        if any(len(line.weights) != len(found.features) for line in found.lines.values()) or any(
            len(line.weights) != wide for line in found.probed.values()
        ):
            raise BadInput("the routing model has lines of another length than its features; learn it again")
        return found


def _plain(line: Line) -> dict[str, Any]:
    return {"weights": [round(w, 4) for w in line.weights], "bias": round(line.bias, 4)}


def _line(told: Mapping[str, Any]) -> Line:
    return Line(tuple(float(w) for w in told["weights"]), float(told["bias"]))


@cache
def bundled() -> RoutingModel:
    """The model that comes along, learnt from planted questions (`agentmem bench router --learn`)."""
    text = resources.files("agentmem.routing").joinpath("bundled.json").read_text(encoding="utf-8")
    return RoutingModel.from_dict(json.loads(text))
