"""Does routing pay? Every arm on every question, what the router made of it, and the most that could be made.

Without --data on planted questions whose right memory is known (with the demo model); with it on an evaluation set.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentmem.bench.report import Report, percentile
from agentmem.bench.sets import read_set
from agentmem.errors import BadInput
from agentmem.routing.arms import Prices
from agentmem.routing.learning import Example, learn
from agentmem_lm.router_matrix import TEXT, K, Row, run, run_on_set
from agentmem_lm.router_planted import STYLES, plant
from agentmem_lm.router_scores import Scores, calibration, score

_LEARNT_ON = "planted questions on the demo world, the half for learning"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agentmem bench router", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", metavar="DIR", help="an evaluation set instead of planted questions")
    parser.add_argument("--count", type=int, default=16, help="planted questions of every kind and style of store")
    parser.add_argument("--repeats", type=int, default=3, help="stores with other words and documents, at least 2")
    parser.add_argument("--router", default="calibrated", help="the router that is judged")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learn", metavar="FILE", help="learn a model on the other half of the world and write it")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    if options.count < 4 or options.repeats < 2:
        raise BadInput(
            "--count takes 4 or more, --repeats 2 or more: from one run alone nothing can be said of headroom"
        )
    ms: dict[str, list[float]] = {}
    if options.learn:
        return _learn(options, ms)
    if options.data:
        data = read_set(Path(options.data))
        rows, k = run_on_set(data, k=10, embedder=options.embedder, router=options.router, ms=ms), 10
        settings = {"set": data.name, "repeats": 1}
    else:
        rows, k = _planted(options, "measure", ms), K
        settings = {"set": "planted", "count": options.count, "repeats": options.repeats, "seed": options.seed}
    report = Report("router", {**settings, "router": options.router, "embedder": options.embedder, "k": k})
    _tell(report, rows, _medians(ms), k)
    report.finish(options.json)
    return 0


def _planted(options: argparse.Namespace, part: str, ms: dict[str, list[float]]) -> list[Row]:
    rows: list[Row] = []
    for style in STYLES:
        planted = plant(style, count=options.count, part=part, seed=options.seed)
        rows += run(planted, repeats=options.repeats, embedder=options.embedder, router=options.router, ms=ms)
    return rows


def examples_of(rows: Sequence[Row]) -> list[Example]:
    """One example for each question and repeat."""
    return [
        Example(
            row.group,
            row.features[repeat],
            {arm: values[repeat] for arm, values in row.outcomes.items()},
            {name: v for name, v in row.signals[repeat].items() if name.partition(".")[0] in TEXT},
        )
        for row in rows
        for repeat in range(len(row.features))
    ]


def _learn(options: argparse.Namespace, ms: dict[str, list[float]]) -> int:
    rows = _planted(options, "learn", ms)
    model = learn(examples_of(rows), ms=_medians(ms), source=_LEARNT_ON)
    Path(options.learn).write_text(json.dumps(model.as_dict(), indent=1) + "\n", encoding="utf-8")
    print(f"learnt {len(model.lines)} arms from {len(rows)} questions, written to {options.learn}")
    return 0


def _medians(ms: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in ms.items()}


def _tell(report: Report, rows: Sequence[Row], ms: Mapping[str, float], k: int) -> None:
    scores = score(rows, ms, Prices(), k=k)
    for kind in dict.fromkeys(row.question.kind for row in rows):
        report.row(**_of_kind([row for row in rows if row.question.kind == kind], kind, scores))
    report.row(**_of_kind(rows, "all", scores))
    single = len(rows[0].policy) < 2
    routes = [route for row in rows for route in row.routes]
    stages = Counter(str(route.decision.get("stage", "rule")) for route in routes)
    timed = [pair for row in rows for pair in zip(row.route_ms, row.routes, strict=True)]
    plain = [spent for spent, route in timed if route.decision.get("stage") != "probes"]
    report.figure("policy", scores.policy)
    report.figure("best_fixed", scores.best_fixed)
    report.figure("regret_low", float("nan") if single else scores.regret_low)
    report.figure("regret_high", scores.regret_high)
    report.figure("ahead", scores.ahead.value)
    report.figure("ahead_low", scores.ahead.low)
    report.figure("harm", 100 * scores.harm)
    report.figure("captured", float("nan") if single else scores.captured)
    report.figure("probe_share", stages["probes"] / len(routes))
    report.figure("extra_ms_p50", percentile(plain, 0.5))
    looks = [spent for row in rows for spent in row.look_ms]
    report.figure("gain_share", sum("gain" in route.decision for route in routes) / len(routes))
    report.figure("look_share", sum(spent > 0 for spent in looks) / len(looks))
    report.figure("look_ms_p50", percentile([spent for spent in looks if spent] or [0.0], 0.5))
    for name in ("cheapest", "uniform", "same_shares", "permuted", "oracle_low", "oracle_high"):
        report.figure(name, getattr(scores, name))
    judged = calibration(rows)
    for key, (ece, brier, _) in judged.items():
        report.figure(f"ece.{key or 'nothing'}", ece)
        report.figure(f"brier.{key or 'nothing'}", brier)
    _say(scores, report, judged, single)


def _of_kind(rows: Sequence[Row], kind: str, scores: Scores) -> dict[str, object]:
    mean = statistics.fmean
    row: dict[str, object] = {"kind": kind, "n": len(rows)}
    for arm in sorted(rows[0].outcomes):
        row[arm.key or "nothing"] = 100 * mean(x for one in rows for x in one.outcomes[arm])
    row["router"] = 100 * mean(x for one in rows for x in one.policy)
    return row


def _say(scores: Scores, report: Report, judged: Mapping[str, tuple[float, float, int]], single: bool) -> None:
    """The scores in words, above the table of outcomes (which is not net of costs)."""
    figures = report.figures
    low = "not known from one run" if single else f"{scores.regret_low:.1f}"
    lines = [
        f"utility in points, net of costs: router {scores.policy:.1f}",
        f"  best fixed arm ({scores.fixed_arm}, chosen on other groups) {scores.best_fixed:.1f}; cheapest arm"
        f" {scores.cheapest:.1f}; uniform {scores.uniform:.1f}; its own shares at random {scores.same_shares:.1f};"
        f" its features permuted {scores.permuted:.1f}",
        f"  oracle [{scores.oracle_low:.1f}, {scores.oracle_high:.1f}]; regret {low} to {scores.regret_high:.1f};"
        f" ahead of the best fixed arm {scores.ahead}; harm {figures['harm']:.1f} %",
        f"  probes on {100 * figures['probe_share']:.1f} % of questions; routing takes {figures['extra_ms_p50']:.1f} ms"
        " (p50, without probes)",
        f"  a look at whether the evidence bears on {100 * figures['look_share']:.1f} % of questions"
        f" ({figures['look_ms_p50']:.1f} ms, p50), at a model on {100 * figures['gain_share']:.1f} %",
    ]
    if judged:
        worst = max(judged, key=lambda key: judged[key][0])
        mean = statistics.fmean(ece for ece, _, _ in judged.values())
        lines.append(
            f"  calibration over {len(judged)} arms: ECE {mean:.3f} in the mean, {judged[worst][0]:.3f} at most"
            f" ({worst or 'nothing'})"
        )
    print("\n".join(lines))
