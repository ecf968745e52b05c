"""Asks the extractive answerer for planted facts in other words, and for what was never said.

The facts, questions and unanswerable questions lie beside this file; they are the ones that the answerer's four weights
were fitted on, so their figures are in-sample; ``--data FILE`` takes others of the same form (a JSON object a line with
``fact``, ``asked``, ``unknown``). Everything goes through a real home: written, indexed, routed, fused, quoted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from agentmem.bench.report import Report, bootstrap
from agentmem.errors import BadInput


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agentmem bench answers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", metavar="FILE", help="JSON lines with fact, asked, unknown")
    parser.add_argument("--memories", default="chroma,bm25")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--show", action="store_true", help="print every miss")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    rows = _rows(options.data)

    from agentmem.agent import Agent
    from agentmem.extractive import Extractive

    report = Report("answers", {"n": len(rows), "memories": options.memories, "embedder": options.embedder})
    with (
        tempfile.TemporaryDirectory() as folder,
        Agent.open(folder, memories=options.memories, embedder=options.embedder) as agent,
    ):
        for row in rows:
            agent.remember(row["fact"])
        answerer = Extractive(agent.home.embedder)
        quoted: list[float] = []
        refused: list[float] = []
        ms: list[float] = []
        for row in rows:
            for key, results in (("asked", quoted), ("unknown", refused)):
                started = time.perf_counter()
                answer = answerer.answer(row[key], agent.recall(row[key], k=10, readonly=True))
                ms.append(1000 * (time.perf_counter() - started))
                first = answer.quotes[0].text if answer.confident else ""
                right = first == row["fact"] if key == "asked" else not answer.confident
                results.append(100.0 * right)
                if options.show and not right:
                    print(f"  {key}: {row[key]}\n    → {first or 'nothing'}")
    for name, values in (("quoted", quoted), ("refused", refused)):
        interval = bootstrap(values)
        report.row(figure=name, percent=str(interval), n=len(values))
        report.figure(f"answers.{name}", interval.value)
    report.row(figure="ms p50", percent=f"{sorted(ms)[len(ms) // 2]:.1f}", n=len(ms))
    report.finish(options.json)
    return 0


def _rows(path: str | None) -> list[dict[str, str]]:
    source = Path(path) if path else files("agentmem.bench").joinpath("data", "planted.jsonl")
    try:
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, json.JSONDecodeError) as error:
        raise BadInput(f"{source} cannot be read as JSON lines: {error}") from error
    if not rows or any({"fact", "asked", "unknown"} - set(row) for row in rows):
        raise BadInput(f"{source} needs an object with 'fact', 'asked' and 'unknown' on every line")
    return rows
