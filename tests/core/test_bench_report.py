from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np

from agentmem.bench.report import Report, bootstrap, percentile, table


def test_a_bootstrap_interval_holds_the_estimate_and_repeats_with_its_seed() -> None:
    values = [float(i % 2) for i in range(200)]
    interval = bootstrap(values)
    assert interval.low < interval.value == 0.5 < interval.high
    assert interval == bootstrap(values)
    assert interval.n == 200


def test_an_empty_sample_has_no_interval() -> None:
    assert math.isnan(bootstrap([]).value)
    assert math.isnan(percentile([], 0.5))


def test_percentiles_interpolate() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert percentile([1.0, 2.0], 1.0) == 2.0


def test_the_table_aligns_and_keeps_rows_with_other_columns() -> None:
    lines = table([{"memory": "bm25", "n": 12}, {"memory": "chroma", "ms": 0.25}]).splitlines()
    assert lines[0].split() == ["memory", "n", "ms"]
    assert lines[2].startswith("bm25 ")
    assert lines[3].split() == ["chroma", "0.25"]


def test_the_json_has_the_agreed_keys_and_no_nan(tmp_path: Path) -> None:
    report = Report("demo", {"data": Path("/somewhere/set"), "k": (2, 5)})
    report.row(memory="bm25", recall=bootstrap([1.0, 0.0]), ms=np.float32(0.5))
    report.figure("bm25.recall@10", math.nan)
    out, file = io.StringIO(), tmp_path / "r.json"
    report.finish(file, out=out)
    written = json.loads(file.read_text())
    assert set(written) == {"bench", "settings", "environment", "rows", "figures"}
    assert written["settings"] == {"data": "set", "k": [2, 5]}
    assert written["figures"] == {"bm25.recall@10": None}
    assert written["rows"][0]["ms"] == 0.5
    assert "bm25" in out.getvalue()
