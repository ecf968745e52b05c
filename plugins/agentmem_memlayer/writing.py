"""How a change of one state is written into rows: which slots, and how much of it into each.

Tensors in, tensors out; knows no model. Slots are ranked as in Sparse Memory Finetuning (2025): by how much the
states to be changed read them, times how rarely background texts do (TF-IDF). What is written is not found by descent
over the rows but in closed form: the wanted change of state is one vector for all wordings, so every row gets a
multiple of it, and the multiples are the least-squares solution over the wordings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from safetensors.torch import load, save
from torch import Tensor

from agentmem_memlayer.layer import Addressing, Rows

_RIDGE = 1e-3


@dataclass(frozen=True)
class RowDelta:
    """What one edit adds to the bare table: row ``slots[i]`` gets ``shares[i] * direction``.

    slots: (n,) int64, each once, sorted; shares: (n,) float32; direction: (d_model,) float32.
    """

    slots: Tensor
    shares: Tensor
    direction: Tensor

    def to_bytes(self) -> bytes:
        """As safetensors."""
        return bytes(save({"slots": self.slots, "shares": self.shares, "direction": self.direction}))

    @classmethod
    def from_bytes(cls, data: bytes) -> RowDelta:
        """From safetensors; KeyError when it holds something else."""
        tensors = load(data)
        return cls(tensors["slots"], tensors["shares"], tensors["direction"])


def spread(addressing: Addressing, states: Tensor, direction: Tensor, n_rows: int) -> RowDelta:
    """The rows by which each of the ``states`` (n, d_model) comes to read ``direction`` (d_model,)."""
    weights, slots = addressing.address(states)
    used = torch.unique(slots)
    read = torch.zeros(len(states), len(used)).scatter_add_(1, torch.searchsorted(used, slots), weights)
    score = read.sum(0) * addressing.rarity(used)
    chosen = score.topk(min(n_rows, len(used))).indices.sort().values
    read = read[:, chosen]
    overlap = read @ read.T
    ridge = _RIDGE * overlap.diagonal().mean() * torch.eye(len(states))
    shares = read.T @ torch.linalg.solve(overlap + ridge, torch.ones(len(states)))
    return RowDelta(used[chosen], shares, direction.float())


def written(deltas: Iterable[RowDelta], n_slots: int, d_model: int) -> Rows:
    """The table that some edits make, added up in the order given: the same edits, the same bits."""
    wanted = list(deltas)
    slots = torch.unique(torch.cat([delta.slots for delta in wanted])) if wanted else torch.empty(0, dtype=torch.int64)
    values = torch.zeros(len(slots), d_model)
    for delta in wanted:
        values[torch.searchsorted(slots, delta.slots)] += delta.shares.unsqueeze(-1) * delta.direction
    return Rows.of(slots, values, n_slots)
