"""What an edit costs in bytes, and in seconds on models of well-known shapes: the parts of `agentmem bench editing`
that need no knowledge in the model.

Bytes are counted on real blobs filled with zeros; the models have random weights, so that their edits are computed,
judged and taken back as on real ones, while what they say means nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from agentmem.bench.report import Report
from agentmem.records import EditRequest, Receipt
from agentmem_lm.editing_runs import peak_mb
from agentmem_lm.model import CausalModel

SHAPES_OF = {"demo": None, "8b": (4096, 14336)}
"""(d_model, d_inner); 8b is Llama 3's 8B. The demo model's are read from it."""

REQUEST = EditRequest(
    subject="Velmark",
    prompt="The capital of {} is",
    target="Osterby",
    paraphrases=("The seat of government of {} is",),
    preserve=("The language of {} is", "{} lies in"),
)


def report_bytes(report: Report) -> None:
    """Bytes per edit on disk and when mounted: with one key, and for each further one."""
    from agentmem_lm.provider import open_model

    for shape, sizes in SHAPES_OF.items():
        if sizes is None:
            structure = open_model("demo").structure
            sizes = structure.d_model, structure.d_inner
        for point in entry_points(group="agentmem.memories"):
            if point.name not in ("wise", "memit"):
                continue
            measure = getattr(point.load(), "bytes_of", None)
            if measure is None:
                continue
            for what, value in measure(*sizes, half=shape != "demo").items():
                report.figure(f"bytes.{shape}.{point.name}.{what}", value)
                report.row(what=f"bytes.{shape}.{point.name}.{what}", bytes=value)


def report_shapes(
    report: Report, families: Sequence[str], memories: Sequence[tuple[str, str, dict[str, object]]]
) -> None:
    """Edits, admission and undo on random models: wall seconds and resident memory."""
    from agentmem_lm.shapes import random_model

    for family in families:
        started = time.monotonic()
        model = random_model(family, dtype="bfloat16")
        built = time.monotonic() - started
        for label, memory, settings in memories:
            if memory == "ft":
                continue
            figures = _edit_and_undo(model, memory, {**settings, "layer": len(model.structure) // 2, "steps": 8})
            name = f"shape.{family}.{label}"
            report.row(what=name, build_s=built, **figures)
            for what, value in figures.items():
                report.figure(f"{name}.{what}", value)


def _edit_and_undo(model: CausalModel, memory: str, settings: dict[str, object]) -> dict[str, float]:
    """One edit with admission, whatever its verdict; then one without, so that something is mounted to be undone."""
    out: dict[str, float] = {}
    texts = [REQUEST.prompt.format(REQUEST.subject), "A text about something else"]
    bare = model.logits(texts, base=True)
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.txt"
        lines.write_text("\n".join(f"The town number {i} has {i * 7 % 90} streets and a harbour." for i in range(64)))
        for examine in (True, False):
            section: dict[str, Any] = {memory: {**settings, "background": str(lines), "examine": examine}}
            began = time.monotonic()
            receipt, undo_s, exact, changed = _once(model, memory, Path(folder) / str(examine), section, texts, bare)
            took = time.monotonic() - began
            if examine:
                out["admitted_edit_s"] = took
                out["accepted"] = float(all(verdict.accepted for verdict in receipt.verdicts.values()))
            else:
                out |= {"edit_s": took - undo_s, "undo_s": undo_s, "changed": changed, "undo_exact": exact}
    return {**out, "peak_mb": peak_mb()}


def _once(
    model: CausalModel, memory: str, home: Path, section: dict[str, Any], texts: Sequence[str], bare: Sequence[Any]
) -> tuple[Receipt, float, float, float]:
    """(receipt, seconds of the undo, whether the logits are the base's again, whether the edit changed any)."""
    from agentmem import Agent

    with Agent.open(home, local_model=model, memories=memory, embedder="hash", **section) as agent:
        receipt = agent.edit_many([REQUEST], memory=memory)
        flushed = agent.flush_edits()
        changed = not np.array_equal(model.logits(texts[:1])[0], bare[0])
        began = time.monotonic()
        agent.undo(receipt)
        exact = all(np.array_equal(a, b) for a, b in zip(model.logits(texts), bare, strict=True))
        return flushed[0] if flushed else receipt, time.monotonic() - began, float(exact), float(changed)
