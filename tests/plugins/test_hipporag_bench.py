"""The growth bench runs from data to figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentmem.errors import BadInput
from agentmem_hipporag.bench_graph import main


def test_the_bench_tells_its_figures_at_every_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = [f"Writer {chr(65 + i)}enn" for i in range(24)]
    corpus = [
        {"id": f"p{i}", "title": name, "text": f"{name} met {people[i - 1]} in Orsk Harbour and left."}
        for i, name in enumerate(people)
    ]
    asked = [{"id": f"q{i}", "question": f"Where did {people[i]} go?", "gold": [f"p{i}"]} for i in range(4)]
    (tmp_path / "dev.json").write_text(json.dumps({"name": "tiny", "corpus": corpus, "questions": asked}))
    out = tmp_path / "out.json"
    options = ["--scale", "1,2", "--embedder", "hash", "--exact", "2", "--edges", "6000", "--json", str(out)]
    assert main(["--data", str(tmp_path), *options]) == 0
    figures = json.loads(out.read_text())["figures"]
    names = ("push_ms_p50", "exact_ms_p50", "edges_touched", "index_s", "memory_mb", "overlap@10")
    assert all(f"{name}@{scale}" in figures for name in names for scale in (1, 2))
    assert figures["overlap@10"] >= 0.95
    assert figures["open_s"] > 0
    assert "push_ms_p50" in capsys.readouterr().out


def test_a_set_without_passages_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"dev\.json"):
        main(["--data", str(tmp_path)])
