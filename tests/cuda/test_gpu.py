"""On a GPU: the numerics again, and the bandwidth. Without one: whether kept figures belong to these kernels."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from agentmem_cuda import build, measure, native

SCRIPT = Path(build.SOURCES).parents[1] / "bench_gpu.py"
KEPT = SCRIPT.with_suffix(".json")


@pytest.fixture
def bench() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.mark.gpu
def test_the_kernels_on_the_gpu_agree_with_brute_force(bench: dict[str, Any]) -> None:
    assert native.ensure().has_cuda_kernels
    bench["check_numbers"]()


@pytest.mark.gpu
def test_the_bag_runs_near_the_bandwidth_of_the_device(bench: dict[str, Any]) -> None:
    bandwidth = bench["copy_bandwidth"]()
    share = bench["bag_against_copy"](1024, bandwidth)
    print(f"bag at {share:.2f} of a copy's {bandwidth / 1e12:.2f} TB/s")
    assert share > 0.5


def test_kept_gpu_figures_belong_to_the_kernels_as_they_stand() -> None:
    if not KEPT.exists():
        pytest.skip("no GPU figures are kept: they were not measured; run cuda_ext/bench_gpu.py on a GPU")
    kept = json.loads(KEPT.read_text())
    assert kept["kernels"] == build.source_hash(), (
        f"{KEPT.name} was measured with other kernels; run cuda_ext/bench_gpu.py on a GPU again"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_measurement_says_so_and_keeps_nothing(
    bench: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = KEPT.exists()
    assert bench["main"]() == 1
    assert "no CUDA device" in capsys.readouterr().err
    assert KEPT.exists() == before


@pytest.mark.usefixtures("native_library")
def test_a_measurement_has_a_row_for_each_comparison_and_ratios_within_their_range() -> None:
    rows = list(measure.measure((1, 3), (1024,), (64,), samples=2))
    assert {row.what for row in rows} >= {"lookup", "address", "bag", "bag_sparse", "backward"}
    assert {row.batch for row in rows} == {1, 3}
    assert all(row.low <= row.speedup <= row.high and row.n == 2 for row in rows)


@pytest.mark.usefixtures("native_library")
def test_the_contenders_of_a_measurement_compute_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    values = measure.sample_table(64 * 64, 32, torch.float32, generator)
    inputs = measure.Inputs.sample(5, 64, values, 2, generator)
    for contenders in (measure.lookup(inputs), measure.bag(inputs)):
        assert contenders.torch_path is not None
        expected = contenders.baseline(1)
        for run in (contenders.torch_path, contenders.native):
            torch.testing.assert_close(run(1), expected, rtol=1e-4, atol=1e-4)
