"""Calibrates the routing model on a home's own history: which memories found what answers came to cite.

A trace names what each memory found and what the answer cited, by id; nobody has to label anything. What is learnt is
one scale and one shift an arm, over the model that comes along: little history must not teach much.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from agentmem.errors import BadInput
from agentmem.records import Record
from agentmem.routing.arms import Arm
from agentmem.routing.learning import LEAST, Example, platt
from agentmem.routing.model import Line, RoutingModel


def examples_of(traces: Iterable[Record]) -> list[Example]:
    """One example for each turn that cited something, of the arms whose memories were all asked."""
    found = []
    for record in traces:
        try:
            trace = json.loads(record.body)
        except ValueError:
            continue
        example = _example(trace)
        if example is not None:
            found.append(example)
    return found


def _example(trace: Mapping[str, Any]) -> Example | None:
    cited = {str(record_id) for _, record_id in trace.get("outcome", {}).get("cited", ())}
    steps = trace.get("steps", ())
    features = next((s["decision"].get("features") for s in steps if s["event"] == "routed" and "decision" in s), None)
    hits = {s["memory"]: {hit["id"] for hit in s.get("hits", ())} for s in steps if s["event"] == "recalled"}
    if not cited or features is None or len(hits) < 1:
        return None
    outcomes = {Arm((name,)): len(cited & ids) / len(cited) for name, ids in hits.items()}
    if len(hits) > 1:
        outcomes[Arm(tuple(sorted(hits)))] = len(cited & set().union(*hits.values())) / len(cited)
    return Example(str(trace.get("thread", "")), features, outcomes)


def recalibrated(model: RoutingModel, examples: Iterable[Example]) -> tuple[RoutingModel, dict[Arm, int]]:
    """The model with the lines of those arms moved that were tried often enough, and how often each was tried.

    Raises BadInput when there is too little history for any.
    """
    tried: dict[Arm, list[tuple[float, float]]] = {}
    for example in examples:
        for arm, outcome in example.outcomes.items():
            if arm in model.lines:
                tried.setdefault(arm, []).append((model.logit(arm, example.features), outcome))
    lines = dict(model.lines)
    for arm, pairs in tried.items():
        if len(pairs) >= LEAST:
            z, y = (np.array(values) for values in zip(*pairs, strict=True))
            scale, shift = platt(z, y, towards=(1.0, 0.0))
            line = model.lines[arm]
            lines[arm] = Line(tuple(scale * w for w in line.weights), scale * line.bias + shift)
    counts = {arm: len(pairs) for arm, pairs in tried.items()}
    if not any(count >= LEAST for count in counts.values()):
        most = max(counts.values(), default=0)
        raise BadInput(f"{most} answers with citations are too little to learn from; {LEAST} are needed")
    return replace(model, lines=lines, source="this home's own history"), counts
