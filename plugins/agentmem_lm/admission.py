"""The examination of an edit before it becomes active: by free generation, never teacher-forced.

The edit is mounted, asked for in its own and other wordings, and compared with the base on everything that should
have stayed. Knows wishes and models; a method of editing only as something that can be mounted for a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from agentmem.records import Verdict
from agentmem_lm.model import CausalModel
from agentmem_lm.requests import Wish
from agentmem_lm.thresholds import Thresholds

Mounted = Callable[[], AbstractContextManager[object]]
"""A context in which the model's calls with ``base=False`` see the edits under examination."""


@dataclass(frozen=True)
class Examination:
    """Figures of one edit, each a share from 0 to 1, and the ratio of perplexities on ordinary text."""

    rewrite: float
    paraphrase: float
    same_subject: float
    locality: float
    perplexity: float

    def verdict(self, limits: Thresholds) -> Verdict:
        """Accepted, or refused for the first figure that misses its threshold."""
        figures = {
            "rewrite": self.rewrite,
            "paraphrase": self.paraphrase,
            "same_subject": self.same_subject,
            "locality": self.locality,
            "perplexity": self.perplexity,
        }
        for name in ("rewrite", "paraphrase", "same_subject", "locality"):
            least = getattr(limits, name)
            if figures[name] < least:
                reason = f"{name.replace('_', ' ')} {figures[name]:.2f} is below {least:.2f}; the fact stays as text"
                return Verdict(accepted=False, reason=reason, figures=figures)
        if self.perplexity > limits.perplexity:
            reason = f"ordinary text became {self.perplexity:.2f} times as hard (limit {limits.perplexity:.2f})"
            return Verdict(accepted=False, reason=reason, figures=figures)
        return Verdict(accepted=True, figures=figures)


def examine(
    model: CausalModel,
    wishes: Sequence[Wish],
    mounted: Mounted,
    *,
    probes: Sequence[str] = (),
    texts: Sequence[str] = (),
    limits: Thresholds | None = None,
) -> list[Examination]:
    """One examination a wish, all in a few batches.

    ``probes`` are prompts whose continuations must stay whatever the edit (the frozen probe set); ``texts`` ordinary
    text for the perplexity. Both are asked once for all wishes.
    """
    wanted = limits or Thresholds()
    asked = [prompt for wish in wishes for prompt in wish.own_wordings]
    stay = [prompt for wish in wishes for prompt in (*wish.preserve, *wish.locality)]
    unique = list(dict.fromkeys([*stay, *probes]))
    before = dict(zip(unique, model.generate(unique, max_new_tokens=wanted.max_new_tokens, base=True), strict=True))
    pairs = _pairs(texts)
    easy = model.log_likelihood(pairs, base=True) if pairs else []
    with mounted():
        said = iter(model.generate(asked, max_new_tokens=wanted.max_new_tokens))
        after = dict(zip(unique, model.generate(unique, max_new_tokens=wanted.max_new_tokens), strict=True))
        hard = model.log_likelihood(pairs) if pairs else []
    tokens = max(1, sum(len(model.encode_end(end)) for _, end in pairs))
    harder = math.exp(min((sum(easy) - sum(hard)) / tokens, 50.0))
    kept = _share([before[p] == after[p] for p in probes])
    out = []
    for wish in wishes:
        rights = [says(next(said), wish.target) for _ in wish.own_wordings]
        local = [before[p] == after[p] for p in wish.locality]
        out.append(
            Examination(
                rewrite=float(rights[0]),
                paraphrase=_share(rights[1:]),
                same_subject=_share([before[p] == after[p] for p in wish.preserve if p not in wish.invented]),
                locality=min(kept, _share(local)),
                perplexity=harder,
            )
        )
    return out


def says(text: str, target: str) -> bool:
    """Whether a continuation says the target: begins with it, and no word goes on from it."""
    said, wanted = text.strip().casefold(), target.strip().casefold()
    if not said.startswith(wanted):
        return False
    rest = said[len(wanted) :]
    return not rest or not (rest[0].isalnum() or rest[0] in "-'’")


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Ordinary texts as (beginning, rest): the rest is what is made easier or harder."""
    return [(text[: len(text) // 3] or text, text[len(text) // 3 :]) for text in texts if len(text) > 6]


def _share(rights: Sequence[bool]) -> float:
    return sum(rights) / len(rights) if rights else 1.0
