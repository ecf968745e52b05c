"""What a network was before somebody else's code edited it, and how to bring that back bit for bit.

Knows torch and nothing of edits: which parameters and which sub-modules changed is found by comparing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Difference:
    """``tensors``: name -> what it became; ``modules``: name -> what stands there instead of the original."""

    tensors: Mapping[str, Tensor]
    modules: Mapping[str, nn.Module]


class Originals:
    """A copy of all weights and of the tree of modules. As large as the model; `freed` of what did not change."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._modules = dict(net.named_modules())
        self._tensors = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}

    def difference(self) -> Difference:
        """What changed since; the copies of everything else are let go."""
        modules = {
            name: module for name, module in self._net.named_modules() if name and self._modules.get(name) is not module
        }
        replaced = {name: module for name, module in modules.items() if name in self._modules}
        now = self._net.state_dict()
        changed = {
            name: now[name].detach().clone()
            for name, kept in self._tensors.items()
            if name in now and not torch.equal(now[name], kept)
        }
        self._tensors = {name: kept for name, kept in self._tensors.items() if name in changed or name not in now}
        return Difference(changed, replaced)

    def put_back(self, difference: Difference) -> None:
        """Everything as it was, bit for bit, and nothing that asks for gradients."""
        for name in difference.modules:
            _set_module(self._net, name, self._modules[name])
        own = self._net.state_dict()
        for name, kept in self._tensors.items():
            own[name].copy_(kept)
        self._net.eval().requires_grad_(False)


def put_on(net: nn.Module, difference: Difference) -> None:
    """What was found before, without computing it again."""
    for name, module in difference.modules.items():
        _set_module(net, name, module)
    own = net.state_dict()
    for name, tensor in difference.tensors.items():
        own[name].copy_(tensor)


def _set_module(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent) if parent else net, leaf, module)
