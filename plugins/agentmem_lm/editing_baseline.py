"""Fine-tuning as a baseline of weight edits: one down-projection, the target's tokens, no admission, no side memory.

What EasyEdit calls FT-M, with every wording of the request. Knows no journal: it changes the model in place and gives
the kept original back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from agentmem_lm.model import CausalModel
from agentmem_lm.requests import Wish

STEPS, RATE, ENOUGH = 25, 5e-3, 0.05


def fine_tune(model: CausalModel, layer: int, wishes: Sequence[Wish]) -> None:
    """Descend on all wordings of these wishes together, in place; Adam, at most 25 steps."""
    weight = model.structure.layers[layer].down.weight
    rows, labels = _rows(model, wishes)
    ids, mask = model.pad(rows, "right")
    with model.use() as net, torch.enable_grad():
        weight.requires_grad_(True)
        optimiser = torch.optim.Adam([weight], lr=RATE)
        try:
            for _ in range(STEPS):
                logits = net(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
                loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
                if float(loss.detach()) < ENOUGH:
                    break
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        finally:
            weight.grad = None
            weight.requires_grad_(False)


def _rows(model: CausalModel, wishes: Sequence[Wish]) -> tuple[list[list[int]], Tensor]:
    pairs = [(model.encode(p), model.encode_end(f" {wish.target}.")) for wish in wishes for p in wish.prompts]
    rows = [prompt + end for prompt, end in pairs]
    labels = torch.full((len(rows), max(map(len, rows))), -100)
    for i, (prompt, end) in enumerate(pairs):
        labels[i, len(prompt) : len(prompt) + len(end)] = torch.tensor(end)
    return rows, labels.to(model.device)


def keep(model: CausalModel, layer: int) -> Callable[[], None]:
    """Returns what puts the layer's present weights back, bit for bit."""
    weight = model.structure.layers[layer].down.weight
    kept = weight.data.clone()

    def put_back() -> None:
        weight.data.copy_(kept)

    return put_back
