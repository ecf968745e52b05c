"""What every benchmark reports with: a table for people, JSON for programs, intervals for both.

Knows nothing of what is measured. Rows are flat mappings, figures a flat map from names to numbers, for example
``report = Report("recall", {"k": 10}); report.row(memory="bm25", recall=0.65); report.figure("bm25.recall@10", 65.4);
report.finish(json_file)``.
"""

from __future__ import annotations

import json
import math
import os
import platform
import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

from agentmem import __version__

PACKAGES = ("numpy", "torch", "transformers", "onnxruntime", "chromadb", "tantivy", "langgraph", "textual")


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bootstrap interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def bootstrap(
    values: Sequence[float],
    *,
    statistic: Callable[[Sequence[float]], float] = statistics.fmean,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of a statistic over independent values (Efron 1979)."""
    if not values:
        return Interval(math.nan, math.nan, math.nan, 0)
    rng = random.Random(seed)
    resampled = sorted(statistic(rng.choices(values, k=len(values))) for _ in range(draws))
    tail = (1.0 - level) / 2.0
    low, high = resampled[int(tail * draws)], resampled[min(draws - 1, int((1.0 - tail) * draws))]
    return Interval(statistic(values), low, high, len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie, interpolated."""
    if not values:
        return math.nan
    ordered, place = sorted(values), share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def environment() -> dict[str, Any]:
    """What a figure depends on besides the code: versions, processor, threads. No names of hosts or people."""
    return {
        "agentmem": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
    }


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Rows as aligned text; numbers to the right. Columns default to the keys in order of first appearance."""
    if not rows:
        return "(no rows)"
    names = list(columns) if columns is not None else list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    numeric = [all(isinstance(row.get(name, 0.0), int | float) for row in rows) for name in names]

    def line(texts: Sequence[str]) -> str:
        padded = (t.rjust(w) if right else t.ljust(w) for t, w, right in zip(texts, widths, numeric, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(names), line(["-" * w for w in widths]), *(line(c) for c in cells)])


@dataclass
class Report:
    """Collects one benchmark's rows and figures; `finish` prints the table and writes the JSON."""

    bench: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def row(self, **values: Any) -> None:
        self.rows.append(values)

    def figure(self, name: str, value: float) -> None:
        self.figures[name] = value

    def as_dict(self) -> dict[str, Any]:
        return {
            "bench": self.bench,
            "settings": {key: _plain(value) for key, value in self.settings.items()},
            "environment": environment(),
            "rows": [{key: _plain(value) for key, value in row.items()} for row in self.rows],
            "figures": {key: _plain(value) for key, value in self.figures.items()},
        }

    def finish(
        self, json_file: str | Path | None = None, *, columns: Sequence[str] | None = None, out: TextIO | None = None
    ) -> None:
        print(table(self.rows, columns), file=out or sys.stdout)
        if json_file:
            text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
            Path(json_file).write_text(text + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"


def _plain(value: Any) -> Any:
    """JSON has no NaN; a figure that could not be measured is null."""
    if isinstance(value, Interval):
        return {"value": _plain(value.value), "low": _plain(value.low), "high": _plain(value.high), "n": value.n}
    if isinstance(value, Path):
        return value.name  # never an absolute path in what is published
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
