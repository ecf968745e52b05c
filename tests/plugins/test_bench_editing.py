"""`agentmem bench editing`: its data sets, its labels and its bytes; scores are measured by running it, not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem.bench.report import Report  # noqa: E402
from agentmem.errors import BadInput  # noqa: E402
from agentmem_lm.bench_editing import chosen, main  # noqa: E402
from agentmem_lm.editing_sets import compatible, read_set  # noqa: E402
from agentmem_lm.editing_sizes import report_bytes  # noqa: E402

EDIT = {
    "subject": "Danielle",
    "prompt": "The mother tongue of Danielle is",
    "target_new": "English",
    "target_true": "French",
    "rephrase": ["People where Danielle is from speak"],
    "locality": [{"prompt": "Michel speaks", "answers": ["French"]}],
}
REWRITE = {
    "prompt": "{} was created by",
    "subject": "Tetris",
    "question": "Who made Tetris?",
    "target_new": {"str": "Mark"},
    "target_true": {"str": "Alexey"},
}
CASE = {
    "requested_rewrite": [REWRITE],
    "questions": ["Where was the creator of Tetris born?"],
    "new_answer": "London",
    "new_answer_alias": ["Greater London"],
}


def test_edits_of_counterfact_and_zsre_become_requests_with_their_prompts(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    nameless = {**EDIT, "prompt": "Her mother tongue is"}
    path.write_text(json.dumps({"name": "counterfact", "edits": [EDIT, nameless]}))
    (case,) = read_set(path)
    (request,) = case.requests
    assert (request.subject, request.prompt, request.target) == ("Danielle", "The mother tongue of {} is", "English")
    assert case.rephrased == (("People where Danielle is from speak", "English"),)
    assert case.locality == ("Michel speaks",)
    assert case.true == ("French",)


def test_cases_of_mquake_keep_their_questions_and_all_right_answers(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"name": "mquake", "cases": [CASE, {**CASE, "conflict": True}]}))
    (case,) = read_set(path)
    assert case.hops == (("Where was the creator of Tetris born?",), ("London", "Greater London"))
    assert case.true == ("Alexey",)


def test_a_case_that_contradicts_an_earlier_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"edits": [EDIT, EDIT, {**EDIT, "target_new": "Dutch"}]}))
    assert [case.requests[0].target for case in compatible(read_set(path))] == ["English", "English"]


def test_a_folder_without_a_known_set_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"counterfact/dev\.json"):
        main(["--data", str(tmp_path)])
    with pytest.raises(BadInput, match="no part named speed"):
        main(["--parts", "speed"])


def test_figures_carry_the_names_of_memory_and_router() -> None:
    labels = [label for label, _, _ in chosen("wise,memit,ft", "key,activation", "3,2")]
    assert labels == ["wise", "wise-activation", "memit", "memit-spread2", "ft"]


def test_an_edit_of_an_eight_billion_model_fits_its_bytes() -> None:
    report = Report("editing")
    report_bytes(report)
    for where in ("disk", "memory"):
        assert report.figures[f"bytes.8b.wise.{where}.one_key"] <= 40_000
        assert report.figures[f"bytes.8b.wise.{where}.further_key"] <= 30_000
    assert report.figures["bytes.8b.memit.disk.one_key"] <= 40_000


@pytest.mark.slow
def test_a_set_runs_and_a_model_that_does_not_know_it_is_labelled(tmp_path: Path) -> None:
    for name, data in (("counterfact", {"edits": [EDIT]}), ("mquake", {"cases": [CASE]})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dev.json").write_text(json.dumps(data))
    out = tmp_path / "out.json"
    main(["--data", str(tmp_path), "--memories", "wise", "--edits", "1", "--json", str(out)])
    told = json.loads(out.read_text())
    assert told["figures"]["counterfact.wise.sequence.1.bare_knows"] == 0.0
    assert all("meaningless" in row["note"] for row in told["rows"])
