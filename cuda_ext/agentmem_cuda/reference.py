"""The slow truth that every kernel is compared with: all slots, in float64; knows nothing of speed.

Product keys (Lample et al. 2019, section 3.1): slot ``i * n_keys + j`` of a head has the key that joins
half-key i of the first half with half-key j of the second, so its score is the sum of two half scores. The
reference forms all ``n_keys ** 2`` sums and never uses that the best of them can be found from the best of
each half.
"""

from __future__ import annotations

import torch
from torch import Tensor


def address(queries: Tensor, keys: Tensor, top_k: int, softmax: bool = True) -> tuple[Tensor, Tensor]:
    """The ``top_k`` best slots of every head and their weights, best first.

    queries: (batch, heads, 2 * d_key); keys: (heads, 2, n_keys, d_key).
    Returns weights, (batch, heads, top_k) float64, and slots, (batch, heads, top_k) int64.
    """
    batch, heads, _ = queries.shape
    n_keys, d_key = keys.shape[2:]
    halves = torch.einsum("bhcd,hcnd->cbhn", queries.double().reshape(batch, heads, 2, d_key), keys.double())
    scores = (halves[0].unsqueeze(-1) + halves[1].unsqueeze(-2)).reshape(batch, heads, n_keys * n_keys)
    best, slots = scores.topk(top_k, dim=-1)
    return (best.softmax(dim=-1) if softmax else best), slots


def bag(values: Tensor, slots: Tensor, weights: Tensor, row_of_slot: Tensor | None = None) -> Tensor:
    """The weighted sum of the value rows of each token, (batch, d) float64.

    values: (n_rows, d); slots and weights: (batch, bag); row_of_slot: (n_slots,), where -1 is a row of zeros.
    """
    rows = slots if row_of_slot is None else row_of_slot.long()[slots]
    present = (rows >= 0).unsqueeze(-1)
    gathered = values.double()[rows.clamp_min(0)] * present
    return (weights.double().unsqueeze(-1) * gathered).sum(dim=1)


def bag_backward(
    grad: Tensor, values: Tensor, slots: Tensor, weights: Tensor, row_of_slot: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The gradients of `bag`: one for the whole table, (n_rows, d), and one for the weights; both float64."""
    table = values.double().detach().requires_grad_()
    share = weights.double().detach().requires_grad_()
    with torch.enable_grad():
        out = bag(table, slots, share, row_of_slot)
        grad_table, grad_weights = torch.autograd.grad(out, (table, share), grad.double())
    return grad_table, grad_weights
