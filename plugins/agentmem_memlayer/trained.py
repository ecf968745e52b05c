"""Memory layers that a model was trained with: the layer as a module, and its file.

Knows tensors and modules, nothing of edits or text. The layer is that of Memory Layers at Scale (Berges et al. 2024),
section 3: product keys, and values that pass a gate, ``out = W_out (y * silu(W_gate x))`` (their Memory+), in place of
a layer's feed-forward part; all layers of a file share one pool of values. One difference: ``scale``, a number, stands
in for the learnt gains of their QK-norm.

The file is safetensors with these names; N is the index of a decoder layer, counted from nought:

    values                  (n_keys ** 2, d_value)
    layers.N.query.weight   (heads * 2 * d_key, d_model)
    layers.N.query.bias     (heads * 2 * d_key,)             may be missing
    layers.N.keys           (heads, 2, n_keys, d_key)
    layers.N.scale          ()                               with QK-norm only: what unit queries are multiplied by
    layers.N.gate.weight    (d_value, d_model)               may be missing: values are not gated
    layers.N.out.weight     (d_model, d_value)               may be missing when d_value is d_model

and ``top_k``, a number, in its metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from agentmem.errors import BadInput, ModelError
from agentmem_cuda import pkm_address, pkm_bag
from agentmem_memlayer.layer import Rows

if TYPE_CHECKING:
    from agentmem_lm.model import CausalModel
    from agentmem_lm.structure import Structure

_LAYER = re.compile(r"layers\.(\d+)\.(.+)")
_PARTS = ("query.weight", "query.bias", "keys", "scale", "gate.weight", "out.weight")


@dataclass(frozen=True)
class Sizes:
    """``heads`` lookups of ``top_k`` slots each among ``n_keys ** 2``, whose values are ``d_value`` wide."""

    d_model: int
    d_value: int
    heads: int = 4
    n_keys: int = 64
    d_key: int = 16
    top_k: int = 16


class MemoryLayer(nn.Module):
    """(..., d_model) to (..., d_model); ``values`` is the pool, which other layers may share.

    ``written`` holds rows that are added to the pool's, of which only those are stored; None: nothing is written.
    """

    def __init__(self, sizes: Sizes, values: nn.Parameter, *, gated: bool = True, normed: bool = True) -> None:
        super().__init__()
        self.sizes = sizes
        self.values = values
        self.query = nn.Linear(sizes.d_model, sizes.heads * 2 * sizes.d_key, bias=False)
        self.keys = nn.Parameter(torch.randn(sizes.heads, 2, sizes.n_keys, sizes.d_key) / sizes.d_key**0.5)
        self.scale = nn.Parameter(torch.tensor(10.0)) if normed else None
        self.gate = nn.Linear(sizes.d_model, sizes.d_value, bias=False) if gated else None
        plain = sizes.d_value == sizes.d_model and not gated
        self.out = None if plain else nn.Linear(sizes.d_value, sizes.d_model, bias=False)
        self.written: Rows | None = None

    def forward(self, states: Tensor) -> Tensor:
        """What the states read."""
        flat = states.reshape(-1, states.shape[-1])
        weights, slots = self.address(flat)
        read = pkm_bag(self.values, slots, weights)
        if self.written is not None:
            more = pkm_bag(self.written.values, slots, weights, row_of_slot=self.written.row_of_slot)
            read = read + more.to(read.dtype)
        if self.gate is not None:
            read = read.to(flat.dtype) * F.silu(self.gate(flat))
        added: Tensor = read if self.out is None else self.out(read.to(flat.dtype))
        return added.to(states.dtype).view(states.shape)

    def address(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Weights, (n, heads * top_k) float32 that sum to ``heads``, and slots, (n, heads * top_k) int64."""
        s = self.sizes
        queries = self.query(states).view(-1, s.heads, 2, s.d_key).float()
        keys = self.keys.float()
        if self.scale is not None:
            queries, keys = F.normalize(queries, dim=-1) * self.scale, F.normalize(keys, dim=-1)
        weights, slots = pkm_address(queries.reshape(-1, s.heads, 2 * s.d_key), keys, s.top_k)
        return weights.flatten(1), slots.flatten(1)


# ---- the file


def save_layers(layers: Mapping[int, MemoryLayer], path: Path) -> None:
    """Write the layers, which share one pool, by the index of their decoder layer."""
    pools = {id(layer.values): layer.values for layer in layers.values()}
    if len(pools) != 1:
        raise BadInput(f"layers of one file share one pool of values; these {len(layers)} have {len(pools)}")
    (pool,) = pools.values()
    tensors = {"values": pool.detach().contiguous()}
    for index, layer in layers.items():
        for name, tensor in layer.state_dict().items():
            if name != "values":
                tensors[f"layers.{index}.{name}"] = tensor.contiguous()
    top_k = next(iter(layers.values())).sizes.top_k
    save_file(tensors, path, metadata={"top_k": str(top_k)})


def load_layers(path: Path, d_model: int) -> dict[int, MemoryLayer]:
    """The layers of a file, by the index of their decoder layer.

    Raises BadInput, with the name, the shape found and the one expected, for a file that does not hold such layers.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path} is no safetensors file of memory layers: {error}") from error
    values = tensors.pop("values", None)
    parts: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = _LAYER.fullmatch(name)
        if found is None or found[2] not in _PARTS:
            raise BadInput(f"{path}: unknown tensor {name!r}; a layer has {', '.join(_PARTS)} under layers.N.")
        parts.setdefault(int(found[1]), {})[found[2]] = tensor
    if values is None or values.dim() != 2 or not parts:
        raise BadInput(f"{path}: a pool 'values' (n_keys ** 2, d_value) and at least one layers.N are needed")
    if not metadata.get("top_k", "").isdecimal():
        raise BadInput(f"{path}: the metadata must say top_k, the number of slots a head reads; it says {metadata}")
    pool = nn.Parameter(values)
    top_k = int(metadata["top_k"])
    return {index: _layer(f"{path}: layers.{index}", part, pool, d_model, top_k) for index, part in parts.items()}


def _layer(where: str, parts: dict[str, Tensor], pool: nn.Parameter, d_model: int, top_k: int) -> MemoryLayer:
    keys = parts.get("keys")
    if keys is None or keys.dim() != 4 or keys.shape[1] != 2:
        shape = None if keys is None else tuple(keys.shape)
        raise BadInput(f"{where}.keys must be (heads, 2, n_keys, d_key) and is {shape}")
    heads, _, n_keys, d_key = keys.shape
    d_value = pool.shape[1]
    expected = {
        "query.weight": (heads * 2 * d_key, d_model),
        "query.bias": (heads * 2 * d_key,),
        "scale": (),
        "gate.weight": (d_value, d_model),
        "out.weight": (d_model, d_value),
    }
    for name, shape in expected.items():
        if name in parts and tuple(parts[name].shape) != shape:
            raise BadInput(
                f"{where}.{name} must be {shape} for {heads} heads, keys of {d_key}, values of {d_value} and a model "
                f"of width {d_model}; it is {tuple(parts[name].shape)}"
            )
    if pool.shape[0] != n_keys**2:
        raise BadInput(f"{where} has {n_keys} keys a half, so values must have {n_keys**2} rows and has {len(pool)}")
    if not 1 <= top_k <= n_keys:
        raise BadInput(f"{where}: top_k {top_k} must lie between 1 and the {n_keys} keys of a half")
    if "query.weight" not in parts or ("out.weight" not in parts and d_value != d_model):
        lacking = "query.weight" if "query.weight" not in parts else "out.weight"
        raise BadInput(f"{where}.{lacking} {expected[lacking]} is missing")
    sizes = Sizes(d_model, d_value, heads, n_keys, d_key, top_k)
    layer = MemoryLayer(sizes, pool, gated="gate.weight" in parts, normed="scale" in parts)
    layer.query = nn.Linear(d_model, heads * 2 * d_key, bias="query.bias" in parts)
    layer.out = nn.Linear(d_value, d_model, bias=False) if "out.weight" in parts else None
    layer.load_state_dict({**parts, "values": pool.data}, assign=True)
    layer.values = pool  # one tensor for all layers
    return layer.requires_grad_(False).eval()


# ---- in a model


def feed_forward(structure: Structure, index: int) -> tuple[str, nn.Module]:
    """The feed-forward part of a decoder layer and its name.

    Raises ModelError where it is no module of its own (OPT).
    """
    layer = structure.layers[index]
    name = layer.down.name.rpartition(".")[0]
    if name == layer.name:
        raise ModelError(f"{name} has no module for its feed-forward part, so a memory layer cannot stand in its place")
    return name, layer.module.get_submodule(name.removeprefix(f"{layer.name}."))


def put_in_place(model: CausalModel, layers: Mapping[int, MemoryLayer]) -> Callable[[], None]:
    """Let the layers stand in place of the feed-forward parts of their decoder layers; returns what puts those back.

    The base is another one then: its fingerprint changes, and edits that were computed before are not mounted.
    """
    if missing := [index for index in layers if not 0 <= index < len(model.structure)]:
        raise BadInput(f"memory layers for decoder layers {missing}; the model has {len(model.structure)}")
    before: list[tuple[nn.Module, str, nn.Module]] = []
    with model.bare():
        for index, layer in layers.items():
            name, part = feed_forward(model.structure, index)
            holder = model.net.get_submodule(name.rpartition(".")[0])
            before.append((holder, name.rpartition(".")[2], part))
            setattr(holder, before[-1][1], layer.to(model.device))
        model.base_changed()

    def put_back() -> None:
        with model.bare():
            for holder, name, part in reversed(before):
                setattr(holder, name, part)
            model.base_changed()

    return put_back
