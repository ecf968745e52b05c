"""The closed form: the change of one matrix that maps each edit's keys to its shift and leaves ordinary text alone.

Meng et al., MEMIT (ICLR 2023), equation 14: Δ = D Kᵀ (λC + K Kᵀ)⁻¹, with K the keys, D the shifts wanted, C the second
moment of keys on ordinary text. Differences: always solved from the base weights over all live edits, so the weights of
a set do not depend on its order and any edit can be taken back; one key an edit, the mean over its wordings.
``null_space`` is AlphaEdit's projection (Fang et al. 2025): Δ P with P the projector on the directions that ordinary
text hardly uses. Tensors only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Solved:
    """``change``: (d_model, d_inner), float32, added to the base; ``reached``: (n_keys,), the share of the wanted shift
    that each key gets, 1 where nothing is in its way."""

    change: Tensor
    reached: Tensor


def solve(keys: Tensor, shifts: Tensor, moment: Tensor, strength: float, null: Tensor | None = None) -> Solved:
    """The change for keys (n, d_inner) and shifts (n, d_model); ``moment``: (d_inner, d_inner); float64 inside.

    ``null``: a projector (d_inner, d_inner) that the change is kept within.
    """
    wanted, exact = shifts.double(), keys.double()
    cost = strength * moment.double()
    if null is None:
        ridge = 1e-6 * cost.diagonal().mean().clamp(min=1e-12) * torch.eye(len(cost), dtype=torch.float64)
        half = torch.linalg.solve(cost + ridge + exact.T @ exact, exact.T)  # (d_inner, n)
    else:
        inside = exact @ null.double()
        own = inside @ inside.T
        scale = 1e-3 * strength * own.diagonal().mean().clamp(min=1e-12)  # ordinary text is kept out by ``null`` alone
        half = inside.T @ torch.linalg.inv(own + scale * torch.eye(len(exact), dtype=torch.float64))
    change = wanted.T @ half.T
    got = exact @ change.T
    reached = (got * wanted).sum(1) / wanted.square().sum(1).clamp(min=1e-12)
    return Solved(change.float(), reached.float())


def null_projector(moment: Tensor, share: float) -> Tensor:
    """The projector on the eigenvectors of ``moment`` whose eigenvalues are below ``share`` of the largest."""
    values, vectors = torch.linalg.eigh(moment.double())
    quiet = vectors[:, values < share * values[-1]]
    projector: Tensor = (quiet @ quiet.T).float()
    return projector


def collisions(keys: Tensor, whitener: Tensor, owner: Tensor) -> Tensor:
    """For each key (n, d_inner) the greatest whitened cosine with a key of another owner (n,); 0 with none."""
    whitened = torch.nn.functional.normalize(keys @ whitener, dim=-1)
    cosine = (whitened @ whitened.T).masked_fill(owner[:, None] == owner[None, :], 0.0)
    worst: Tensor = cosine.max(dim=1).values
    return worst
