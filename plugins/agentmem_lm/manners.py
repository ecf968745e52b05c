"""How a model likes to be asked and how far it can be trusted: what lies beside its weights in `agentmem.json`.

Text and two numbers; knows no tensors. Models without such a file get the defaults.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentmem.errors import BadInput

FILE = "agentmem.json"
MOST_PASSAGES = 4
_NAME = re.compile(r"\b[A-Z]\w+")


@dataclass(frozen=True)
class Calibration:
    """Turns the probability that a model gives its own answer into the share of such answers that are right.

    confidence = sigmoid(slope * logit(p) + intercept) (Platt 1999); slope 1, intercept 0 leaves p as it is.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, probability: float) -> float:
        p = min(max(probability, 1e-6), 1 - 1e-6)
        return 1 / (1 + math.exp(-(self.slope * math.log(p / (1 - p)) + self.intercept)))


@dataclass(frozen=True)
class Manners:
    """`question` and `passages` are how the model is asked; `unknown` are the answers that say it does not know.

    `question` holds `{question}`; `passages` holds `{passages}` and comes before it. Empty `question`: the
    tokenizer's chat template, or a plain one.
    """

    question: str = ""
    passages: str = ""
    unknown: tuple[str, ...] = ("I don't know", "I do not know", "unknown")
    calibration: Calibration = field(default_factory=Calibration)
    calibrated: bool = False
    world: str = ""  # "demo": it was trained on the demo world, whose questions it can be examined with

    @classmethod
    def read(cls, folder: Path) -> Manners:
        """The manners in a model's folder; the defaults when it has none. BadInput for a damaged file."""
        path = folder / FILE
        if not path.is_file():
            return cls()
        try:
            data = json.loads(path.read_text())
            fitted = data.get("calibration")
            return cls(
                question=str(data.get("question", "")),
                passages=str(data.get("passages", "")),
                unknown=tuple(data.get("unknown", cls().unknown)),
                calibration=Calibration(float(fitted["slope"]), float(fitted["intercept"]))
                if fitted
                else Calibration(),
                calibrated=bool(fitted),
                world=str(data.get("world", "")),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path} cannot be read: {error}; delete it or copy it again with the model") from error

    def says_unknown(self, answer: str) -> bool:
        """Whether this answer means that the model does not know."""
        plain = answer.strip().strip(".").casefold().replace("’", "'")
        return not plain or any(plain.startswith(text.casefold()) for text in self.unknown)

    def prompt(self, question: str, passages: Sequence[str] = ()) -> str:
        """The prompt of a question, with passages to read before it."""
        asked = (self.question or "Q: {question}\nA:").replace("{question}", question)
        if not passages:
            return asked
        told = (self.passages or "{passages}\n\n").replace("{passages}", " ".join(passages))
        return told + asked


def passages_for(question: str, recalled: Sequence[tuple[int, str]]) -> list[str]:
    """The recalled sentences that name something the question names, best first, as many as such a model can read."""
    names = set(_NAME.findall(question)[1:] or _NAME.findall(question))
    found: list[str] = []
    for _, text in recalled:
        # A question that was recalled is no evidence, and long texts are not what such a model was taught to read.
        if text and "?" not in text and len(text) < 200 and names & set(_NAME.findall(text)) and text not in found:
            found.append(text)
    return found[:MOST_PASSAGES]


def fit(probabilities: Sequence[float], rights: Sequence[bool], steps: int = 200) -> Calibration:
    """The calibration under which these answers are likeliest (damped Newton; targets smoothed as Platt does)."""
    positives = sum(rights)
    high, low = (positives + 1) / (positives + 2), 1 / (len(rights) - positives + 2)
    xs = [math.log(p / (1 - p)) for p in (min(max(p, 1e-6), 1 - 1e-6) for p in probabilities)]
    slope, intercept = 0.0, math.log((positives + 1) / (len(rights) - positives + 1))
    for _ in range(steps):
        g0 = g1 = h00 = h01 = h11 = 0.0
        for x, right in zip(xs, rights, strict=True):
            p = 1 / (1 + math.exp(-max(min(slope * x + intercept, 30), -30)))
            error, weight = p - (high if right else low), p * (1 - p) + 1e-6
            g0, g1 = g0 + error * x, g1 + error
            h00, h01, h11 = h00 + weight * x * x, h01 + weight * x, h11 + weight
        h00, h11 = h00 + 1e-3, h11 + 1e-3
        det = h00 * h11 - h01 * h01
        step0, step1 = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        slope, intercept = slope - max(min(step0, 1), -1), intercept - max(min(step1, 1), -1)
        if abs(step0) + abs(step1) < 1e-9:
            break
    return Calibration(slope, intercept)


def calibration_error(confidences: Sequence[float], rights: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy over equal bins, weighted by size."""
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, right in zip(confidences, rights, strict=True):
        groups[min(int(confidence * bins), bins - 1)].append((confidence, right))
    total = sum(abs(sum(c for c, _ in group) - sum(r for _, r in group)) for group in groups if group)
    return total / max(len(confidences), 1)
