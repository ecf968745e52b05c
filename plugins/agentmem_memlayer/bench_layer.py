"""``agentmem bench layer``: the lookup in ratios against plain torch, and facts written on the demo model.

Makes its own data from a seed and needs none. The writing half is in `bench_writing`.
"""

from __future__ import annotations

import argparse

from agentmem.bench.report import Report
from agentmem_memlayer.bench_writing import measure_writing

SLOTS, WIDTHS, BATCHES = (1 << 14, 1 << 18, 1 << 20), (256, 1024), (1, 64, 1024)
REPORTED = ("lookup", "address", "bag_sparse", "backward")


def main(argv: list[str]) -> int:
    """Run both halves, print one table each way and write the JSON."""
    parser = argparse.ArgumentParser(prog="agentmem bench layer", description=__doc__)
    parser.add_argument("--part", choices=("lookup", "write", "both"), default="both")
    parser.add_argument("--facts", type=int, default=100)
    parser.add_argument("--samples", type=int, default=5, help="samples of every ratio")
    parser.add_argument("--largest-only", action="store_true", help="1M slots and d 1024 only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(argv)
    settings = {name: value for name, value in vars(asked).items() if name != "json"}
    report = Report("layer", settings)
    if asked.part in ("lookup", "both"):
        measure_lookup(report, asked.samples, asked.seed, asked.largest_only)
    if asked.part in ("write", "both"):
        measure_writing(report, asked.facts, asked.seed)
    report.finish(asked.json)
    return 0


# ---- lookups


def measure_lookup(report: Report, samples: int, seed: int, largest_only: bool) -> None:
    """One row a comparison; the figures are those at the largest table."""
    from agentmem_cuda.measure import measure

    sizes, widths = (SLOTS[-1:], WIDTHS[-1:]) if largest_only else (SLOTS, WIDTHS)
    for row in measure(BATCHES, sizes, widths, samples=samples, seed=seed):
        report.row(
            what=row.what,
            batch=row.batch,
            slots=row.n_slots,
            d=row.d,
            baseline=row.baseline,
            baseline_ms=row.baseline_ms,
            torch_ms=row.torch_ms,
            native_ms=row.native_ms,
            speedup=row.speedup,
            low=row.low,
            high=row.high,
            torch_speedup=row.torch_speedup,
            n=row.n,
        )
        if (row.n_slots, row.d) == (SLOTS[-1], WIDTHS[-1]) and row.what in REPORTED:
            report.figure(f"{row.what}.speedup@{row.batch}", row.speedup)
            if row.what == "address" and row.torch_speedup is not None:
                report.figure(f"address.torch_speedup@{row.batch}", row.torch_speedup)
