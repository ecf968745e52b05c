"""The lookup in plain torch, laid out well: what runs where no kernel is loaded; knows nothing of
compilers.

Four choices make it several times faster than the textbook form: keys are kept as (heads, 2, n_keys,
d_key), which a batched product reads where they lie; only the staircase of pairs (i + 1)(j + 1) <= k is
summed (119 of 1,024 pairs for k = 32); a map from slots to written rows is followed before anything is
gathered; and the backward is a bag again, over the gradient, so that no (batch, bag, d) tensor exists.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Rows gathered at a time for the gradient of the weights: 64 MB at d = 1024, bf16.
_GATHERED_ROWS = 1 << 15


@lru_cache(maxsize=16)
def _staircase(top_k: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    pairs = [(i, j) for i in range(top_k) for j in range(top_k // (i + 1))]
    return tuple(i for i, _ in pairs), tuple(j for _, j in pairs)


@lru_cache(maxsize=16)
def _staircase_on(top_k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    first, second = _staircase(top_k)
    return torch.tensor(first, device=device), torch.tensor(second, device=device)


def half_scores(queries: Tensor, keys: Tensor) -> Tensor:
    """Scores of every query half with its half-keys: (2 * heads, batch, n_keys), float32.

    A bf16 product must not be rounded to bf16: ties among the best would then decide which slots are read.
    """
    batch, heads, _ = queries.shape
    n_keys, d_key = keys.shape[2:]
    q = queries.reshape(batch, heads * 2, d_key).transpose(0, 1)
    k = keys.reshape(heads * 2, n_keys, d_key).transpose(1, 2)
    if q.dtype == torch.float32:
        return torch.bmm(q, k)
    if q.is_cuda:
        return torch.bmm(q, k, out_dtype=torch.float32)
    # One half at a time: its widened keys stay in the cache, where those of all heads would go through memory.
    return torch.stack([half.float() @ key.float() for half, key in zip(q, k, strict=True)])


def select(scores: Tensor, top_k: int, softmax: bool) -> tuple[Tensor, Tensor]:
    """The best ``top_k`` sums of both halves.

    scores: (2 * heads, batch, n_keys), float32. Returns weights (float32) and slots (int64), (batch, heads,
    top_k), best first.
    """
    doubled, batch, n_keys = scores.shape
    best, index = scores.topk(top_k, dim=-1)
    best = best.view(doubled // 2, 2, batch, top_k)
    index = index.view(doubled // 2, 2, batch, top_k)
    first, second = _staircase_on(top_k, scores.device)
    sums = best[:, 0].index_select(-1, first) + best[:, 1].index_select(-1, second)
    top, at = sums.topk(top_k, dim=-1)
    slots = index[:, 0].gather(-1, first[at]) * n_keys + index[:, 1].gather(-1, second[at])
    weights = top.softmax(dim=-1) if softmax else top
    return weights.transpose(0, 1).contiguous(), slots.transpose(0, 1).contiguous()


def bag(values: Tensor, slots: Tensor, weights: Tensor, row_of_slot: Tensor | None) -> Tensor:
    """The weighted sum of the value rows of each token, (batch, d) of the values' dtype."""
    if slots.numel() == 0:
        return values.new_zeros(slots.shape[0], values.shape[1])
    if row_of_slot is None:
        return F.embedding_bag(slots, values, per_sample_weights=weights.to(values.dtype), mode="sum")
    rows = row_of_slot[slots]
    token, position = torch.nonzero(rows >= 0, as_tuple=True)
    out = torch.zeros(slots.shape[0], values.shape[1], dtype=torch.float32, device=values.device)
    present = values[rows[token, position]].float() * weights[token, position].unsqueeze(-1)
    return out.index_add_(0, token, present).to(values.dtype)


def bag_backward(
    grad: Tensor,
    values: Tensor,
    slots: Tensor,
    weights: Tensor,
    row_of_slot: Tensor | None,
    need_values: bool,
    need_weights: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Touched rows (sorted), their gradients (of the values' dtype) and the gradient of the weights.

    What was not asked for is empty. Never a dense gradient over the table.
    """
    rows = slots if row_of_slot is None else row_of_slot[slots].long()
    touched = rows.new_empty(0)
    grad_rows = values.new_empty(0, values.shape[1])
    grad_weights = weights.new_empty(0, 0)
    if need_values:
        position = torch.nonzero(rows.flatten() >= 0).squeeze(-1)
        ordered, order = rows.flatten()[position].sort(stable=True)
        position = position[order]
        touched, counts = ordered.unique_consecutive(return_counts=True)
        starts = counts.cumsum(0) - counts
        share = weights.flatten()[position].to(grad.dtype)
        if len(touched):
            token = position // slots.shape[1]
            grad_rows = F.embedding_bag(token, grad, starts, per_sample_weights=share, mode="sum")
    if need_weights:
        grad_weights = torch.zeros_like(weights)
        step = max(1, _GATHERED_ROWS // max(1, slots.shape[1]))
        for first in range(0, slots.shape[0], step):
            part = slice(first, first + step)
            gathered = values[rows[part].clamp_min(0)].float()
            product = torch.bmm(gathered, grad[part].float().unsqueeze(-1)).squeeze(-1)
            grad_weights[part] = product * (rows[part] >= 0)
    return touched, grad_rows, grad_weights
