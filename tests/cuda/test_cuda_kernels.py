"""The CUDA kernels without a GPU: run by an emulator against brute force, compiled by nvcc, known to the dispatcher."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agentmem_cuda import build, cuda_path, reference

HERE = Path(__file__).parent
DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 4e-3, torch.float16: 1e-3}
BAG_SHAPES = ((1, 1, 8), (5, 9, 24), (3, 130, 64), (9, 5, 256), (2, 33, 2056))


@pytest.fixture(scope="session")
def emulated() -> ctypes.CDLL:
    """The kernels compiled for the CPU, kept in the build cache under a hash of everything that goes into them."""
    emulator = [HERE / "emulator.h", HERE / "emulated.cpp"]
    key = hashlib.sha256(b"".join(p.read_bytes() for p in emulator) + build.source_hash().encode()).hexdigest()
    library = build.cache_root() / "emulator" / f"{key[:16]}.so"
    if not library.exists():
        try:
            cxx = build.Toolchain.find(cuda=False).cxx
        except build.BuildError as error:
            pytest.skip(str(error))
        library.parent.mkdir(parents=True, exist_ok=True)
        partial = library.with_suffix(f".{os.getpid()}")
        command = [cxx, "-std=c++20", "-O1", "-fPIC", "-shared", "-Wno-unknown-pragmas"]
        command += [f"-I{build.SOURCES}", str(emulator[1]), "-o", str(partial)]
        subprocess.run(command, check=True, capture_output=True, timeout=100)
        os.replace(partial, library)
    return ctypes.CDLL(str(library))


@pytest.fixture(params=["forward", "reversed"])
def kernels(emulated: ctypes.CDLL, request: pytest.FixtureRequest) -> Iterator[ctypes.CDLL]:
    emulated.emulate(int(request.param == "reversed"), 1)
    yield emulated
    emulated.emulate(0, 1)


def at(tensor: Tensor | None) -> ctypes.c_void_p:
    assert tensor is None or tensor.is_contiguous()
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def poisoned(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    fill = float("nan") if dtype.is_floating_point else -(2**30)
    return torch.full(shape, fill, dtype=dtype)


def select(kernels: ctypes.CDLL, scores: Tensor, top_k: int, softmax: bool = True) -> tuple[Tensor, Tensor]:
    doubled, batch, n_keys = scores.shape
    heads = doubled // 2
    weights = poisoned(batch, heads, top_k)
    slots = poisoned(batch, heads, top_k, dtype=torch.int64)
    kernels.emulated_select(
        at(scores), at(weights), at(slots), ctypes.c_int64(batch), heads, n_keys, top_k, int(softmax)
    )
    return weights, slots


def brute_force(scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    doubled, batch, n_keys = scores.shape
    halves = scores.double().view(doubled // 2, 2, batch, n_keys)
    sums = (halves[:, 0].unsqueeze(-1) + halves[:, 1].unsqueeze(-2)).flatten(-2).transpose(0, 1)
    best, slots = sums.topk(top_k, dim=-1)
    return best, slots


def bag(
    kernels: ctypes.CDLL, values: Tensor, slots: Tensor, weights: Tensor, row_of_slot: Tensor | None = None
) -> Tensor:
    batch, size = slots.shape
    out = poisoned(batch, values.shape[1], dtype=values.dtype)
    n_slots = len(values) if row_of_slot is None else len(row_of_slot)
    kernels.emulated_bag(
        DTYPES[values.dtype],
        at(values),
        at(slots),
        at(row_of_slot),
        at(weights),
        at(out),
        ctypes.c_int64(batch),
        size,
        values.shape[1],
        ctypes.c_int64(n_slots),
    )
    return out


def relative_error(found: Tensor, truth: Tensor) -> float:
    return float((found.double() - truth).abs().max() / truth.abs().max().clamp_min(1e-9))


# (batch, heads, n_keys, top_k): one key, fewer keys than lanes, ragged, exactly a list, many.
@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (3, 2, 7, 7), (2, 1, 40, 32), (5, 2, 67, 64), (3, 1, 96, 33), (2, 3, 257, 17)], ids=str
)
def test_the_selected_slots_are_those_of_brute_force(
    kernels: ctypes.CDLL, shape: tuple[int, ...], generator: torch.Generator
) -> None:
    batch, heads, n_keys, top_k = shape
    scores = torch.randn(2 * heads, batch, n_keys, generator=generator)
    weights, slots = select(kernels, scores, top_k)
    best, expected = brute_force(scores, top_k)
    assert torch.equal(slots, expected)
    assert (weights - best.softmax(-1)).abs().max() <= 1e-6


@pytest.mark.parametrize("n_keys", [40, 150])
def test_selecting_among_ties_yields_distinct_slots_with_the_best_scores(
    kernels: ctypes.CDLL, n_keys: int, generator: torch.Generator
) -> None:
    scores = torch.randint(0, 3, (2, 4, n_keys), generator=generator).float()
    found, slots = select(kernels, scores, 32, softmax=False)
    assert torch.equal(found.double(), brute_force(scores, 32)[0])
    assert all(len(set(row.tolist())) == 32 for row in slots.flatten(0, 1))
    token = torch.arange(4).view(4, 1)
    first, second = slots[:, 0] // n_keys, slots[:, 0] % n_keys
    assert torch.equal(scores[0][token, first] + scores[1][token, second], found[:, 0])


def test_scores_that_rise_along_the_row_are_selected_right(kernels: ctypes.CDLL) -> None:
    scores = torch.stack((torch.arange(300.0), torch.arange(300.0) / 512)).unsqueeze(1)
    _, slots = select(kernels, scores, 64)
    assert torch.equal(slots, brute_force(scores, 64)[1])


def test_a_nan_score_shows_in_the_weights_and_never_in_the_slots(kernels: ctypes.CDLL) -> None:
    scores = torch.full((2, 2, 70), float("nan"))
    weights, slots = select(kernels, scores, 8)
    assert weights.isnan().all()
    assert ((slots >= 0) & (slots < 70 * 70)).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", BAG_SHAPES, ids=str)
def test_the_bag_kernel_sums_its_rows(
    kernels: ctypes.CDLL, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator
) -> None:
    batch, size, d = shape
    values = torch.randn(50, d, generator=generator).to(dtype)
    slots = torch.randint(0, 50, (batch, size), generator=generator)
    weights = torch.rand(batch, size, generator=generator).softmax(-1)
    assert (
        relative_error(bag(kernels, values, slots, weights), reference.bag(values, slots, weights)) <= TOLERANCE[dtype]
    )
    row_of_slot = torch.full((200,), -1, dtype=torch.int32)
    row_of_slot[torch.randperm(200, generator=generator)[:50]] = torch.arange(50, dtype=torch.int32)
    slots = torch.randint(0, 200, (batch, size), generator=generator)
    found = bag(kernels, values, slots, weights, row_of_slot)
    assert relative_error(found, reference.bag(values, slots, weights, row_of_slot)) <= TOLERANCE[dtype]


def test_an_empty_bag_is_zero_and_a_slot_out_of_range_is_nan(kernels: ctypes.CDLL) -> None:
    values = torch.ones(10, 16)
    empty = torch.zeros(3, 0)
    assert torch.equal(bag(kernels, values, empty.long(), empty), torch.zeros(3, 16))
    slots = torch.tensor([[0, 10], [1, 2], [-1, 3]])
    found = bag(kernels, values, slots, torch.ones(3, 2))
    assert found[[0, 2]].isnan().all()
    assert torch.equal(found[1], torch.full((16,), 2.0))


@pytest.mark.parametrize("mapped", [False, True], ids=["table", "map"])
@pytest.mark.parametrize("need_weights", [False, True], ids=["rows", "rows-and-weights"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", BAG_SHAPES, ids=str)
def test_the_backward_kernels_give_compact_rows(
    kernels: ctypes.CDLL,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    need_weights: bool,
    mapped: bool,
    generator: torch.Generator,
) -> None:
    batch, size, d = shape
    values = torch.randn(20, d, generator=generator).to(dtype)
    row_of_slot = None
    if mapped:
        row_of_slot = torch.full((60,), -1, dtype=torch.int32)
        row_of_slot[torch.randperm(60, generator=generator)[:20]] = torch.arange(20, dtype=torch.int32)
    slots = torch.randint(0, 60 if mapped else 20, (batch, size), generator=generator)
    weights = torch.rand(batch, size, generator=generator)
    grad = torch.randn(batch, d, generator=generator).to(dtype)
    rows, starts, positions = group(kernels, slots, 20, row_of_slot)
    grad_rows = poisoned(len(rows), d, dtype=dtype)
    grad_weights = torch.zeros(batch, size) if need_weights else None
    kernels.emulated_backward(
        DTYPES[dtype],
        at(values),
        at(grad),
        at(weights),
        at(rows),
        at(starts),
        at(positions),
        at(grad_rows),
        at(grad_weights),
        ctypes.c_int64(len(rows)),
        size,
        d,
    )
    table, expected = reference.bag_backward(grad, values, slots, weights, row_of_slot)
    if len(rows):
        assert relative_error(grad_rows, table[rows]) <= TOLERANCE[dtype]
    assert not table[torch.isin(torch.arange(20), rows, invert=True)].any()
    if grad_weights is not None:
        assert relative_error(grad_weights, expected) <= 2e-6


def group(
    kernels: ctypes.CDLL, slots: Tensor, n_rows: int, row_of_slot: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    count = slots.numel()
    rows, starts = poisoned(count, dtype=torch.int64), poisoned(count + 1, dtype=torch.int32)
    positions, counts = poisoned(count, dtype=torch.int32), poisoned(2, dtype=torch.int32)
    n_slots = n_rows if row_of_slot is None else len(row_of_slot)
    kernels.emulated_group(
        at(slots), at(row_of_slot), count, ctypes.c_int64(n_slots), at(rows), at(starts), at(positions), at(counts)
    )
    segments, kept = counts.tolist()
    return rows[:segments].clone(), starts[: segments + 1].clone(), positions[:kept].clone()


@pytest.mark.parametrize("count", [0, 1, 31, 64, 1000, 2100])
def test_grouping_in_one_block_equals_sorting_with_torch(
    kernels: ctypes.CDLL, count: int, generator: torch.Generator
) -> None:
    slots = torch.randint(-1, 42, (1, count), generator=generator)
    row_of_slot = torch.randint(-1, 9, (40,), generator=generator, dtype=torch.int32)
    for mapping, n_rows in ((None, 40), (row_of_slot, 9)):
        found = group(kernels, slots, n_rows, mapping)
        rows, starts, positions = cuda_path.group_by_row(slots, n_rows, mapping)
        assert torch.equal(found[0], rows)
        assert torch.equal(found[1] - found[1][0], starts - starts[0])
        assert torch.equal(found[2], positions[int(starts[0]) :])


def test_the_emulator_notices_missing_barriers(emulated: ctypes.CDLL, generator: torch.Generator) -> None:
    values = torch.randn(50, 64, generator=generator)
    slots = torch.randint(0, 50, (3, 20), generator=generator)
    weights = torch.rand(3, 20, generator=generator)
    truth = reference.bag(values, slots, weights)
    outcomes = []
    for in_reverse in (0, 1):
        emulated.emulate(in_reverse, 0)
        error = relative_error(bag(emulated, values, slots, weights), truth)
        outcomes.append(error <= 1e-6)  # a NaN is not
    emulated.emulate(0, 1)
    assert not all(outcomes)


def test_the_kernels_compile_for_both_generations_without_spills(nvcc: str, tmp_path: Path) -> None:
    command = build.nvcc_command(nvcc, tmp_path / "kernels.o", "-Xptxas", "-v")
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    compiled = set(re.findall(r"Compiling entry function '\w+' for '(\w+)'", done.stderr))
    assert compiled == {"sm_80", "sm_90"}
    assert len(spills) == 2 * 11
    assert set(spills) == {("0", "0")}


def test_the_toolkit_is_found_behind_a_script_that_calls_nvcc(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "nvcc"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho '#$ _HERE_=/opt/cuda/bin' >&2\necho '#$ TOP=/opt/cuda/bin/..' >&2\n")
    script.chmod(0o755)
    assert build.toolkit_of(str(script)) == Path("/opt/cuda")
    script.write_text("#!/bin/sh\n")
    assert build.toolkit_of(str(script)) == tmp_path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_dispatcher_of_a_cpu_torch_knows_the_cuda_kernels_after_loading(nvcc: str) -> None:
    build.build(cuda=True)
    code = (
        "import torch; from agentmem_cuda import build, native, ops;"
        "found = native.load(build.library_path(cuda=True)); assert found.has_cuda_kernels;"
        "knows = torch._C._dispatch_has_kernel_for_dispatch_key;"
        "print(all(knows(f'agentmem_cuda::{op}', 'CUDA')"
        " for op in ('pkm_select', 'pkm_bag', 'pkm_bag_segments', 'pkm_group', 'pkm_bag_backward')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "True"
