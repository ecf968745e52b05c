"""`agentmem bench editing`: what weight edits say, what they spare, what they cost, and whether they can be undone.

Everything is scored by free greedy generation up to the stop token, on the demo world, through the journal as a user
would. Only prompts that the base answers right are scored; an edit that was refused counts as a failure.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from agentmem.bench.report import Report, bootstrap
from agentmem_lm.bench_model import right
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.probes import Probe
from agentmem_lm.demo.world import build
from agentmem_lm.editing_cases import SCORES, Asked, Case, asked, cases
from agentmem_lm.model import CausalModel
from agentmem_lm.provider import open_model

_UNDO_TEXTS = 16


def main(argv: list[str]) -> int:
    """Run every memory at every size and order, and report."""
    given = _parser().parse_args(argv)
    report = Report("editing", vars(given))
    model = open_model(given.model)
    for count in (int(text) for text in given.edits.split(",")):
        made = cases(build(), count, given.seed, one_wording=given.one_wording)
        probes = _known(model, asked(build(), made, given.seed, others=given.others))
        for name, settings in _chosen(given.memories.split(","), given.router.split(",")):
            for order in given.order.split(","):
                _run(report, model, (name, settings), order, made, probes, given.seed)
    report.finish(given.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agentmem bench editing", description=__doc__)
    parser.add_argument("--model", default="demo", help="demo, or a folder with a model trained on the demo world")
    parser.add_argument("--memories", default="wise,memit", help="weight memories to measure")
    parser.add_argument("--router", default="key", help="routers of wise: key, activation, or both")
    parser.add_argument("--edits", default="30", help="numbers of edits, such as 1,10,100")
    parser.add_argument("--order", default="sequence", help="sequence (one after another), batch, or both")
    parser.add_argument("--others", type=int, default=100, help="probes for locality and for context")
    parser.add_argument("--one-wording", action="store_true", help="requests of one prompt, without any other")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--json", metavar="FILE")
    return parser


def _chosen(memories: Sequence[str], routers: Sequence[str]) -> list[tuple[str, dict[str, object]]]:
    """(name in the figures, settings) of what is measured."""
    out: list[tuple[str, dict[str, object]]] = []
    for name in memories:
        if name == "wise":
            out += [("wise" if r == "key" else f"wise-{r}", {"router": r}) for r in routers]
        else:
            out.append((name, {}))
    return out


def _known(model: CausalModel, prompts: Sequence[Asked]) -> list[Asked]:
    """Those that the base answers right: an edit cannot be blamed for the others."""
    said = model.generate([one.prompt for one in prompts], max_new_tokens=12, base=True)
    return [one for one, text in zip(prompts, said, strict=True) if _right(text, one.before)]


def _right(text: str, answer: str) -> bool:
    return right(text, Probe("", "", answer, "", ""))


def _run(
    report: Report,
    model: CausalModel,
    chosen: tuple[str, dict[str, object]],
    order: str,
    made: Sequence[Case],
    probes: Sequence[Asked],
    seed: int,
) -> None:
    from agentmem import Agent

    label, settings = chosen
    memory = label.partition("-")[0]
    texts = [one.prompt for one in probes[:: max(1, len(probes) // _UNDO_TEXTS)]]
    before = model.logits(texts, base=True)
    with tempfile.TemporaryDirectory() as home:
        sections: dict[str, Any] = {memory: settings} if settings else {}
        with Agent.open(home, local_model=model, memories=memory, embedder="hash", **sections) as agent:
            held: Any = agent.home.views[memory].memory
            _ = held.layer  # the site is found once a model, not once an edit
            started = time.process_time()
            groups = [[case] for case in made] if order == "sequence" else [list(made)]
            receipts = []
            for group in groups:
                receipts.append(agent.edit_many([case.request for case in group], memory=memory))
                receipts += agent.flush_edits()
            spent = time.process_time() - started
            accepted = len(held.live(()))
            parts: dict[str, float] = dict(held.spent_s)
            answers = model.generate([one.prompt for one in probes], max_new_tokens=12)
            told = [receipt for receipt in receipts if receipt.verb == "edit"]
            for index in Draws(seed + 2).shuffled(list(range(len(told)))):
                agent.undo(told[index])
            exact = all(np.array_equal(a, b) for a, b in zip(before, model.logits(texts), strict=True))
    found: dict[str, list[float]] = defaultdict(list)
    for one, text in zip(probes, answers, strict=True):
        found[one.score].append(100.0 * _right(text, one.after))
    name = f"{label}.{order}.{len(made)}"
    row: dict[str, object] = {"what": name, "accepted": accepted}
    for score in SCORES:
        interval = bootstrap(found[score], seed=seed)
        row[score] = str(interval)
        report.figure(f"{name}.{score}", interval.value)
    costs = {
        "cpu_s_per_edit": parts["compute"] / len(made),
        "admission_cpu_s": parts["examine"] / len(made),
        "all_cpu_s": spent / len(made),
        "undo_exact": float(exact),
    }
    for what, value in costs.items():
        report.figure(f"{name}.{what}", value)
    report.row(**row, **costs, n=len(probes))
