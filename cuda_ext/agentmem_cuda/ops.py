"""The lookup as torch ops: one schema each, fake kernels, gradients; knows no layer and no language model.

`pkm_address` and `pkm_bag` run native kernels where the library is loaded and plain torch elsewhere;
callers cannot tell but by speed. Both work under `torch.compile` without a graph break.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agentmem_cuda import cuda_path, native, torch_path

MAX_TOP_K = 64

_library = torch.library.Library("agentmem_cuda", "DEF")
_library.define("pkm_address(Tensor queries, Tensor keys, int top_k, bool softmax) -> (Tensor, Tensor)")
_library.define("pkm_select(Tensor scores, int top_k, bool softmax) -> (Tensor, Tensor)")
_library.define("pkm_bag(Tensor values, Tensor slots, Tensor weights, Tensor? row_of_slot) -> Tensor")
_library.define(
    "pkm_bag_backward(Tensor grad, Tensor values, Tensor slots, Tensor weights, Tensor? row_of_slot, "
    "bool need_values, bool need_weights) -> (Tensor, Tensor, Tensor)"
)
# Steps of the two ops above that exist on a GPU only; see cuda_path.
_library.define("pkm_group(Tensor slots, int n_slots, Tensor? row_of_slot) -> (Tensor, Tensor, Tensor, Tensor)")
_library.define(
    "pkm_bag_segments(Tensor grad, Tensor values, Tensor weights, Tensor rows, Tensor starts, "
    "Tensor positions, bool need_values, bool need_weights) -> (Tensor, Tensor)"
)
_ops = torch.ops.agentmem_cuda


def pkm_address(queries: Tensor, keys: Tensor, top_k: int, *, softmax: bool = True) -> tuple[Tensor, Tensor]:
    """Find each query's best slots among the ``n_keys ** 2`` products of two sets of half-keys.

    queries: (batch, heads, 2 * d_key); keys: (heads, 2, n_keys, d_key), same dtype: float32, bfloat16 or
    float16. Returns weights, (batch, heads, top_k) float32, best first: the softmax over the chosen scores,
    or with ``softmax=False`` the scores themselves; and slots, (batch, heads, top_k) int64, where slot ``i
    * n_keys + j`` joins half-keys i and j. Differentiable in queries and keys through the weights.

    Source: Lample et al. 2019, section 3.1. Scores are not scaled; 1 <= top_k <= 64 and at most n_keys.
    Raises ValueError for shapes and dtypes that do not fit.
    """
    native.ensure()
    _check_address(queries, keys, top_k)
    weights, slots = _ops.pkm_address(queries, keys, top_k, softmax)
    return weights, slots


def pkm_bag(values: Tensor, slots: Tensor, weights: Tensor, *, row_of_slot: Tensor | None = None) -> Tensor:
    """Sum the value rows of each token's slots, weighted.

    values: (n_rows, d), d a multiple of 8; slots: (batch, bag) int64; weights: (batch, bag) float32. With
    ``row_of_slot``, (n_slots,) int32, only written rows are stored: a slot's row, or -1 for a row of zeros.
    Returns (batch, d) of the values' dtype, accumulated in float32. Empty batches and bags are allowed.

    The gradient of ``values`` is a sparse, coalesced tensor over the touched rows, never a dense table;
    that of ``weights`` is (batch, bag). On a CPU a slot out of range raises; on a GPU it makes its token
    NaN. Raises ValueError for shapes and dtypes that do not fit.
    """
    native.ensure()
    _check_bag(values, slots, weights, row_of_slot)
    out: Tensor = _ops.pkm_bag(values, slots, weights, row_of_slot)
    return out


# ---- checks ----------------------------------------------------------------------------------------------


def _check_address(queries: Tensor, keys: Tensor, top_k: int) -> None:
    if keys.dim() != 4 or keys.shape[1] != 2:
        raise ValueError(f"keys must be (heads, 2, n_keys, d_key) and are {tuple(keys.shape)}")
    heads, _, n_keys, d_key = keys.shape
    if queries.dim() != 3 or queries.shape[1:] != (heads, 2 * d_key):
        raise ValueError(f"queries must be (batch, {heads}, {2 * d_key}) and are {tuple(queries.shape)}")
    if queries.dtype != keys.dtype:
        raise ValueError(f"queries are {queries.dtype} and keys {keys.dtype}; cast one of them")
    if not 1 <= top_k <= min(MAX_TOP_K, n_keys):
        raise ValueError(f"top_k must lie between 1 and {min(MAX_TOP_K, n_keys)} and is {top_k}")


def _check_bag(values: Tensor, slots: Tensor, weights: Tensor, row_of_slot: Tensor | None) -> None:
    if values.dim() != 2 or values.shape[1] % 8:
        raise ValueError(f"values must be (n_rows, d) with d a multiple of 8 and are {tuple(values.shape)}")
    if slots.dim() != 2 or slots.shape != weights.shape:
        raise ValueError(
            f"slots and weights must both be (batch, bag) and are {tuple(slots.shape)} and {tuple(weights.shape)}"
        )
    if slots.dtype != torch.int64 or weights.dtype != torch.float32:
        raise ValueError(f"slots must be int64 and weights float32; they are {slots.dtype} and {weights.dtype}")
    if row_of_slot is not None and row_of_slot.dtype != torch.int32:
        raise ValueError(f"row_of_slot must be int32 and is {row_of_slot.dtype}")


# ---- plain torch, wherever no native kernel is registered ------------------------------------------------


def _address_composed(queries: Tensor, keys: Tensor, top_k: int, softmax: bool) -> tuple[Tensor, Tensor]:
    # On a GPU the product is the vendor's and only the selection is ours, so it goes through its own op.
    scores = torch_path.half_scores(queries, keys)
    weights, slots = _ops.pkm_select(scores, top_k, softmax)
    return weights, slots


_library.impl("pkm_address", _address_composed, "CompositeExplicitAutograd")
_library.impl("pkm_select", torch_path.select, "CompositeExplicitAutograd")
_library.impl("pkm_bag", torch_path.bag, "CompositeExplicitAutograd")
_library.impl("pkm_bag_backward", torch_path.bag_backward, "CompositeExplicitAutograd")
_library.impl("pkm_bag_backward", cuda_path.bag_backward, "CUDA")


# ---- shapes without data ---------------------------------------------------------------------------------


@torch.library.register_fake("agentmem_cuda::pkm_address", lib=_library)
def _fake_address(queries: Tensor, keys: Tensor, top_k: int, softmax: bool) -> tuple[Tensor, Tensor]:
    shape = (queries.shape[0], queries.shape[1], top_k)
    return queries.new_empty(shape, dtype=torch.float32), queries.new_empty(shape, dtype=torch.int64)


@torch.library.register_fake("agentmem_cuda::pkm_select", lib=_library)
def _fake_select(scores: Tensor, top_k: int, softmax: bool) -> tuple[Tensor, Tensor]:
    shape = (scores.shape[1], scores.shape[0] // 2, top_k)
    return scores.new_empty(shape), scores.new_empty(shape, dtype=torch.int64)


@torch.library.register_fake("agentmem_cuda::pkm_bag", lib=_library)
def _fake_bag(values: Tensor, slots: Tensor, weights: Tensor, row_of_slot: Tensor | None) -> Tensor:
    return values.new_empty(slots.shape[0], values.shape[1])


@torch.library.register_fake("agentmem_cuda::pkm_bag_backward", lib=_library)
def _fake_bag_backward(
    grad: Tensor,
    values: Tensor,
    slots: Tensor,
    weights: Tensor,
    row_of_slot: Tensor | None,
    need_values: bool,
    need_weights: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    touched = torch.library.get_ctx().new_dynamic_size() if need_values else 0
    return (
        slots.new_empty(touched),
        values.new_empty(touched, values.shape[1]),
        torch.empty_like(weights) if need_weights else weights.new_empty(0, 0),
    )


# ---- gradients -------------------------------------------------------------------------------------------


def _keep_address(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    queries, keys, _, ctx.softmax = inputs
    weights, slots = output
    ctx.mark_non_differentiable(slots)
    ctx.save_for_backward(queries, keys, weights, slots)


def _address_backward(
    ctx: Any, grad_weights: Tensor, _grad_slots: Tensor
) -> tuple[Tensor | None, Tensor | None, None, None]:
    """The gradient is spread over the half scores, (2 * heads, batch, n_keys), and two products do the
    rest.
    """
    queries, keys, weights, slots = ctx.saved_tensors
    batch, heads, _ = queries.shape
    n_keys, d_key = keys.shape[2:]
    grad = grad_weights
    if ctx.softmax:
        grad = weights * (grad - (grad * weights).sum(-1, keepdim=True))
    grad_scores = torch.zeros(batch, heads, 2, n_keys, dtype=torch.float32, device=queries.device)
    halves = torch.stack((slots // n_keys, slots % n_keys), dim=2)
    grad_scores = grad_scores.scatter_add(-1, halves, torch.stack((grad, grad), dim=2))
    spread = grad_scores.view(batch, heads * 2, n_keys).transpose(0, 1).to(keys.dtype)
    grad_queries = grad_keys = None
    if ctx.needs_input_grad[0]:
        product = torch.bmm(spread, keys.reshape(heads * 2, n_keys, d_key))
        grad_queries = product.transpose(0, 1).reshape(queries.shape)
    if ctx.needs_input_grad[1]:
        q = queries.reshape(batch, heads * 2, d_key).transpose(0, 1)
        grad_keys = torch.bmm(spread.transpose(1, 2), q).reshape(keys.shape)
    return grad_queries, grad_keys, None, None


def _keep_bag(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _bag_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None, None]:
    values, slots, weights, row_of_slot = ctx.saved_tensors
    need_values, _, need_weights, _ = ctx.needs_input_grad
    rows, grad_rows, grad_weights = _ops.pkm_bag_backward(
        grad, values, slots, weights, row_of_slot, need_values, need_weights
    )
    grad_values = None
    if need_values:
        # Sorted and unique by construction, so nothing is left to check or to coalesce.
        grad_values = torch.sparse_coo_tensor(
            rows.unsqueeze(0), grad_rows, values.shape, is_coalesced=True, check_invariants=False
        )
    return grad_values, None, grad_weights if need_weights else None, None


torch.library.register_autograd(
    "agentmem_cuda::pkm_address", _address_backward, setup_context=_keep_address, lib=_library
)
torch.library.register_autograd("agentmem_cuda::pkm_bag", _bag_backward, setup_context=_keep_bag, lib=_library)
