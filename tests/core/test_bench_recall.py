from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentmem.bench import overhead, recall
from agentmem.bench.sets import _time, read_set
from agentmem.errors import BadInput


def conversations() -> dict[str, Any]:
    turns = [("D1:1", "Ann", "I bought a red kayak."), ("D1:2", "Bob", "My sister plays the cello.")]
    later = [("D2:1", "Ann", "The kayak sank near the pier."), ("D2:2", "Bob", "I bake bread on Sundays.")]
    sessions = [
        {
            "id": f"S{i}",
            "date": f"1:56 pm on {i} May, 2023",
            "turns": [dict(zip(("id", "speaker", "text"), t, strict=True)) for t in part],
        }
        for i, part in enumerate((turns, later), 1)
    ]
    questions = [
        {"question": "What happened to the kayak near the pier?", "category": "single-hop", "evidence": ["D2:1"]},
        {"question": "Who plays the cello?", "category": "adversarial", "evidence": ["D1:2"]},
        {"question": "Nobody knows", "category": "single-hop", "evidence": []},
    ]
    return {"name": "tiny", "conversations": [{"id": "c", "sessions": sessions, "questions": questions}]}


def corpus() -> dict[str, Any]:
    passages = [
        ("p0", "Velmark", "Velmark keeps lanterns."),
        ("p1", "Orsk", "It keeps ravens."),
        ("p2", "Jam", "Sweet."),
    ]
    return {
        "name": "shelf",
        "corpus": [dict(zip(("id", "title", "text"), p, strict=True)) for p in passages],
        "questions": [{"question": "Which ravens does Orsk keep?", "type": "bridge", "gold": ["p1"]}],
    }


def written(folder: Path, data: dict[str, Any]) -> Path:
    (folder / "dev.json").write_text(json.dumps(data))
    return folder


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    file = folder / "out.json"
    assert recall.main(["--data", str(folder), "--embedder", "hash", "--json", str(file), *arguments]) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_a_conversation_set_is_measured_through_the_real_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(written(tmp_path, conversations()), "--k", "1,2")
    figures = out["figures"]
    assert figures["bm25.recall@1"] == 100.0
    assert figures["fused.recall@2"] == 100.0
    assert figures["fused.single-hop.recall@1"] == 100.0
    assert figures["fused.answerable.recall@1"] == 100.0
    assert figures["bm25.query_ms_p50"] > 0
    assert figures["chroma.index_s"] > 0
    assert out["settings"]["memories"] == ["chroma", "bm25", "hipporag"]
    assert "answerable@2" in capsys.readouterr().out


def test_derived_records_are_written_beside_the_turns_and_counted_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = conversations()
    data["conversations"][0] |= {
        "session_summary": {
            "session_1_summary": "Ann bought a red kayak, and Bob's sister plays.",
            "session_2_summary": "The kayak sank at the pier.",
        },
        "observation": {
            "session_2_observation": {"Ann": [["Ann's kayak sank.", "D2:1, D9:9"], ["Nothing.", ["D7:1"]]]}
        },
    }
    folder = written(tmp_path, data)
    (first, second), (fact,) = (read_set(folder).derived[kind] for kind in ("summary", "observation"))
    assert (first.kind, first.trust, first.attributes["items"]) == ("summary", "agent", ["tiny/c/D1:1", "tiny/c/D1:2"])
    assert (fact.kind, fact.speaker, fact.attributes["items"]) == ("fact", "Ann", ["tiny/c/D2:1"])
    assert second.session == "S2"
    alone = run(folder, "--k", "1,2")["figures"]
    assert not any("+sources" in name or "derived" in name for name in alone)
    (summed,) = read_set(folder).derived["attributed"]
    assert (summed.kind, summed.body, summed.attributes["rests"]) == ("summary", "Ann's kayak sank.", [["tiny/c/D2:1"]])
    naming = run(folder, "--k", "1,5", "--derived", "attributed")["figures"]
    assert naming["chroma.derived@5"] > 0
    assert naming["fused.derived@5"] == 0.0, "a summary that names its turns is no hit"
    hits = run(folder, "--k", "1,2", "--derived", "summary,observation")["figures"]
    assert hits["chroma.derived@2"] > 0
    assert hits["fused+sources.recall@2"] >= hits["fused.recall@2"]
    assert "+sources@2" in capsys.readouterr().out
    with pytest.raises(BadInput, match="no derived records named 'dreams'; it holds: summary, observation, attributed"):
        recall.main(["--data", str(folder), "--derived", "dreams"])


def test_a_corpus_set_is_measured_and_context_stays_out(tmp_path: Path) -> None:
    out = run(written(tmp_path, corpus()), "--memories", "bm25,context", "--k", "1")
    assert out["figures"]["fused.recall@1"] == 100.0
    assert not any(name.startswith("context") for name in out["figures"])


def test_what_is_no_set_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a folder with a dev"):
        read_set(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="neither 'conversations' nor 'corpus'"):
        read_set(written(tmp_path, {"name": "odd"}))
    with pytest.raises(BadInput, match="another form"):
        read_set(written(tmp_path, {"name": "odd", "conversations": [{"id": 1}]}))
    with pytest.raises(BadInput, match="whole numbers"):
        recall.main(["--data", str(tmp_path), "--k", "ten"])


def test_dates_are_read_in_the_forms_that_sets_use() -> None:
    wanted = datetime(2023, 5, 8, 13, 56, tzinfo=UTC).timestamp()
    assert _time("1:56 pm on 8 May, 2023") == wanted
    assert _time("May 8th, 2023 13:56") == wanted
    assert _time("2023-05-08T13:56:00") == wanted
    assert _time("2023/05/08") is None
    assert _time("") is None


def test_overhead_reports_writes_and_recalls_at_each_size(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    assert overhead.main(["--sizes", "200", "--writes", "3", "--queries", "3", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())["figures"]
    assert {"write_ms_p50@200", "recall_ms_p50@200", "recall_ns_ms_p50@200", "batch_s@200", "open_s@200"} <= set(
        figures
    )
    assert all(value > 0 for value in figures.values())
