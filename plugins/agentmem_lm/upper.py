"""Runs the part of a model that an edit of one state can change: the layers above it, on the tokens from it on.

What lies below the layer, and the keys and values of the tokens before the edited one, are computed once and held.
Knows tensors and modules; nothing of wishes, losses or edits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from agentmem_lm.model import CausalModel


class _Reached(Exception):
    """The layer that was asked for has given its output; no error."""


def run_up_to(module: nn.Module, run: Callable[[], object]) -> tuple[Tensor, bool]:
    """(the states that ``module`` gives while ``run`` runs the model, whether it gives them in a tuple).

    The run ends there: nothing above the module is computed.
    """
    kept: list[tuple[Tensor, bool]] = []

    def hook(_module: nn.Module, _inputs: Any, out: Any) -> None:
        kept.append((out[0], True) if isinstance(out, tuple) else (out, False))
        raise _Reached

    handle = module.register_forward_hook(hook)
    try:
        run()
    except _Reached:
        pass
    finally:
        handle.remove()
    states, in_tuple = kept[-1]
    return states.detach(), in_tuple


class _Skipped(nn.Module):
    """Stands in for a layer that need not run: hands on what it is given, or ``state`` in its place."""

    def __init__(self, original: nn.Module, in_tuple: bool) -> None:
        super().__init__()
        self.state: Tensor | None = None
        self._original = [original]  # in a list, so that it is no submodule
        self._in_tuple = in_tuple

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._original[0], name)  # attention_type and the like, which the model asks for

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Any:
        out = hidden if self.state is None else self.state
        return (out,) if self._in_tuple else out


@contextmanager
def _standing_in(model: CausalModel, layer: int, in_tuple: bool) -> Iterator[_Skipped]:
    """Within the block the layers up to ``layer`` are not run; set ``.state`` of what is yielded to their output."""
    name = model.structure.layers[0].name.rpartition(".")[0]
    stack = model.net.get_submodule(name)
    assert isinstance(stack, nn.ModuleList), f"{name} is no list of layers"
    originals = list(stack)[: layer + 1]
    standing = [_Skipped(original, in_tuple) for original in originals]
    try:
        for index, stand_in in enumerate(standing):
            stack[index] = stand_in
        yield standing[-1]
    finally:
        for index, original in enumerate(originals):
            stack[index] = original


@dataclass(frozen=True)
class Tails:
    """Rows from their edited token on: column 0 of ``states`` is that token.

    ids, positions: (rows, tail); mask: (rows, head + tail); states: (rows, tail, d_model), what the layer gives;
    past: for each layer above it keys and values (rows, heads, head, d_head) of the tokens before, or nothing when
    every row begins with its edited token.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    states: Tensor
    past: tuple[tuple[Tensor, Tensor], ...]

    def of(self, rows: Tensor) -> Tails:
        """Some of the rows; columns that none of them uses are left out."""
        mask = self.mask[rows]
        head = mask.shape[1] - self.ids.shape[1]
        tail = int(mask[:, head:].sum(1).max()) if len(rows) else 0
        return Tails(
            self.ids[rows, :tail],
            self.positions[rows, :tail],
            mask[:, : head + tail],
            self.states[rows, :tail],
            tuple((keys[rows], values[rows]) for keys, values in self.past),
        )


class UpperHalf:
    """The layers above ``layer``; to be used within `upper_half`."""

    def __init__(self, model: CausalModel, layer: int, stand_in: _Skipped) -> None:
        self._model, self._layer, self._stand_in = model, layer, stand_in

    def tails(self, ids: Tensor, mask: Tensor, states: Tensor, at: Tensor) -> Tails:
        """Cut rows (padded on the right) at ``at`` (rows,); what stands before is run here, once."""
        length, head = mask.sum(1), int(at.max())
        rows = torch.arange(len(ids), device=ids.device)[:, None]
        tail = int((length - at).max())
        columns = at[:, None] + torch.arange(tail, device=ids.device)
        inside = columns < length[:, None]
        columns = columns.clamp(max=ids.shape[1] - 1)
        positions = columns.minimum(length[:, None] - 1)
        before = at[:, None] - head + torch.arange(head, device=ids.device)  # padded on the left
        held = before >= 0
        before = before.clamp(min=0)
        past = self._past(ids[rows, before], held.long(), before, states[rows, before]) if head else ()
        both = torch.cat([held.long(), inside.long()], 1)
        return Tails(ids[rows, columns], positions, both, states[rows, columns], past)

    def _past(self, ids: Tensor, mask: Tensor, positions: Tensor, states: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        from transformers import DynamicCache

        cache = DynamicCache()
        with torch.no_grad():
            self._body(ids, mask, positions, states, cache)
        return tuple((part.keys, part.values) for part in cache.layers[self._layer + 1 :])

    def run(self, tails: Tails, states: Tensor) -> Tensor:
        """What the model's last layer gives, (rows, tail, d_model), when the layer below gives ``states``."""
        from transformers import DynamicCache

        cache = DynamicCache()
        if tails.past:
            rows, _, head, _ = tails.past[0][0].shape
            unread = states.new_zeros(rows, 1, head, 1)  # the model asks the lowest layer how long the past is
            for index in range(self._layer + 1):
                cache.update(unread, unread, index)
            for index, (keys, values) in enumerate(tails.past, self._layer + 1):
                cache.update(keys, values, index)
        out: Tensor = self._body(tails.ids, tails.mask, tails.positions, states, cache)
        return out

    def _body(self, ids: Tensor, mask: Tensor, positions: Tensor, states: Tensor, cache: Any) -> Any:
        self._stand_in.state = states
        body: Any = self._model.structure.body
        return body(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)[
            0
        ]


@contextmanager
def upper_half(model: CausalModel, layer: int, in_tuple: bool) -> Iterator[UpperHalf]:
    """Within the block the model has no layers up to ``layer``; the caller holds its lock."""
    with _standing_in(model, layer, in_tuple) as stand_in:
        yield UpperHalf(model, layer, stand_in)
