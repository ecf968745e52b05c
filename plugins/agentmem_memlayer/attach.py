"""Hangs a memory layer on one layer of a model by a forward hook, and takes it off again.

Knows modules and tensors, nothing of edits. A token whose gate is closed keeps its state untouched, so a layer with
nothing written, or a text that reads nothing, leaves every logit bit for bit as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from agentmem_memlayer.layer import Addressing, Rows, read


def attach(module: nn.Module, addressing: Addressing, rows: Rows, gate: float) -> Callable[[], None]:
    """Add what the states after ``module`` read to them, from now on; returns what ends it."""
    if not len(rows.values):
        return lambda: None

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        states: Tensor = output[0] if isinstance(output, tuple) else output
        flat = states.reshape(-1, states.shape[-1])
        found = read(addressing, rows, flat, gate)
        if not bool(found.open.any()):
            return None
        changed = flat.clone()
        changed[found.open] += found.added.to(changed.dtype)
        changed = changed.view(states.shape)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return module.register_forward_hook(hook).remove
