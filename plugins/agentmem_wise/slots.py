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
    """``keys``: (n_keys, d_inner), float16 inputs of the down-projection; ``delta``: (d_model,), float32."""

    keys: Tensor
    delta: Tensor

    def to_bytes(self) -> bytes:
        """As safetensors."""
        return save({"keys": self.keys.contiguous(), "delta": self.delta.contiguous()})

    @staticmethod
    def from_bytes(data: bytes) -> Slot:
        held = load(data)
        return Slot(held["keys"], held["delta"])

    @property
    def size_bytes(self) -> int:
        return self.keys.numel() * self.keys.element_size() + self.delta.numel() * self.delta.element_size()


def thinned(keys: Tensor, whitener: Tensor, same: float) -> Tensor:
    """The keys (n, d_inner) without those whose whitened cosine with a kept one exceeds ``same``."""
    whitened = F.normalize(keys.float() @ whitener, dim=-1)
    kept: list[int] = []
    for index, one in enumerate(whitened):
        if all(float(one @ whitened[other]) < same for other in kept):
            kept.append(index)
    return keys[kept]


class SlotTable:
    """All slots that are mounted at one layer.

    ``keys``: (n, d_inner) whitened and of length one; ``owner``: (n,) index of the slot; ``deltas``: (slots, d_model).
    """

    def __init__(self, slots: Sequence[Slot], whitener: Tensor, gate: float, device: torch.device) -> None:
        keys = torch.cat([slot.keys for slot in slots]).float()
        self.whitener = whitener.to(device)
        self.keys = F.normalize(keys.to(device) @ self.whitener, dim=-1)
        self.owner = torch.repeat_interleave(torch.arange(len(slots)), torch.tensor([len(s.keys) for s in slots]))
        self.owner = self.owner.to(device)
        self.deltas = torch.stack([slot.delta for slot in slots]).to(device)
        self.gate = gate

    def route(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(cosine with the nearest key, index of its slot) for inputs (…, d_inner)."""
        whitened = F.normalize(inputs.float() @ self.whitener, dim=-1)
        best, which = (whitened @ self.keys.T).max(dim=-1)
        return best, self.owner[which]

    def attach(self, down: nn.Module) -> Callable[[], None]:
        """Hook the table to a down-projection; returns what takes it off."""

        def add(_module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
            best, slot = self.route(inputs[0])
            opens = best > self.gate
            if not bool(opens.any()):
                return out
            return torch.where(opens[..., None], out + self.deltas[slot].to(out.dtype), out)

        return down.register_forward_hook(add).remove
