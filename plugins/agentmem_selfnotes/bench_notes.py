"""`agentmem bench notes`: what notes written while reading are worth.

Three measurements. A one-step reader (*scripted*) on the generated families with true notes and without. The same on
bAbI with `--data DIR` (the folder that holds `dev.json`), its notes made by rules. And the paper's claim
(*measured*): a small transformer trained from nothing on short instances with and without Self-Notes that it writes
itself, tested on instances of the lengths trained on and on longer ones, several seeds. The families are generated;
no data is needed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agentmem.bench.report import Interval, Report, bootstrap
from agentmem.bench.worlds.families import FAMILIES, LONGER, TRAINED, Instance, instances
from agentmem.errors import BadInput
from agentmem_selfnotes.bench_babi import TASKS, score

FOUR = ("toy_story", "algorithmic", "boolean", "chess_piece")

#: Steps of a training with notes. Boolean chains need more: until a note is always right, one of a chain is wrong.
STEPS = {"boolean": 5000}
USUAL_STEPS = 1300


def main(argv: list[str]) -> int:
    """Entry point of `agentmem bench notes`."""
    parser = argparse.ArgumentParser(prog="agentmem bench notes", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="folder with bAbI's dev.json; without it bAbI is left out"
    )
    parser.add_argument("--families", nargs="*", default=list(FOUR), choices=list(FAMILIES))
    parser.add_argument("--seeds", type=int, default=3, help="trainings per family and condition (default 3)")
    parser.add_argument(
        "--steps", type=int, help=f"steps of a training with notes (default {USUAL_STEPS}; boolean {STEPS['boolean']})"
    )
    parser.add_argument("--tests", type=int, default=200, help="test instances per seed and length (default 200)")
    parser.add_argument("--json", metavar="FILE", help="write settings, rows and figures to a file")
    args = parser.parse_args(argv)
    steps = {family: args.steps or STEPS.get(family, USUAL_STEPS) for family in args.families}
    settings = {"seeds": args.seeds, "steps": steps, "tests": args.tests, "families": args.families}
    report = Report("notes", settings)
    for family in args.families:
        _one_step(report, family, args.tests)
    if args.data is not None:
        _babi(report, args.data)
    if args.seeds:
        for family in args.families:
            _trained(report, family, args.seeds, steps[family], args.tests)
    report.finish(args.json)
    return 0


def one_step(instance: Instance, notes: bool) -> bool:
    """One look-up: the newest statement or note that begins with what is asked, and its last word."""
    lines: list[list[str]] = []
    for statement in instance.statements:
        lines.append(statement.text.rstrip(" .;").split())
        lines += [[key, value] for key, value in statement.notes] if notes else []
    found = next((line[-1] for line in reversed(lines) if line[0] == instance.key), "")
    return found in instance.answers


def _one_step(report: Report, family: str, n: int) -> None:
    for length, span in (("in", TRAINED[family]), ("out", LONGER[family])):
        tested = instances(family, span, n, seed=1)
        for condition in ("with", "without"):
            right = _percent([one_step(instance, condition == "with") for instance in tested])
            report.row(what="one-step reader", family=family, notes=condition, length=length, n=n, right=str(right))
            report.figure(f"reader.{family}.{condition}.{length}", right.value)


def _babi(report: Report, folder: Path) -> None:
    file = folder / "dev.json"
    if not file.is_file():
        raise BadInput(f"no dev.json in {folder.name!r}; give the folder that holds bAbI's items")
    items = json.loads(file.read_text("utf-8"))["items"]
    for task in TASKS:
        mine = [item for item in items if item["task"] == task]
        for condition in ("with", "without"):
            right = _percent([score(item, condition == "with") for item in mine])
            report.row(
                what="bAbI, one-step", family=f"task {task}", notes=condition, length="", n=len(mine), right=str(right)
            )
            report.figure(f"babi.{task}.{condition}", right.value)


def _trained(report: Report, family: str, seeds: int, steps: int, n: int) -> None:
    import torch

    from agentmem_selfnotes.bench_transformer import Size, Vocabulary, accuracy, train

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for condition in ("with", "without"):
            right: dict[str, list[bool]] = {"in": [], "out": []}
            by_seed: dict[str, list[float]] = {"in": [], "out": []}
            for seed in range(seeds):
                pool = instances(family, TRAINED[family], 20_000, seed=10 + seed)
                tests = {
                    "in": instances(family, TRAINED[family], n, seed=100 + seed),
                    "out": instances(family, LONGER[family], n, seed=200 + seed),
                }
                vocabulary = Vocabulary([*pool, *tests["in"], *tests["out"]])
                # Without notes a text holds one word to learn from and costs half: it gets twice the steps.
                size = Size(steps=steps if condition == "with" else 2 * steps)
                reader = train(vocabulary, pool, condition == "with", size, seed)
                for length, tested in tests.items():
                    hits = accuracy(reader, vocabulary, tested, condition == "with")
                    right[length] += hits
                    by_seed[length].append(100.0 * sum(hits) / n)
                shares = ", ".join(f"{length} {values[-1]:.1f}" for length, values in by_seed.items())
                print(f"{family} {condition} notes, seed {seed}: {shares}", file=sys.stderr, flush=True)
            for length, hits in right.items():
                _tell(report, family, condition, length, hits, by_seed[length])
    finally:
        torch.set_num_threads(threads)


def _tell(
    report: Report, family: str, condition: str, length: str, hits: Sequence[bool], by_seed: Sequence[float]
) -> None:
    share = _percent(hits)
    report.row(
        what="transformer",
        family=family,
        notes=condition,
        length=length,
        n=len(hits),
        right=str(share),
        seeds=" ".join(f"{value:.1f}" for value in by_seed),
    )
    report.figure(f"{family}.{condition}.{length}", share.value)
    report.figure(f"{family}.{condition}.{length}_low", share.low)
    report.figure(f"{family}.{condition}.{length}_high", share.high)


def _percent(hits: Sequence[bool]) -> Interval:
    return bootstrap([100.0 * hit for hit in hits])
