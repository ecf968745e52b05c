"""CounterFact, zsRE and MQuAKE for the editing benchmark: requests and prompts from their files, for real models.

Reads `dev.json` below a folder; knows no method. A model that does not know the real world (the demo model, a random
one) runs through the same steps; how many of the old facts it says is measured, and below 5 % the row says that it is
meaningless.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentmem.bench.report import Report, bootstrap
from agentmem.errors import BadInput
from agentmem.records import EditRequest
from agentmem_lm.admission import says
from agentmem_lm.model import CausalModel

SETS = ("counterfact", "zsre", "mquake")
_NEW_TOKENS = 16
_KNOWS_LEAST = 5.0  # percent of the old facts that a model must say for its figures to mean anything


@dataclass(frozen=True)
class SetCase:
    """``requests`` of one case and what was so before; ``rephrased`` (prompt, target) pairs; ``locality`` prompts that
    must stay; ``hops``: (questions, answers that are right after the edits)."""

    requests: tuple[EditRequest, ...]
    true: tuple[str, ...]
    rephrased: tuple[tuple[str, str], ...] = ()
    locality: tuple[str, ...] = ()
    hops: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


def run_set(report: Report, given: argparse.Namespace) -> None:
    """Every set below the folder, every memory, at every size, in one order after another."""
    folder = Path(given.data).expanduser()
    found = [name for name in SETS if (folder / name / "dev.json").is_file()]
    if not found:
        found = [folder.name] if folder.name in SETS and (folder / "dev.json").is_file() else []
        folder = folder.parent
    if not found:
        raise BadInput(f"{given.data} holds none of {', '.join(f'{name}/dev.json' for name in SETS)}")
    from agentmem_lm.bench_editing import chosen
    from agentmem_lm.provider import open_model

    model = open_model(given.model)
    for name in found:
        cases = compatible(read_set(folder / name / "dev.json"))
        for count in (int(text) for text in given.edits.split(",")):
            for label, memory, settings in chosen(given.memories, given.router, given.spread):
                if memory == "ft":
                    continue
                for order in given.order.split(","):
                    _measure(report, model, f"{name}.{label}.{order}", (memory, settings, order), cases[:count])


def read_set(path: Path) -> list[SetCase]:
    """The cases of a file, in its order; those whose prompt does not name the subject are left out."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is no JSON: {error}") from error
    if "cases" in data:
        return [_hops(case) for case in data["cases"] if not case.get("conflict")]
    return [_edit(row) for row in data["edits"] if row["subject"] in row["prompt"]]


def compatible(cases: Sequence[SetCase]) -> list[SetCase]:
    """Those that tell nothing of a subject and prompt that an earlier one told otherwise."""
    told: dict[tuple[str, str], str] = {}
    out = []
    for case in cases:
        own = {(request.subject, request.prompt): request.target for request in case.requests}
        if all(told.get(about, target) == target for about, target in own.items()):
            told |= own
            out.append(case)
    return out


def _edit(row: dict[str, Any]) -> SetCase:
    prompt = row["prompt"].replace(row["subject"], "{}", 1)
    request = EditRequest(subject=row["subject"], prompt=prompt, target=row["target_new"])
    rephrased = tuple((text, row["target_new"]) for text in row["rephrase"])
    return SetCase(
        (request,), (row.get("target_true") or "",), rephrased, tuple(one["prompt"] for one in row["locality"])
    )


def _hops(case: dict[str, Any]) -> SetCase:
    told = [one for one in case["requested_rewrite"] if "{}" in one["prompt"]]
    requests = tuple(
        EditRequest(subject=one["subject"], prompt=one["prompt"], target=one["target_new"]["str"]) for one in told
    )
    true = tuple(one["target_true"]["str"] for one in told)
    rephrased = tuple((one["question"], one["target_new"]["str"]) for one in case["requested_rewrite"])
    answers = (case["new_answer"], *case.get("new_answer_alias", ()))
    return SetCase(requests, true, rephrased, (), (tuple(case["questions"]), answers))


def _asked(model: CausalModel, text: str) -> str:
    """A prompt as the model is asked: questions in its own manner, beginnings as they stand."""
    return model.manners.prompt(text) if text.rstrip().endswith("?") else text


def _wish(model: CausalModel, request: EditRequest) -> EditRequest:
    return EditRequest(subject=request.subject, prompt=_asked(model, request.prompt), target=request.target)


def _measure(
    report: Report, model: CausalModel, name: str, how: tuple[str, dict[str, object], str], cases: Sequence[SetCase]
) -> None:
    import tempfile

    from agentmem import Agent

    memory, settings, order = how
    sections: dict[str, Any] = {memory: settings} if settings else {}
    requests = [_wish(model, request) for case in cases for request in case.requests]
    far = list(dict.fromkeys(prompt for case in cases for prompt in case.locality))
    prompts = [request.prompt.format(request.subject) for request in requests]
    said = model.generate(prompts, max_new_tokens=_NEW_TOKENS, base=True)
    true = [text for case in cases for text in case.true]
    knows = bootstrap([100.0 * bool(t and says(text, t)) for text, t in zip(said, true, strict=True)])
    before = dict(zip(far, model.generate(far, max_new_tokens=_NEW_TOKENS, base=True), strict=True))
    with (
        tempfile.TemporaryDirectory() as home,
        Agent.open(home, local_model=model, memories=memory, embedder="hash", **sections) as agent,
    ):
        for group in [[request] for request in requests] if order == "sequence" else [requests]:
            agent.edit_many(group, memory=memory)
            agent.flush_edits()
        rewrites = [(prompt, request.target) for prompt, request in zip(prompts, requests, strict=True)]
        scores = {
            "rewrite": _share(model, rewrites),
            "paraphrase": _share(model, [(_asked(model, p), t) for case in cases for p, t in case.rephrased]),
        }
        if far:
            after = model.generate(far, max_new_tokens=_NEW_TOKENS)
            scores["locality"] = [100.0 * (before[p] == text) for p, text in zip(far, after, strict=True)]
        hops = [case.hops for case in cases if case.hops[0]]
        if hops:
            scores["multi_hop"] = [100.0 * _any_hop(model, *one) for one in hops]
    row: dict[str, object] = {"what": f"{name}.{len(requests)}", "n": len(requests), "bare_knows": str(knows)}
    if knows.value < _KNOWS_LEAST:
        row["note"] = "meaningless: this model does not know these facts; the row shows that the steps run"
    report.figure(f"{name}.{len(requests)}.bare_knows", knows.value)
    for score, values in scores.items():
        interval = bootstrap(values)
        row[score] = str(interval)
        report.figure(f"{name}.{len(requests)}.{score}", interval.value)
    report.row(**row)


def _share(model: CausalModel, pairs: Sequence[tuple[str, str]]) -> list[float]:
    said = model.generate([prompt for prompt, _ in pairs], max_new_tokens=_NEW_TOKENS, stop=("\n",))
    return [100.0 * says(text, target) for text, (_, target) in zip(said, pairs, strict=True)]


def _any_hop(model: CausalModel, questions: Sequence[str], answers: Sequence[str]) -> bool:
    """Whether one of the questions is answered with the new answer or an alias, as MQuAKE counts."""
    said = model.generate([_asked(model, text) for text in questions], max_new_tokens=_NEW_TOKENS, stop=("\n",))
    return any(says(text, answer) for text in said for answer in answers)
