"""The examination of an edit before it becomes active: by free generation, never teacher-forced.

The edit is mounted, asked for in its own and other wordings, and compared with the base on everything that should
have stayed. Knows wishes and models; a method of editing only as something that can be mounted for a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from agentmem.records import Verdict
from agentmem_lm.model import CausalModel
from agentmem_lm.requests import Wish
from agentmem_lm.thresholds import Thresholds

_PROBE_TOKENS = 8  # of a probe's continuation that must stay
_ROWS = 64

Mounted = Callable[[], AbstractContextManager[object]]
"""A context in which the model's calls with ``base=False`` see the edits under examination."""


@dataclass(frozen=True)
class Examination:
    """Figures of one edit, each a share from 0 to 1, and the ratio of perplexities on ordinary text.

    ``shared_locality`` and ``perplexity`` are of all mounted edits together.
    """

    rewrite: float
    paraphrase: float
    same_subject: float
    locality: float
    perplexity: float
    shared_locality: float

    def crowds(self, limits: Thresholds) -> bool:
        """Whether what all mounted edits change together is too much, whoever of them is to blame."""
        return self.shared_locality < limits.locality or self.perplexity > limits.perplexity

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


@dataclass(frozen=True)
class ProbeSet:
    """What must stay whatever is edited, with what the bare model says of it: made once a model, then frozen.

    ``prompts`` are those of ordinary texts whose continuation the base is sure of: where it hesitates, another word is
    no harm. ``answers`` are its greedy tokens there; ``pairs`` are ordinary texts in halves and ``easy`` the
    log-likelihood that the base gives their second halves.
    """

    prompts: tuple[str, ...]
    answers: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[str, str], ...]
    easy: tuple[float, ...]

    def without(self, subjects: Iterable[str]) -> ProbeSet:
        """Those that name none of these subjects: what is said of an edited one may change."""
        names = [name for name in dict.fromkeys(subjects) if name]
        free = [i for i, prompt in enumerate(self.prompts) if not any(name in prompt for name in names)]
        clean = [i for i, (start, end) in enumerate(self.pairs) if not any(name in start + end for name in names)]
        return ProbeSet(
            tuple(self.prompts[i] for i in free),
            tuple(self.answers[i] for i in free),
            tuple(self.pairs[i] for i in clean),
            tuple(self.easy[i] for i in clean),
        )


def probe_set(model: CausalModel, texts: Sequence[str], *, prompts: int = 32, pairs: int = 40) -> ProbeSet:
    """The frozen probe set of a model from ordinary texts of its world: (about 2 · ``prompts``) texts are tried."""
    starts = list(dict.fromkeys(text[: len(text) * 2 // 3].rsplit(" ", 1)[0] for text in texts[: 3 * prompts]))
    done = model.complete(starts, max_new_tokens=_PROBE_TOKENS, base=True)
    order = sorted(range(len(starts)), key=lambda i: -min(done[i].log_probabilities))
    sure = sorted(order[:prompts])  # as many as there are, the surest first: a model that knows nothing has some too
    halves = _pairs(texts[:pairs])
    easy = model.log_likelihood(halves, base=True) if halves else []
    return ProbeSet(tuple(starts[i] for i in sure), tuple(done[i].tokens for i in sure), tuple(halves), tuple(easy))


def examine(
    model: CausalModel,
    wishes: Sequence[Wish],
    mounted: Mounted,
    *,
    siblings: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    probes: ProbeSet | None = None,
    limits: Thresholds | None = None,
) -> list[Examination]:
    """One examination a wish, all in a few batches; the probes are asked once for all of them.

    ``siblings``: (prompt, target) of other edits by subject; they count among what must stay of the subject.
    """
    wanted, frozen = limits or Thresholds(), probes or ProbeSet((), (), (), ())
    others = [one for group in (siblings or {}).values() for one in group]
    asked = [*(prompt for wish in wishes for prompt in wish.own_wordings), *(prompt for prompt, _ in others)]
    stay = list(dict.fromkeys(p for wish in wishes for p in (*wish.preserve, *wish.locality)))
    before = [done.tokens for done in model.complete(stay, max_new_tokens=wanted.max_new_tokens, base=True)]
    with mounted():
        answers = model.generate(asked, max_new_tokens=wanted.max_new_tokens)
        kept = unchanged(model, [*stay, *frozen.prompts], [*before, *frozen.answers])
        hard = model.log_likelihood(frozen.pairs) if frozen.pairs else []
    tokens = max(1, sum(len(model.encode_end(end)) for _, end in frozen.pairs))
    harder = math.exp(min((sum(frozen.easy) - sum(hard)) / tokens, 50.0))
    stays, share = dict(zip(stay, kept, strict=False)), _share(kept[len(stay) :])
    still = {p: says(text, t) for (p, t), text in zip(others, answers[len(asked) - len(others) :], strict=True)}
    said = iter(answers)
    out = []
    for wish in wishes:
        beside = [still[prompt] for prompt, _ in (siblings or {}).get(wish.subject, ())]
        rights = [says(next(said), wish.target) for _ in wish.own_wordings]
        out.append(
            Examination(
                rewrite=float(rights[0]),
                paraphrase=_share(rights[1:]),
                same_subject=_share([*beside, *(stays[p] for p in wish.preserve if p not in wish.invented)]),
                locality=min(share, _share([stays[p] for p in wish.locality])),
                perplexity=harder,
                shared_locality=share,
            )
        )
    return out


def unchanged(model: CausalModel, prompts: Sequence[str], answers: Sequence[Sequence[int]]) -> list[bool]:
    """Whether each prompt's greedy continuation still is that one: one pass instead of one a token.

    Greedy decoding gives these tokens exactly if at each of them, the ones before it given, it is the likeliest; so
    this is what free generation would say, and no scoring with the right answer forced.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    out: dict[int, bool] = {}
    with model.use() as net, torch.inference_mode():
        for start in range(0, len(order), _ROWS):
            chosen = order[start : start + _ROWS]
            rows = [(model.encode(prompts[i]), list(answers[i])) for i in chosen]
            ids, mask = model.pad([prompt + end for prompt, end in rows], "right")
            likeliest = net(input_ids=ids, attention_mask=mask, use_cache=False).logits.argmax(-1).tolist()
            for i, (prompt, end), row in zip(chosen, rows, likeliest, strict=True):
                out[i] = row[len(prompt) - 1 : len(prompt) + len(end) - 1] == end
    return [out[i] for i in range(len(prompts))]


def says(text: str, target: str) -> bool:
    """Whether a continuation says the target: begins with it, and no word goes on from it."""
    said, wanted = text.strip().casefold(), target.strip().casefold()
    if not said.startswith(wanted):
        return False
    rest = said[len(wanted) :]
    return not rest or not (rest[0].isalnum() or rest[0] in "-'’")


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Ordinary texts cut before a word, as (beginning, rest): the rest is what is made easier or harder."""
    cuts = [(text, text.find(" ", len(text) // 3)) for text in texts]
    return [(text[:cut], text[cut:]) for text, cut in cuts if cut > 0]


def _share(rights: Sequence[bool]) -> float:
    return sum(rights) / len(rights) if rights else 1.0
