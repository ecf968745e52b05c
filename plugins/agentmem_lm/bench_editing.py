"""`agentmem bench editing`: what weight edits say, what they spare, what they cost, and whether they can be undone.

Everything is scored by free greedy generation up to the stop token, through the journal as a user would edit. Only
prompts that the base answers right are scored; an edit that was refused counts as a failure. The demo world is the
default; `--data DIR` reads CounterFact, zsRE or MQuAKE for people with a model that knows the real one.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence

from agentmem.bench.report import Report, bootstrap
from agentmem.errors import BadInput
from agentmem_lm.demo.world import build
from agentmem_lm.editing_cases import SCORES, Asked, asked, cases, everything, says_answer
from agentmem_lm.editing_runs import Measured, Plan, known, run_fine_tuning, run_memory
from agentmem_lm.model import CausalModel
from agentmem_lm.provider import open_model

PARTS = ("scores", "bytes", "shapes")
PEERS: dict[str, tuple[float, ...]] = {
    "EasyEdit WISE, retrieve": (57, 46, 37, 61, 58, 64, 95, 2.13),
    "EasyEdit MEMIT, one batch": (95, 87, 74, 27, 79, 85, 95, 0.57),
    "EasyEdit GRACE": (100, 81, 74, 100, 100, 100, 100, 0.37),
    "EasyEdit FT-M": (45, 37, 25, 83, 82, 89, 95, 0.20),
}
"""Scores in the order of `SCORES` and CPU seconds an edit of EasyEdit, 100 edits on another model of this kind
(2.75 million parameters, 300 subjects), tuned, one wording an edit: reported beside ours, not measured here."""


def main(argv: list[str]) -> int:
    """Run every memory at every size, order and number of wordings, and report."""
    given = _parser().parse_args(argv)
    report = Report("editing", vars(given))
    parts = given.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        raise BadInput(f"no part named {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    if given.data:
        from agentmem_lm.editing_sets import run_set

        run_set(report, given)
    else:
        if "scores" in parts:
            _scores(report, open_model(given.model), given)
        if "bytes" in parts:
            from agentmem_lm.editing_sizes import report_bytes

            report_bytes(report)
    if "shapes" in parts:
        from agentmem_lm.editing_sizes import report_shapes

        report_shapes(report, given.shapes.split(","), chosen(given.memories, given.router, given.spread))
    report.finish(given.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agentmem bench editing", description=__doc__)
    parser.add_argument("--model", default="demo", help="demo, or a folder with a model")
    parser.add_argument("--data", metavar="DIR", help="a folder with counterfact, zsre or mquake (dev.json)")
    parser.add_argument("--memories", default="wise,memit", help="weight memories to measure; ft is the baseline")
    parser.add_argument("--router", default="key", help="routers of wise: key, activation, or both")
    parser.add_argument("--spread", default="3", help="layers that memit spreads its change over, such as 1,2")
    parser.add_argument("--edits", default="30", help="numbers of edits, such as 1,10,100")
    parser.add_argument("--order", default="sequence", help="sequence (one after another), batch, or both")
    parser.add_argument("--wordings", default="five", help="five (a prompt and four more), one, or both")
    parser.add_argument("--others", type=int, default=100, help="probes for locality and for context")
    parser.add_argument("--world", action="store_true", help="ask every fact of the world again after the edits")
    parser.add_argument("--parts", default="scores,bytes", help=f"which parts, of {', '.join(PARTS)}")
    parser.add_argument("--shapes", default="qwen2.5-0.5b,gpt2-124m", help="random models for the part shapes")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--json", metavar="FILE")
    return parser


def chosen(memories: str, routers: str, spreads: str = "3") -> list[tuple[str, str, dict[str, object]]]:
    """(name in the figures, memory, settings) of what is measured."""
    out: list[tuple[str, str, dict[str, object]]] = []
    for name in memories.split(","):
        if name == "wise":
            out += [("wise" if r == "key" else f"wise-{r}", name, {"router": r}) for r in routers.split(",")]
        elif name == "memit":
            out += [("memit" if s == "3" else f"memit-spread{s}", name, {"spread": int(s)}) for s in spreads.split(",")]
        else:
            out.append((name, name, {}))
    return out


def _scores(report: Report, model: CausalModel, given: argparse.Namespace) -> None:
    world, sizes = build(), [int(text) for text in given.edits.split(",")]
    everyone_known = known(model, everything(world)) if given.world else ()
    for wordings in given.wordings.split(","):
        for count in sizes:
            made = cases(world, count, given.seed, one_wording=wordings == "one")
            everyone = asked(world, made, given.seed, others=given.others)
            probes = known(model, everyone)
            _bare_row(report, len(made), everyone, probes, given.seed)
            for order in given.order.split(","):
                plan = Plan(made, probes, order, given.seed, everyone_known)
                for label, memory, settings in chosen(given.memories, given.router, given.spread):
                    if memory == "ft":
                        measured = run_fine_tuning(model, _site(model), plan)
                    else:
                        measured = run_memory(model, memory, settings, plan)
                    name = f"{label}-one" if wordings == "one" else label
                    _row(report, f"{name}.{order}.{count}", measured, plan)
    if 100 in sizes:
        for name, values in PEERS.items():
            shown = {score: f"{value:g}" for score, value in zip(SCORES, values, strict=False)}
            report.row(what=f"{name} (reported)", **shown, mean=sum(values[:7]) / 7, cpu_s_per_edit=values[7])


def _bare_row(report: Report, count: int, everyone: Sequence[Asked], probes: Sequence[Asked], seed: int) -> None:
    """What the bare model gives on the same probes: scored are only those that it answers right."""
    total: dict[str, int] = defaultdict(int)
    right: dict[str, int] = defaultdict(int)
    for counts, group in ((total, everyone), (right, probes)):
        for one in group:
            counts[one.score] += 1
    shares = {score: 100.0 * right[score] / max(1, total[score]) for score in SCORES}
    report.row(what=f"bare.{count}", **{score: f"{share:.1f}" for score, share in shares.items()}, n=len(everyone))
    for score, share in shares.items():
        report.figure(f"bare.{count}.{score}", share)


def _row(report: Report, name: str, measured: Measured, plan: Plan) -> None:
    found: dict[str, list[float]] = defaultdict(list)
    for one, text in zip(plan.probes, measured.answers, strict=True):
        found[one.score].append(100.0 * says_answer(text, one.after))
    row: dict[str, object] = {"what": name}
    values = []
    for score in SCORES:
        interval = bootstrap(found[score], seed=plan.seed)
        values.append(interval.value)
        row[score] = str(interval)
        report.figure(f"{name}.{score}", interval.value)
    costs = {**measured.costs, "undo_exact": float(measured.undo_exact), "accepted": float(measured.accepted)}
    if measured.world_changed is not None:
        changed, of = measured.world_changed
        costs["world_changed_pct"], costs["world_n"] = 100.0 * changed / of, float(of)
    mean = sum(values) / len(values)
    for what, value in (*costs.items(), ("mean", mean)):
        report.figure(f"{name}.{what}", value)
    report.row(**row, mean=mean, **costs, n=len(plan.probes))
    print(", ".join(f"{key} {value}" for key, value in report.rows[-1].items()), flush=True)  # a run may be cut off


def _site(model: CausalModel) -> int:
    """The layer of the site finder, as the memories use it."""
    from agentmem_lm.command import demo_prompts
    from agentmem_lm.sites import find_sites

    return find_sites(model, demo_prompts()).checked().best
