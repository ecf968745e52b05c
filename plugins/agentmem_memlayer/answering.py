"""Which token of a question reads written rows, how much, and which of them: what `recall` tells.

Tensors in, numbers out; knows no text and no edit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Answering:
    """The token that reads some rows most: its index, the share of its attention on them, its best slots among them."""

    token: int
    share: float
    slots: tuple[int, ...]

    @classmethod
    def of(cls, weights: Tensor, slots: Tensor, written: Tensor, best: int = 3) -> Answering:
        """weights, slots: (n, bag) of a text's tokens; written: (n_rows,) slots, sorted, at least one."""
        on_rows = weights * torch.isin(slots, written)
        shares = on_rows.sum(-1)
        token = int(shares.argmax())
        place = torch.searchsorted(written, slots[token]).clamp(max=len(written) - 1)
        total = torch.zeros(len(written)).index_add(0, place, on_rows[token])
        order = total.argsort(descending=True, stable=True)[:best]
        return cls(token, float(shares[token]), tuple(int(written[i]) for i in order if total[i] > 0))
