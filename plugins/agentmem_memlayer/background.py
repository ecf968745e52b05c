"""The addressing of a model's memory layer: fitted on ordinary text once, kept under the name it is given.

Knows the model as something that gives states; nothing of edits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from agentmem_lm.upper import run_up_to
from agentmem_memlayer.layer import Addressing, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from agentmem_lm.model import CausalModel

_BATCH = 64


def fitted(
    model: CausalModel,
    layer: int,
    shape: Shape,
    texts: Callable[[], Sequence[str]],
    seed: int,
    name: str,
    folder: Path | None,
) -> Addressing:
    """The addressing of these texts; read from ``folder`` when it was fitted before (None: not kept).

    ``name`` tells apart all that it is made from, so that texts are only made when they are needed.
    """
    path = None if folder is None else folder / f"addressing-{name[:24]}.safetensors"
    if path is not None and path.is_file():
        kept = load_file(path)
        return Addressing(shape, kept["mean"], kept["project"], kept["keys"], kept["seen"], int(kept["texts"]))
    states = background_states(model, layer, texts())
    made = Addressing.fit(states, shape, torch.Generator().manual_seed(seed))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        tensors = {"mean": made.mean, "project": made.project, "keys": made.keys, "seen": made.seen}
        tensors["texts"] = torch.tensor(made.texts)
        save_file({part: tensor.contiguous() for part, tensor in tensors.items()}, draft)
        draft.replace(path)
    return made


def background_states(model: CausalModel, layer: int, texts: Sequence[str]) -> list[Tensor]:
    """For each text the states (seq, d_model) after a layer of the bare base, float32 on the CPU."""
    found: list[Tensor] = []
    for start in range(0, len(texts), _BATCH):
        rows = [model.encode(text)[: model.max_tokens] for text in texts[start : start + _BATCH]]
        states = states_of(model, layer, rows)
        found += [states[i, : len(row)].float().cpu() for i, row in enumerate(rows)]
    return found


def states_of(model: CausalModel, layer: int, rows: Sequence[list[int]]) -> Tensor:
    """States (batch, seq, d_model) after a layer of the bare base, rows padded on the right."""
    ids, mask = model.pad(rows, "right")
    with model.bare(), torch.no_grad():
        body, module = model.structure.body, model.structure.layers[layer].module
        return run_up_to(module, lambda: body(input_ids=ids, attention_mask=mask, use_cache=False))[0]
