"""What torch expects of an op (schemas, fakes, gradients, compilation), and what callers are told when
they err.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agentmem_cuda import build, native, ops, reference

OPS = torch.ops.agentmem_cuda


def sample_bag(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(50, 16, generator=generator).to(dtype)
    slots = torch.randint(0, 50, (4, 6), generator=generator)
    return values, slots, torch.rand(4, 6, generator=generator)


def sample_address() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(3, 2, 16, generator=generator), torch.randn(2, 2, 40, 8, generator=generator)


@pytest.mark.usefixtures("native_library")
def test_the_bag_passes_opcheck_with_and_without_a_map() -> None:
    values, slots, weights = sample_bag()
    row_of_slot = torch.arange(50, dtype=torch.int32)
    for needs_grad in (False, True):
        leaf = values.clone().requires_grad_(needs_grad)
        share = weights.clone().requires_grad_(needs_grad)
        torch.library.opcheck(OPS.pkm_bag.default, (leaf, slots, share, None))
        torch.library.opcheck(OPS.pkm_bag.default, (leaf, slots, share, row_of_slot))


@pytest.mark.usefixtures("native_library")
def test_the_backward_passes_opcheck() -> None:
    values, slots, weights = sample_bag()
    inputs = (torch.ones(4, 16), values, slots, weights, None, True, True)
    torch.library.opcheck(OPS.pkm_bag_backward.default, inputs)


@pytest.mark.usefixtures("native_library")
def test_addressing_passes_opcheck() -> None:
    queries, keys = sample_address()
    for needs_grad in (False, True):
        leaf = queries.clone().requires_grad_(needs_grad)
        keyed = keys.clone().requires_grad_(needs_grad)
        torch.library.opcheck(OPS.pkm_address.default, (leaf, keyed, 5, True))
    torch.library.opcheck(OPS.pkm_select.default, (torch.randn(4, 3, 40), 5, True))


@pytest.mark.usefixtures("native_library")
@pytest.mark.parametrize("softmax", [True, False])
def test_gradients_of_addressing_are_those_of_the_brute_force(softmax: bool) -> None:
    queries, keys = (x.requires_grad_() for x in sample_address())
    weights, _ = ops.pkm_address(queries, keys, 7, softmax=softmax)
    share = torch.randn(weights.shape, generator=torch.Generator().manual_seed(3))
    found = torch.autograd.grad((weights * share).sum(), (queries, keys))
    slow, _ = reference.address(queries, keys, 7, softmax)
    expected = torch.autograd.grad((slow * share.double()).sum(), (queries, keys))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("native_library")
def test_the_gradient_of_the_table_is_sparse_with_each_row_once() -> None:
    values, slots, weights = sample_bag()
    values.requires_grad_()
    ops.pkm_bag(values, slots, weights).sum().backward()
    assert values.grad is not None
    assert values.grad.layout == torch.sparse_coo
    assert torch.equal(values.grad._indices()[0], slots.unique())


@pytest.mark.usefixtures("native_library")
def test_both_ops_compile_without_a_graph_break_and_train_the_same() -> None:
    queries, keys = sample_address()
    values, _, _ = sample_bag()
    table = torch.cat([values] * 32)

    def look_up(q: Tensor, v: Tensor) -> Tensor:
        weights, slots = ops.pkm_address(q, keys, 5)
        return ops.pkm_bag(v, slots.flatten(1), weights.flatten(1)).relu()

    native.ensure()
    compiled = torch.compile(look_up, backend="aot_eager", fullgraph=True)
    grads = []
    for run in (look_up, compiled):
        q, v = queries.clone().requires_grad_(), table.clone().requires_grad_()
        run(q, v).sum().backward()
        assert q.grad is not None
        assert v.grad is not None
        grads.append((q.grad, v.grad.to_dense()))
    for eager, traced in zip(*grads, strict=True):
        torch.testing.assert_close(eager, traced)


@pytest.mark.slow
@pytest.mark.usefixtures("native_library")
def test_the_lookup_compiles_with_inductor() -> None:
    queries, keys = sample_address()
    weights, slots = torch.compile(lambda q: ops.pkm_address(q * 2, keys, 5), fullgraph=True)(queries)
    expected, expected_slots = ops.pkm_address(queries * 2, keys, 5)
    assert torch.equal(slots, expected_slots)
    torch.testing.assert_close(weights, expected)


@pytest.mark.usefixtures("native_library")
def test_results_do_not_depend_on_the_number_of_threads(one_thread: None) -> None:
    generator = torch.Generator().manual_seed(5)
    queries = torch.randn(70, 2, 32, generator=generator)
    keys = torch.randn(2, 2, 64, 16, generator=generator)
    values = torch.randn(64 * 64, 24, generator=generator)
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        weights, slots = ops.pkm_address(queries, keys, 16)
        share = weights.flatten(1)
        out = ops.pkm_bag(values, slots.flatten(1), share)
        back = OPS.pkm_bag_backward(out, values, slots.flatten(1), share, None, True, True)
        results.append((weights, slots, out, *back))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_views_that_are_not_contiguous_are_read_right() -> None:
    values, slots, weights = sample_bag()
    plain = ops.pkm_bag(values, slots, weights)
    assert torch.equal(ops.pkm_bag(values, slots.t().contiguous().t(), weights.t().contiguous().t()), plain)
    wide = torch.cat([values, values], dim=1)[:, :16]
    assert torch.equal(ops.pkm_bag(wide, slots, weights), plain)


@pytest.mark.usefixtures("native_library")
@pytest.mark.parametrize("bad", [-1, 50])
def test_a_slot_out_of_range_is_refused_on_a_cpu(bad: int) -> None:
    values, slots, weights = sample_bag()
    slots[2, 3] = bad
    with pytest.raises(RuntimeError, match=r"slots must lie in \[0, 50\)"):
        ops.pkm_bag(values, slots, weights)


def test_wrong_shapes_and_types_are_named_with_their_values() -> None:
    values, slots, weights = sample_bag()
    queries, keys = sample_address()
    with pytest.raises(ValueError, match=r"d a multiple of 8 and are \(50, 12\)"):
        ops.pkm_bag(values[:, :12], slots, weights)
    with pytest.raises(ValueError, match=r"slots must be int64 .* torch.int32"):
        ops.pkm_bag(values, slots.int(), weights)
    with pytest.raises(ValueError, match="top_k must lie between 1 and 40 and is 65"):
        ops.pkm_address(queries, keys, 65)
    with pytest.raises(ValueError, match="cast one of them"):
        ops.pkm_address(queries.bfloat16(), keys, 4)
    with pytest.raises(ValueError, match=r"queries must be \(batch, 2, 16\)"):
        ops.pkm_address(queries[:, :1], keys, 4)


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout.strip()


LOOK_UP = (
    "import torch, agentmem_cuda as a;"
    "w, s = a.pkm_address(torch.ones(2, 1, 16), torch.randn(1, 2, 20, 8), 4);"
    "a.pkm_bag(torch.randn(400, 8), s.flatten(1), w.flatten(1)); print(a.status().path, a.status().reason)"
)


def test_switched_off_the_lookup_runs_in_torch_and_says_so() -> None:
    said = run_python(LOOK_UP, AGENTMEM_CUDA_NATIVE="off")
    assert said.startswith("torch switched off")


def test_without_a_compiler_the_lookup_runs_in_torch_and_says_which_one_failed(tmp_path: Path) -> None:
    said = run_python(LOOK_UP, AGENTMEM_CUDA_CACHE=str(tmp_path), CXX="no-such-compiler")
    assert said.startswith("torch the native library could not be used: no-such-compiler did not run")


def test_a_failed_build_names_the_command_and_leaves_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(build.BuildError, match="false failed with status 1"):
        build.build(root=tmp_path)
    assert not build.library_path(cuda=False, root=tmp_path).exists()


def test_a_build_is_named_after_its_sources_and_its_kind() -> None:
    assert build.build_key(cuda=True) != build.build_key(cuda=False)
    assert build.build_key(cuda=False) == build.build_key(cuda=False)


@pytest.mark.usefixtures("native_library")
def test_the_native_lookup_cannot_be_switched_off_once_it_is_loaded() -> None:
    with pytest.raises(RuntimeError, match="before the first lookup"):
        native.use_native("off")
    with pytest.raises(ValueError, match="'sometimes' is not one of auto, off, require"):
        native.use_native("sometimes")  # type: ignore[arg-type]
