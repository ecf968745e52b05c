"""Greedy decoding of a batch: padding on either side, key-value cache, stop tokens and stop texts.

Knows nothing of locks or edits; the network is used as it stands. Rows never influence each other: pads are masked and
positions are counted per row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from agentmem.gain import Weight, steered

if TYPE_CHECKING:
    from agentmem_lm.model import CausalModel


@dataclass(frozen=True)
class Finished:
    """One continuation: its text without the stop, its tokens (the stop token included), their log-probabilities.

    `reason` is "stop" (a stop token or text), "length" or "cancelled". `entropies` (nats) are those of the
    distributions that the tokens were chosen from; empty unless they were asked for.
    """

    text: str
    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    reason: str
    entropies: tuple[float, ...] = ()


@dataclass
class _Row:
    prompt: list[int]
    tokens: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    reason: str = ""
    text: str = ""


class Decoder:
    """Decodes prompts together. With right padding a sliding window would see the pads, so the cache is off there."""

    def __init__(
        self,
        model: CausalModel,
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        stop: Sequence[str],
        padding: str,
        cache: bool,
        entropies: bool = False,
    ) -> None:
        self._model = model
        self._watched = entropies
        self._rows = [_Row(prompt) for prompt in prompts]
        self._limit = max_new_tokens
        self._stop = tuple(text for text in stop if text)
        self._side = padding
        ragged = len({len(prompt) for prompt in prompts}) > 1
        self._cached = cache and not (ragged and padding == "right" and model.structure.sliding)

    def run(self) -> list[Finished]:
        """All continuations, in the order of the prompts."""
        for _ in self._steps():
            pass
        return [
            Finished(
                row.text,
                tuple(row.tokens),
                tuple(row.log_probabilities),
                row.reason or "length",
                tuple(row.entropies),
            )
            for row in self._rows
        ]

    def pieces(self) -> Iterator[str]:
        """The text of a single prompt's continuation, one piece a token; what may become a stop text is held back.

        A token that adds no whole character gives an empty piece, so that the caller can stop after any token.
        """
        row, sent = self._rows[0], 0
        for _ in self._steps():
            safe = max(sent, len(row.text) if row.reason else self._safe_length(row.text))
            yield row.text[sent:safe]
            sent = safe
        if len(row.text) > sent:
            yield row.text[sent:]

    def _safe_length(self, text: str) -> int:
        # An unfinished character decodes to U+FFFD, and a stop text may have begun: both wait for the next token.
        safe = len(text.rstrip("\ufffd"))
        for stop in self._stop:
            for size in range(min(len(stop) - 1, safe), 0, -1):
                if text[:safe].endswith(stop[:size]):
                    safe -= size
                    break
        return safe

    def _steps(self) -> Iterator[None]:
        forward = self._with_cache() if self._cached else self._without_cache()
        for _ in range(self._limit):
            for row, chosen in zip(self._rows, self._choose(next(forward)), strict=True):
                if not row.reason:
                    self._take(row, *chosen)
            yield
            if all(row.reason for row in self._rows):
                return

    def _choose(self, log_probabilities: Tensor) -> list[tuple[int, float]]:
        """Each row's next token and its log-probability, from those of the whole vocabulary (batch, vocab)."""
        best = log_probabilities.argmax(-1)
        if self._watched:
            told = -(log_probabilities.exp() * log_probabilities.clamp(min=-100)).sum(-1)
            for row, entropy in zip(self._rows, told.tolist(), strict=True):
                if not row.reason:
                    row.entropies.append(entropy)
        return [(token, float(logp[token])) for token, logp in zip(best.tolist(), log_probabilities, strict=True)]

    def _take(self, row: _Row, token: int, logp: float) -> None:
        row.tokens.append(token)
        row.log_probabilities.append(logp)
        if token in self._model.stop_ids:
            row.reason = "stop"
            return
        row.text = self._model.decode(row.tokens)
        cut = min((at for stop in self._stop if (at := row.text.find(stop)) >= 0), default=-1)
        if cut >= 0:
            row.text, row.reason = row.text[:cut], "stop"

    def _last(self) -> Tensor:
        """The newest token of each row, (batch, 1); a finished row repeats its last one, unread."""
        return torch.tensor([[row.tokens[-1]] for row in self._rows], device=self._model.device)

    def _with_cache(self) -> Iterator[Tensor]:
        """Log-probabilities (batch, vocab) of the next token, fed by what `_take` put into the rows."""
        ids, mask = self._model.pad([row.prompt for row in self._rows], self._side)  # type: ignore[arg-type]
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        lengths = mask.sum(-1)
        kept: Any = None
        at = lengths - 1 if self._side == "right" else torch.full_like(lengths, ids.shape[1] - 1)
        while True:
            out = self._model.net(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=kept, use_cache=True
            )
            kept = out.past_key_values
            yield out.logits[torch.arange(len(ids), device=ids.device), at].float().log_softmax(-1)
            ids = self._last()
            mask = torch.cat([mask, torch.ones_like(ids)], 1)
            positions = lengths[:, None]
            lengths = lengths + 1
            at = torch.zeros_like(lengths)

    def _without_cache(self) -> Iterator[Tensor]:
        while True:
            ids, mask = self._model.pad([row.prompt + row.tokens for row in self._rows], self._side)  # type: ignore[arg-type]
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            out = self._model.net(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)
            at = mask.sum(-1) - 1 if self._side == "right" else torch.full((len(ids),), ids.shape[1] - 1)
            yield out.logits[torch.arange(len(ids)), at.cpu()].float().log_softmax(-1)


@dataclass(frozen=True)
class Steering:
    """How a text is decoded from two prompts: the one without passages, and how much the passages count.

    `weight` 1 is the passages alone, 0 the weights alone, "adaptive" by how sure each is; `always` mixes at every token
    instead of those where the passages make the model less sure (`agentmem.gain.steered`).
    """

    prompt: str
    weight: Weight
    always: bool = False


class Steered(Decoder):
    """Decodes one text from two prompts in lockstep, with passages and without; the same tokens follow both."""

    def __init__(
        self,
        model: CausalModel,
        prompts: tuple[list[int], list[int]],
        max_new_tokens: int,
        stop: Sequence[str],
        padding: str,
        steering: Steering,
    ) -> None:
        super().__init__(model, prompts, max_new_tokens, stop, padding, cache=True)
        self._steering = steering

    def _choose(self, log_probabilities: Tensor) -> list[tuple[int, float]]:
        with_passages, without = log_probabilities.double().cpu().numpy()
        log_p = steered(with_passages, without, self._steering.weight, always=self._steering.always)
        token = int(log_p.argmax())
        return [(token, float(log_p[token]))] * 2
