"""A product-key memory layer for one place in a model: how a state finds its slots, and what it reads there.

Tensors in, tensors out; knows no text, no edit and no language model. Product keys are those of Lample et al. 2019;
that a memory layer is written by changing few of its rows is Sparse Memory Finetuning (2025), and the layer itself
Memory Layers at Scale (Berges et al. 2024), with four deliberate differences for a model that was trained without one:
queries are whitened on background states instead of learnt, keys are sampled from background queries, both halves are
normalised (their QK-norm), and a token reads nothing unless enough of its attention falls on written rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agentmem_cuda import pkm_address, pkm_bag

_CHUNK = 4096  # states addressed at a time while the background is counted


@dataclass(frozen=True)
class Shape:
    """Sizes of an addressing: ``n_keys ** 2`` slots, ``heads`` lookups of ``top_k`` slots each for every state."""

    heads: int = 4
    n_keys: int = 256
    d_key: int = 32
    top_k: int = 16
    temperature: float = 20.0
    floor: float = 0.05  # share of the largest variance that every direction is given before whitening

    @property
    def n_slots(self) -> int:
        return self.n_keys**2


@dataclass(frozen=True)
class Addressing:
    """How a state finds its slots. Made once for a model and a layer, and never changed by an edit.

    mean: (d_model,); project: (d_model, heads * 2 * d_key), whitening and random projection in one;
    keys: (heads, 2, n_keys, d_key); seen: (n_slots,) int32, in how many background texts a slot was read;
    texts: how many background texts there were.
    """

    shape: Shape
    mean: Tensor
    project: Tensor
    keys: Tensor
    seen: Tensor
    texts: int

    @classmethod
    def fit(cls, states: Sequence[Tensor], shape: Shape, generator: torch.Generator) -> Addressing:
        """From background texts, each as its states (seq, d_model).

        Raises ValueError when there are fewer states than keys to sample from them.
        """
        flat = torch.cat(list(states)).float()
        if len(flat) < shape.n_keys:
            raise ValueError(f"{shape.n_keys} keys are sampled from background states and there are {len(flat)}")
        d_model = flat.shape[1]
        mean = flat.mean(0)
        variance, directions = torch.linalg.eigh(torch.cov(flat.T).reshape(d_model, d_model))
        floor = shape.floor * variance.max()
        whiten = directions @ torch.diag((variance.clamp_min(0) + floor).rsqrt()) @ directions.T
        width = shape.heads * 2 * shape.d_key
        project = whiten @ (torch.randn(d_model, width, generator=generator) / d_model**0.5)
        bare = cls(shape, mean, project, torch.empty(0), torch.empty(0), len(states))
        queries = bare.queries(flat).view(-1, shape.heads, 2, shape.d_key)
        keys = torch.empty(shape.heads, 2, shape.n_keys, shape.d_key)
        for head in range(shape.heads):
            for half in range(2):
                chosen = torch.randperm(len(flat), generator=generator)[: shape.n_keys]
                keys[head, half] = queries[chosen, head, half]
        ready = cls(shape, mean, project, keys, torch.empty(0), len(states))
        return cls(shape, mean, project, keys, ready._count(states), len(states))

    def queries(self, states: Tensor) -> Tensor:
        """(n, d_model) to (n, heads, 2 * d_key), both halves of length one."""
        s = self.shape
        projected = ((states.float() - self.mean) @ self.project).view(-1, s.heads, 2, s.d_key)
        return torch.nn.functional.normalize(projected, dim=-1).reshape(-1, s.heads, 2 * s.d_key)

    def address(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Weights, (n, heads * top_k) float32 that sum to one, and slots, (n, heads * top_k) int64."""
        s = self.shape
        weights, slots = pkm_address(self.queries(states) * s.temperature, self.keys, s.top_k)
        return weights.flatten(1) / s.heads, slots.flatten(1)

    def rarity(self, slots: Tensor) -> Tensor:
        """log((texts + 1) / (texts that read the slot + 1)): the inverse document frequency of TF-IDF."""
        return torch.log((self.texts + 1) / (self.seen[slots].float() + 1))

    def to(self, device: torch.device) -> Addressing:
        """The same on another device."""
        moved = (x.to(device) for x in (self.mean, self.project, self.keys, self.seen))
        mean, project, keys, seen = moved
        return Addressing(self.shape, mean, project, keys, seen, self.texts)

    def _count(self, states: Sequence[Tensor]) -> Tensor:
        seen = torch.zeros(self.shape.n_slots, dtype=torch.int32)
        for text in states:
            for part in torch.split(text, _CHUNK):
                read = torch.unique(self.address(part)[1])
                seen[read] += 1
        return seen


@dataclass(frozen=True)
class Rows:
    """The written rows of a table: values (n_rows, d_model) float32, and the map from slots to them.

    row_of_slot: (n_slots,) int32, -1 where nothing is written.
    """

    values: Tensor
    row_of_slot: Tensor

    @classmethod
    def of(cls, slots: Tensor, values: Tensor, n_slots: int) -> Rows:
        """From written slots, each once, and their values."""
        row_of_slot = torch.full((n_slots,), -1, dtype=torch.int32, device=values.device)
        row_of_slot[slots] = torch.arange(len(slots), dtype=torch.int32, device=values.device)
        return cls(values, row_of_slot)

    def to(self, device: torch.device) -> Rows:
        """The same on another device."""
        return Rows(self.values.to(device), self.row_of_slot.to(device))


@dataclass(frozen=True)
class Read:
    """What states read: which of them read at all, and what is added to those. ``added`` is (n_open, d_model)."""

    open: Tensor  # (n,) bool
    added: Tensor


def read(addressing: Addressing, rows: Rows, states: Tensor, gate: float) -> Read:
    """Look the states (n, d_model) up; one whose weight on written rows is below ``gate`` reads nothing."""
    weights, slots = addressing.address(states)
    is_open = written_share(weights, slots, rows) >= gate
    added = pkm_bag(rows.values, slots[is_open], weights[is_open], row_of_slot=rows.row_of_slot)
    return Read(is_open, added)


def written_share(weights: Tensor, slots: Tensor, rows: Rows) -> Tensor:
    """How much of each state's attention falls on written rows: (n,), between 0 and 1."""
    return (weights * (rows.row_of_slot[slots] >= 0)).sum(-1)
