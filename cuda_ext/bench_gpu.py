"""Measures the lookup on a GPU and keeps the figures with a hash of the kernels that gave them.

``python cuda_ext/bench_gpu.py`` takes no arguments and under five minutes, prints each figure and writes
``bench_gpu.json`` beside itself. A test compares the kept hash with the sources and says when the figures are stale.
Exits with 1 and a sentence where there is no GPU, or when a kernel disagrees with brute force.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from agentmem_cuda import build, measure, native, ops, reference

RESULT = Path(__file__).with_name("bench_gpu.json")
N_KEYS, BATCH, EDIT_BATCH = 1024, 16_384, 64
BAG = measure.HEADS * measure.TOP_K
WARM_UP, RUNS = 5, 30


def seconds(run: Callable[[], object]) -> float:
    """Median time of one call on the device, by events."""
    for _ in range(WARM_UP):
        run()
    spans: list[Any] = []
    for _ in range(RUNS):
        begin: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        begin.record()
        run()
        end.record()
        spans.append((begin, end))
    torch.cuda.synchronize()
    return float(statistics.median(begin.elapsed_time(end) for begin, end in spans)) / 1e3


def copy_bandwidth() -> float:
    """Bytes a second that a plain copy reads and writes: the measure of what this device can do."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() / seconds(lambda: target.copy_(source))


def check_numbers() -> None:
    """Raise AssertionError when the kernels disagree with brute force on a small case of every dtype."""
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 4e-3), (torch.float16, 1e-3)):
        queries = torch.randn(33, 2, 64, device="cuda").to(dtype)
        keys = torch.randn(2, 2, 70, 32, device="cuda").to(dtype)
        values = torch.randn(70 * 70, 72, device="cuda").to(dtype)
        weights, slots = ops.pkm_address(queries, keys, 33)
        expected, _ = reference.address(queries, keys, 33)
        assert (weights.double() - expected).abs().max() < 1e-4, f"weights of {dtype} differ from brute force"
        flat, share = slots.flatten(1), weights.flatten(1)
        out = ops.pkm_bag(values, flat, share)
        truth = reference.bag(values, flat, share)
        error = float((out.double() - truth).abs().max() / truth.abs().max())
        assert error < tolerance, f"the bag of {dtype} is off by {error:.1e}"
        rows, grad_rows, _ = torch.ops.agentmem_cuda.pkm_bag_backward(out, values, flat, share, None, True, True)
        table, _ = reference.bag_backward(out, values, flat, share)
        error = float((grad_rows.double() - table[rows]).abs().max() / table.abs().max())
        assert error < tolerance, f"the backward of {dtype} is off by {error:.1e}"


def sample(d: int) -> tuple[Tensor, Tensor, Tensor]:
    """A bf16 table of a million rows, and slots spread evenly over it with their weights."""
    values = torch.randn(N_KEYS * N_KEYS, d, device="cuda", dtype=torch.bfloat16)
    slots = torch.randint(0, len(values), (BATCH, BAG), device="cuda")
    weights = torch.rand(BATCH, BAG, device="cuda").softmax(-1)
    return values, slots, weights


def bag_against_copy(d: int, bandwidth: float) -> float:
    """The rate at which the bag reads rows, as a share of the copy's rate in this run."""
    values, slots, weights = sample(d)
    moved = slots.numel() * (d * 2 + 8 + 4) + BATCH * d * 2
    return moved / seconds(lambda: ops.pkm_bag(values, slots, weights)) / bandwidth


def address_and_bag(figures: dict[str, float]) -> None:
    """End to end at d 1024, and how many times faster than the textbook form on the same device."""
    values, _, _ = sample(1024)
    queries = torch.randn(BATCH, measure.HEADS, 2 * measure.D_KEY, device="cuda", dtype=torch.bfloat16)
    keys = torch.randn(measure.HEADS, 2, N_KEYS, measure.D_KEY, device="cuda", dtype=torch.bfloat16)
    textbook_keys = keys.transpose(1, 2).contiguous()

    def ours() -> Tensor:
        weights, slots = ops.pkm_address(queries, keys, measure.TOP_K)
        return ops.pkm_bag(values, slots.flatten(1), weights.flatten(1))

    def plain() -> Tensor:
        weights, slots = measure.plain_address(queries, textbook_keys, measure.TOP_K)
        return F.embedding_bag(slots.flatten(1), values, per_sample_weights=weights.flatten(1), mode="sum")

    spent = seconds(ours)
    figures["address_bag_ms"] = spent * 1e3
    figures["address_bag_speedup"] = seconds(plain) / spent


def backward(figures: dict[str, float], bandwidth: float) -> None:
    """Both gradients at the full batch against the least that must be moved, and the rows' gradient of one edit."""
    values, slots, weights = sample(1024)
    grad = torch.randn(BATCH, 1024, device="cuda", dtype=torch.bfloat16)
    run = torch.ops.agentmem_cuda.pkm_bag_backward
    rows, _, _ = run(grad, values, slots, weights, None, True, True)
    least = (2 * len(rows) + BATCH) * 1024 * 2 + slots.numel() * (8 + 4 + 4)
    spent = seconds(lambda: run(grad, values, slots, weights, None, True, True))
    figures["backward_vs_roofline"] = least / bandwidth / spent
    few = slots[:EDIT_BATCH].contiguous()
    inputs = grad[:EDIT_BATCH].contiguous(), values, few, weights[:EDIT_BATCH].contiguous(), None, True, False
    figures["edit_backward_us"] = seconds(lambda: run(*inputs)) * 1e6


def main() -> int:
    """Measure, print and keep; 1 where it cannot be measured."""
    if not torch.cuda.is_available():
        print("there is no CUDA device here, so nothing was measured", file=sys.stderr)
        return 1
    found = native.ensure()
    if not found.has_cuda_kernels:
        print(f"the CUDA kernels could not be loaded: {found.reason or 'built without them'}", file=sys.stderr)
        return 1
    torch.manual_seed(0)
    check_numbers()
    bandwidth = copy_bandwidth()
    figures = {"copy_tb_per_s": bandwidth / 1e12}
    for d in (256, 1024):
        figures[f"bag_vs_copy@{d}"] = bag_against_copy(d, bandwidth)
    address_and_bag(figures)
    backward(figures, bandwidth)
    for name, value in figures.items():
        print(f"{name:24} {value:.4g}")
    kept = {
        "kernels": build.source_hash(),
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "settings": {"n_slots": N_KEYS**2, "batch": BATCH, "bag": BAG, "dtype": "bfloat16", "runs": RUNS},
        "figures": figures,
    }
    RESULT.write_text(json.dumps(kept, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
