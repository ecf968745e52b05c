"""How much surer a model is with what it is shown than without: entropies, the confidence gain, and mixing the two.

CK-PLUG (Bi et al. 2025, arXiv 2503.15888): a token whose distribution is flatter with the context than without is one
where context and weights disagree; there, and only there, the two are mixed. Deliberate differences:

- An answer that says that the model does not know counts as ignorance, whatever its entropy: a model that has learnt
  to say so says it surely, and by the bare entropy any passage would make it less sure.
- The log-probabilities with and without the context are mixed themselves, so that the ends of the scale are these two
  distributions exactly. What lies outside the top tokens of both keeps its mixed mass instead of being cut off.

Numbers in, numbers out; knows no model. Entropies are in nats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Weight = float | Literal["adaptive"]
TOP = 10
"""Tokens of each distribution that are mixed one by one (the paper's number)."""
SURE = 0.75
"""Confidence from which a model's own answer stands for something against a text (calibrated where the model is)."""
_LEAST = -100.0  # log-probability below which a token is as good as impossible


@dataclass(frozen=True, slots=True)
class Said:
    """What a model answers and how sure of it it is.

    ``entropy`` is that of the token that it was least sure of; ``confidence`` the chance that the answer is right, 0
    when it says that it does not know (``unknown``).
    """

    text: str
    entropy: float
    confidence: float
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """A question that a model answered by itself (``closed``) and from passages (``opened``).

    ``ignorance`` is the greatest entropy that there can be: that of a token of which nothing is known.
    """

    model: str
    closed: Said
    opened: Said
    ignorance: float

    @property
    def gain(self) -> float:
        """How much less uncertain the passages leave the model; negative when they make it less sure."""
        return self.uncertainty(self.closed) - self.uncertainty(self.opened)

    def uncertainty(self, said: Said) -> float:
        return self.ignorance if said.unknown else min(said.entropy, self.ignorance)


def stands_in(answer: str, text: str) -> bool:
    """Whether a text holds a short answer word for word."""
    words, told = (" ".join(re.findall(r"\w+", part.casefold())) for part in (answer, text))
    return bool(words) and f" {words} " in f" {told} "


def same_answer(one: str, other: str) -> bool:
    """Whether two short answers say the same as far as their words tell: one may say more than the other."""
    return stands_in(one, other) or stands_in(other, one)


def otherwise(model: str, text: str) -> str:
    """What a person is told when a text is believed and the weights say something else."""
    return f"the weights of {model} say otherwise: {text.strip().rstrip('.')}"


def entropy(log_p: Floats) -> Floats:
    """The entropy of distributions over the last axis, given as log-probabilities."""
    kept = np.maximum(np.asarray(log_p, dtype=np.float64), _LEAST)
    told: Floats = -(np.exp(kept) * kept).sum(-1)
    return told


def entropy_of_top(log_p: Sequence[float]) -> float:
    """The entropy when only the likeliest tokens are known: all others count as one token, so it is a lower bound."""
    p = np.exp(np.asarray(log_p, dtype=np.float64))
    rest = max(1.0 - float(p.sum()), 0.0)
    known = float(entropy(np.asarray(log_p, dtype=np.float64))) if len(log_p) else 0.0
    return known - (rest * float(np.log(rest)) if rest > 0 else 0.0)


def adaptive_weight(without: float, with_context: float) -> float:
    """The weight of the context, 0 to 1, by the two entropies: whichever is surer counts for more."""
    total = without + with_context
    return without / total if total > 0 else 0.5


def mixed(log_with: Floats, log_without: Floats, weight: float, *, top: int = TOP) -> Floats:
    """Log-probabilities (vocab,) between those with the context (``weight`` 1) and those without (0).

    The top tokens of either are mixed in their logarithms, so the odds between two of them move steadily with the
    weight; the rest is mixed as it is. The result sums to one.
    """
    one, other = (np.maximum(np.asarray(x, dtype=np.float64), _LEAST) for x in (log_with, log_without))
    chosen = np.zeros(len(one), dtype=bool)
    for log_p in (one, other):
        chosen[np.argpartition(-log_p, min(top, len(log_p)) - 1)[:top]] = True
    p = weight * np.exp(one) + (1 - weight) * np.exp(other)
    raw = np.exp(weight * one[chosen] + (1 - weight) * other[chosen])
    p[chosen] = raw * (p[chosen].sum() / raw.sum())
    out: Floats = np.log(np.maximum(p / p.sum(), np.exp(_LEAST)))
    return out


def steered(log_with: Floats, log_without: Floats, weight: Weight, *, always: bool = False) -> Floats:
    """The distribution to decode by: the context's own where it makes the model surer, else the mixed one.

    ``always``: mixed whatever the gain is, which is not the paper's; for models that are sure of any passage.
    """
    without, with_context = float(entropy(log_without)), float(entropy(log_with))
    if not always and without - with_context >= 0:
        return log_with
    return mixed(log_with, log_without, adaptive_weight(without, with_context) if weight == "adaptive" else weight)
