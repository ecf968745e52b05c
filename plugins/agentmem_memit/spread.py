"""The change of several layers, as MEMIT's authors spread it: each takes an equal part of what is still missing.

Meng et al. (ICLR 2023), algorithm 1: layer by layer from below, the residual between the wanted and the present output
of the topmost layer is divided by the number of layers left, and solved for with that layer's present keys. Always from
the base weights, over all edits, so that a set has one solution. Tensors and a model; knows no records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from agentmem_lm.sites import subject_span
from agentmem_memit.closed_form import solve

if TYPE_CHECKING:
    from agentmem_lm.model import CausalModel

Wordings = Sequence[tuple[str, str, int]]
"""(prompt, subject in it, index of the edit)."""


def write_spread(
    model: CausalModel,
    layers: Sequence[int],
    wordings: Wordings,
    shifts: Tensor,
    moments: Mapping[int, Tensor],
    strength: float,
) -> Callable[[], None]:
    """Write the edits with these shifts (n_edits, d_model) of the last layer's output into ``layers``, lowest first.

    The caller holds the model's lock and nothing else is mounted. Returns what puts the weights back, bit for bit.
    """
    kept: list[tuple[Tensor, Tensor]] = []

    def undo() -> None:
        for weight, before in reversed(kept):
            weight.copy_(before)

    try:
        _, start = _seen(model, layers[0], layers[-1], wordings, len(shifts))
        wanted = start + shifts
        for index, layer in enumerate(layers):
            keys, now = _seen(model, layer, layers[-1], wordings, len(shifts))
            part = (wanted - now) / (len(layers) - index)
            weight = model.structure.layers[layer].down.as_matrix()
            kept.append((weight, weight.clone()))
            weight += solve(keys, part, moments[layer], strength).change.to(weight)
    except BaseException:
        undo()
        raise
    return undo


def _seen(model: CausalModel, layer: int, top: int, wordings: Wordings, count: int) -> tuple[Tensor, Tensor]:
    """At the subject's last token, means over an edit's wordings: (inputs of the layer's down-projection (n_edits,
    d_inner), outputs of the top layer (n_edits, d_model)), float32 on the CPU."""
    seen: dict[str, Tensor] = {}

    def keep_input(_module: Any, inputs: tuple[Tensor, ...]) -> None:
        seen["key"] = inputs[0]

    def keep_output(_module: Any, _inputs: Any, out: Any) -> None:
        seen["state"] = out[0] if isinstance(out, tuple) else out

    parts = model.structure.layers
    hooks = [
        parts[layer].down.module.register_forward_pre_hook(keep_input),
        parts[top].module.register_forward_hook(keep_output),
    ]
    sums: list[Tensor] = []
    try:
        with torch.no_grad():
            for begin in range(0, len(wordings), 64):
                part = wordings[begin : begin + 64]
                spans = [subject_span(model, prompt, subject) for prompt, subject, _ in part]
                ids, mask = model.pad([row[: at + 1] for row, _, at in spans], "right")
                model.structure.body(input_ids=ids, attention_mask=mask, use_cache=False)
                rows, at = torch.arange(len(part)), torch.tensor([at for _, _, at in spans])
                owner = torch.tensor([edit for _, _, edit in part])
                found = [seen[name].reshape(*ids.shape, -1)[rows, at].float().cpu() for name in ("key", "state")]
                found.append(torch.ones(len(part), 1))
                sums = sums or [torch.zeros(count, one.shape[1]) for one in found]
                sums = [total.index_add(0, owner, one) for total, one in zip(sums, found, strict=True)]
    finally:
        for hook in hooks:
            hook.remove()
    keys, states, numbers = sums
    return keys / numbers, states / numbers
