"""Slots behind a gate: at a token whose key is like a slot's, the slot's shift is added to the layer's output.

Routing is per token and per row, so batches, padding and the KV cache need no care; where no gate opens, the output is
the base's, bit for bit. Tensors in and out; knows nothing of records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import Tensor, nn


@dataclass(frozen=True)
class Slot:
    """``keys``: (n_keys, d_inner), float16 inputs of the down-projection; ``delta``: (d_model,), float16.

    ``mention``: (0 or 1, d_inner), float16: the key of the subject where it stands as somebody else's answer, kept
    when it is unlike the others. A token that is nearer to it than to ``keys`` is left alone. ``spread``: (1,),
    float32, the least cosine of a key with the nearest other one, before alike keys were left out.
    """

    keys: Tensor
    delta: Tensor
    mention: Tensor
    spread: Tensor

    def to_bytes(self) -> bytes:
        """As safetensors."""
        held = {"keys": self.keys, "delta": self.delta, "mention": self.mention, "spread": self.spread}
        return save({name: tensor.contiguous() for name, tensor in held.items()})

    @staticmethod
    def from_bytes(data: bytes) -> Slot:
        held = load(data)
        return Slot(held["keys"], held["delta"], held["mention"], held["spread"])

    @property
    def size_bytes(self) -> int:
        tensors = (self.keys, self.delta, self.mention, self.spread)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def whitened(keys: Tensor, whitener: Tensor) -> Tensor:
    """Keys (n, d_inner) made comparable: unit covariance on ordinary text, length one; float32."""
    return F.normalize(keys.float() @ whitener, dim=-1)


def thinned(keys: Tensor, whitener: Tensor, same: float) -> Tensor:
    """The keys (n, d_inner) without those whose whitened cosine with a kept one exceeds ``same``."""
    ready = whitened(keys, whitener)
    kept: list[int] = []
    for index, one in enumerate(ready):
        if all(float(one @ ready[other]) < same for other in kept):
            kept.append(index)
    return keys[kept]


def spread(keys: Tensor, whitener: Tensor) -> Tensor:
    """How far the keys (n, d_inner) lie apart: the least cosine of one with its nearest other one, (1,); 1 for one."""
    ready = whitened(keys, whitener)
    if len(ready) == 1:
        return torch.ones(1)
    return (ready @ ready.T).fill_diagonal_(-1.0).max(dim=1).values.min().reshape(1)


@dataclass(frozen=True)
class Gate:
    """When a slot speaks: above a cosine of ``spread`` − ``slack``, held between ``least`` and ``most``; and unless the
    token is by more than ``margin`` nearer to the slot's mention."""

    least: float
    most: float
    slack: float
    margin: float


@dataclass(frozen=True)
class ReadySlot:
    """A slot as it is compared with: whitened ``keys`` (n_keys, d_inner), ``mention`` (0 or 1, d_inner)."""

    keys: Tensor
    delta: Tensor
    mention: Tensor
    spread: Tensor

    @staticmethod
    def of(slot: Slot, whitener: Tensor, dtype: torch.dtype = torch.float32) -> ReadySlot:
        """For a model of that type: beside 16-bit weights keys are kept in float16, which is enough for a cosine."""
        kind = torch.float32 if dtype == torch.float32 else torch.float16
        mention = whitened(slot.mention, whitener).to(kind)
        return ReadySlot(whitened(slot.keys, whitener).to(kind), slot.delta.to(kind), mention, slot.spread)


class SlotTable:
    """All slots that are mounted at one layer.

    ``keys``: (n, d_inner) whitened and of length one; ``owner``: (n,) index of the slot; ``deltas``: (slots, d_model);
    ``mentions``: (n_mentions, d_inner), of which ``told`` (slots,) says which is a slot's, -1 for none; ``opens_at``:
    (slots,) cosines.
    """

    def __init__(self, slots: Sequence[ReadySlot], whitener: Tensor, gate: Gate, device: torch.device) -> None:
        self.whitener = whitener.to(device)
        self.keys = torch.cat([slot.keys for slot in slots]).to(device)
        counts = torch.tensor([len(slot.keys) for slot in slots])
        self.owner = torch.repeat_interleave(torch.arange(len(slots)), counts).to(device)
        self.deltas = torch.stack([slot.delta for slot in slots]).to(device)
        self.mentions = torch.cat([slot.mention for slot in slots]).to(device)
        has = torch.tensor([len(slot.mention) for slot in slots])
        self.told = torch.where(has > 0, has.cumsum(0) - 1, -1).to(device)
        self.opens_at = (
            (torch.cat([slot.spread for slot in slots]) - gate.slack).clamp(gate.least, gate.most).to(device)
        )
        self.margin = gate.margin

    def route(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(whether a slot speaks, index of the nearest slot) for inputs (…, d_inner)."""
        ready = whitened(inputs, self.whitener).to(self.keys.dtype)
        best, which = (ready @ self.keys.T).float().max(dim=-1)
        slot = self.owner[which]
        opens = best > self.opens_at[slot]
        rivals = opens & (self.told[slot] >= 0)
        if bool(rivals.any()):
            mention = (ready[rivals] * self.mentions[self.told[slot[rivals]]]).sum(-1).float()
            opens[rivals] = mention <= best[rivals] + self.margin
        return opens, slot

    def attach(self, down: nn.Module) -> Callable[[], None]:
        """Hook the table to a down-projection; returns what takes it off."""

        def add(_module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
            opens, slot = self.route(inputs[0])
            if not bool(opens.any()):
                return out
            return torch.where(opens[..., None], out + self.deltas[slot].to(out.dtype), out)

        return down.register_forward_hook(add).remove
