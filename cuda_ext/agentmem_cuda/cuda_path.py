"""The backward on a GPU: positions are grouped by row, then one kernel reads each touched row once.

Knows the order of the steps, no arithmetic: that is in the kernels, and in `torch_path` where none are loaded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agentmem_cuda import native, torch_path

# What one block sorts in shared memory; above it, torch's radix sort is faster anyway.
GROUP_AT_ONCE = 8192


def bag_backward(
    grad: Tensor,
    values: Tensor,
    slots: Tensor,
    weights: Tensor,
    row_of_slot: Tensor | None,
    need_values: bool,
    need_weights: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `torch_path.bag_backward`: touched rows, their gradients, and the gradient of the weights."""
    if not native.status().has_cuda_kernels:
        return torch_path.bag_backward(grad, values, slots, weights, row_of_slot, need_values, need_weights)
    if slots.numel() <= GROUP_AT_ONCE:
        rows, starts, positions = _group_small(slots, len(values), row_of_slot)
    else:
        rows, starts, positions = group_by_row(slots, len(values), row_of_slot)
    grad_rows, grad_weights = torch.ops.agentmem_cuda.pkm_bag_segments(
        grad, values, weights, rows, starts, positions, need_values, need_weights
    )
    return rows if need_values else rows[:0], grad_rows, grad_weights


def _group_small(slots: Tensor, n_rows: int, row_of_slot: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    n_slots = n_rows if row_of_slot is None else len(row_of_slot)
    rows, starts, positions, counts = torch.ops.agentmem_cuda.pkm_group(slots, n_slots, row_of_slot)
    segments, kept = counts.tolist()
    return rows[:segments], starts[: segments + 1], positions[:kept]


def group_by_row(slots: Tensor, n_rows: int, row_of_slot: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Positions sorted by row, where each row's stretch starts, and the rows; any size, any device.

    slots: (batch, bag) int64. Returns rows, (segments,) int64; starts, (segments + 1,) int32; positions, int32:
    segment u is ``positions[starts[u]:starts[u + 1]]``. A slot out of range, or without a row, is in no segment.
    """
    flat = slots.flatten()
    n_slots = n_rows if row_of_slot is None else len(row_of_slot)
    in_range = (flat >= 0) & (flat < n_slots)
    # Rows fit 31 bits, and half the bits are half the passes of a radix sort.
    row = flat.int() if row_of_slot is None else row_of_slot[flat.clamp(0, max(n_slots - 1, 0))]
    ordered, positions = torch.where(in_range, row, -1).sort(stable=True)
    rows, counts = ordered.unique_consecutive(return_counts=True)
    starts = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int()
    absent = int(len(rows) > 0 and bool(rows[0] < 0))
    return rows[absent:].long(), starts[absent:], positions.int()
