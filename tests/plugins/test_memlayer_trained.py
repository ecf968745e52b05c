"""Memory layers that a model was trained with: read from a file, checked, put in place, and written on top of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from agentmem.errors import BadInput, ModelError
from agentmem_lm.shapes import random_model
from agentmem_memlayer.layer import Rows
from agentmem_memlayer.trained import MemoryLayer, Sizes, load_layers, put_in_place, save_layers

pytestmark = pytest.mark.timeout(600)  # the first lookup on a machine builds its library

WIDTH, VALUE, HEADS, KEYS, HALF, TOP = 64, 48, 2, 12, 8, 5


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def a_file(path: Path, **other: Any) -> Path:
    """Two layers that share a pool, made by safetensors alone; ``other`` replaces tensors, None leaves one out."""
    tensors: dict[str, Any] = {"values": drawn(KEYS**2, VALUE)}
    for index in (0, 2):
        tensors |= {
            f"layers.{index}.query.weight": drawn(HEADS * 2 * HALF, WIDTH, seed=index),
            f"layers.{index}.query.bias": drawn(HEADS * 2 * HALF, seed=index),
            f"layers.{index}.keys": drawn(HEADS, 2, KEYS, HALF, seed=index),
            f"layers.{index}.gate.weight": drawn(VALUE, WIDTH, seed=index),
            f"layers.{index}.out.weight": drawn(WIDTH, VALUE, seed=index),
        }
    metadata = other.pop("metadata", {"top_k": str(TOP)})
    tensors = {name: tensor for name, tensor in (tensors | other).items() if tensor is not None}
    save_file(tensors, path, metadata=metadata)
    return path


def slowly(path: Path, index: int, states: Tensor) -> Tensor:
    """The layer as the paper writes it, over every slot, in float64."""
    from safetensors.torch import load_file

    t = {name: tensor.double() for name, tensor in load_file(path).items()}
    at = {name.removeprefix(f"layers.{index}."): tensor for name, tensor in t.items()}
    x = states.double()
    query = (x @ at["query.weight"].T + at["query.bias"]).view(len(x), HEADS, 2, HALF)
    y = torch.zeros(len(x), VALUE, dtype=torch.float64)
    for head in range(HEADS):
        first = query[:, head, 0] @ at["keys"][head, 0].T
        second = query[:, head, 1] @ at["keys"][head, 1].T
        best, slots = (first[:, :, None] + second[:, None, :]).flatten(1).topk(TOP)
        y += (best.softmax(-1)[:, :, None] * t["values"][slots]).sum(1)
    return (y * F.silu(x @ at["gate.weight"].T)) @ at["out.weight"].T


def test_a_layer_from_a_file_is_the_one_of_the_paper(tmp_path: Path) -> None:
    path = a_file(tmp_path / "memory.safetensors")
    layers = load_layers(path, WIDTH)
    assert sorted(layers) == [0, 2]
    assert layers[0].values is layers[2].values
    states = drawn(7, WIDTH, seed=5)
    for index, layer in layers.items():
        torch.testing.assert_close(layer(states).double(), slowly(path, index, states), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(layer(states.view(1, 7, WIDTH))[0], layer(states))


def test_a_saved_layer_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    pool = nn.Parameter(drawn(KEYS**2, WIDTH))
    sizes = Sizes(WIDTH, WIDTH, HEADS, KEYS, HALF, TOP)
    made = {1: MemoryLayer(sizes, pool), 3: MemoryLayer(sizes, pool, gated=False, normed=False)}
    save_layers(made, tmp_path / "memory.safetensors")
    states = drawn(3, WIDTH)
    read = load_layers(tmp_path / "memory.safetensors", WIDTH)
    for index, layer in made.items():
        assert torch.equal(read[index](states), layer(states))
    assert read[3].gate is None
    assert read[3].out is None
    with pytest.raises(BadInput, match="share one pool"):
        save_layers({0: made[1], 1: MemoryLayer(sizes, nn.Parameter(pool.data.clone()))}, tmp_path / "two")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"values": drawn(KEYS**2 - 1, VALUE)}, r"must have 144 rows and has 143"),
        ({"values": None}, r"a pool 'values'"),
        ({"layers.0.keys": drawn(HEADS, KEYS, HALF)}, r"layers\.0\.keys must be \(heads, 2, n_keys, d_key\)"),
        (
            {"layers.2.query.weight": drawn(HEADS * HALF, WIDTH)},
            r"layers\.2\.query\.weight must be \(32, 64\).*\(16, 64\)",
        ),
        ({"layers.2.query.weight": None}, r"layers\.2\.query\.weight \(32, 64\) is missing"),
        ({"layers.2.gate.weight": drawn(WIDTH, VALUE)}, r"layers\.2\.gate\.weight must be \(48, 64\)"),
        ({"layers.0.out.weight": None}, r"layers\.0\.out\.weight \(64, 48\) is missing"),
        ({"layers.0.w1": drawn(2, 2)}, r"unknown tensor 'layers\.0\.w1'"),
        ({"metadata": {}}, r"must say top_k"),
        ({"metadata": {"top_k": "13"}}, r"top_k 13 must lie between 1 and the 12 keys"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_shapes(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        load_layers(a_file(tmp_path / "memory.safetensors", **other), WIDTH)


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match="is no safetensors file"):
        load_layers(tmp_path / "x", WIDTH)


def test_layers_stand_in_place_of_feed_forward_parts_and_come_off_without_a_trace(tmp_path: Path) -> None:
    import numpy as np

    model = random_model("qwen3")
    bare, before = model.logits(["In Zed"])[0], model.fingerprint
    layers = load_layers(a_file(tmp_path / "memory.safetensors"), WIDTH)
    put_back = put_in_place(model, layers)
    placed = model.logits(["In Zed"])[0]
    assert not np.array_equal(placed, bare)
    assert model.fingerprint != before
    written = torch.arange(KEYS**2)
    for layer in layers.values():
        layer.written = Rows.of(written, torch.ones(KEYS**2, VALUE), KEYS**2)
    assert not np.array_equal(model.logits(["In Zed"])[0], placed)
    for layer in layers.values():
        layer.written = None
    assert np.array_equal(model.logits(["In Zed"])[0], placed)
    put_back()
    assert np.array_equal(model.logits(["In Zed"])[0], bare)
    assert model.fingerprint == before


def test_layers_that_have_no_place_in_a_model_are_refused(tmp_path: Path) -> None:
    layers = load_layers(a_file(tmp_path / "memory.safetensors"), WIDTH)
    with pytest.raises(BadInput, match=r"decoder layers \[7\]; the model has 3"):
        put_in_place(random_model("qwen3"), {7: layers[0]})
    with pytest.raises(ModelError, match="no module for its feed-forward part"):
        put_in_place(random_model("opt"), {0: layers[0]})


def test_gradients_reach_every_part_and_only_the_rows_that_were_read() -> None:
    pool = nn.Parameter(drawn(KEYS**2, VALUE))
    layer = MemoryLayer(Sizes(WIDTH, VALUE, HEADS, KEYS, HALF, TOP), pool)
    layer(drawn(2, WIDTH)).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.to_dense().abs().sum() > 0, name
    assert pool.grad is not None
    assert pool.grad.is_sparse
    assert pool.grad._nnz() <= 2 * HEADS * TOP
