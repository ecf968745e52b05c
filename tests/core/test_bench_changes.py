"""The benches of changing facts run, and print the figures that others read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentmem import registry
from agentmem.bench.updates import main as updates
from agentmem.errors import BadInput


def test_updates_prints_its_figures(tmp_path: Path) -> None:
    case = {
        "case_id": 1,
        "requested_rewrite": [
            {"prompt": "{} was created by", "subject": "The Long Stair", "target_new": {"str": "Ada Berg"}},
            {"prompt": "{} was born in", "subject": "Ada Berg", "target_new": {"str": "Velm"}},
        ],
        "questions": ["Where was the creator of The Long Stair born?"],
    }
    (tmp_path / "dev.json").write_text(json.dumps({"cases": [case]}), encoding="utf-8")
    out = tmp_path / "out.json"
    small = ["--changes", "25", "--turns", "12", "--memories", "bm25", "--data", str(tmp_path), "--json", str(out)]
    assert updates(small) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))["figures"]
    assert figures["stale_rate"] == 0
    assert figures["silent_contradictions"] == 0
    assert figures["purge_residue_bytes"] == 0
    assert figures["turns.duplicates"] == 0
    assert figures["mquake.agent.all@10"] == 100


def test_updates_refuses_what_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no MQuAKE set"):
        updates(["--changes", "1", "--turns", "0", "--memories", "bm25", "--embedder", "hash", "--data", str(tmp_path)])


def test_facts_prints_one_row_a_memory(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "out.json"
    small = ["--facts", "1", "--more", "1", "--memories", "bm25,context", "--json", str(out)]
    assert registry.load("benches", "facts")(small) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))["figures"]
    for memory in ("bm25", "context"):
        assert figures[f"{memory}.rewrite"] == 100
        assert figures[f"{memory}.after_undo"] == 100
        for name in ("paraphrase", "locality", "two_hop", "after_100", "write_s", "tokens", "bytes"):
            assert f"{memory}.{name}" in figures
