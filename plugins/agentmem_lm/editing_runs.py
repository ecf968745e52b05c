"""One run of the editing benchmark: edits through the journal as a person would make them, then everything asked.

Knows the demo world's cases and the memories' names, no method. What is measured comes back as numbers; who prints
them is `bench_editing`.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmem_lm.demo.draws import Draws
from agentmem_lm.editing_cases import Asked, Case, says_answer
from agentmem_lm.model import CausalModel

_WATCHED = 16  # prompts whose logits are compared bit for bit
Logits = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Plan:
    """What is edited and asked: ``probes`` and ``world``, every fact of it, are those that the base answers right."""

    cases: Sequence[Case]
    probes: Sequence[Asked]
    order: str
    seed: int
    world: Sequence[Asked] = ()


@dataclass
class Measured:
    """``answers`` to the plan's probes; ``costs`` by name (CPU seconds an edit, MB, counts)."""

    answers: list[str] = field(default_factory=list)
    accepted: int = 0
    undo_exact: bool = False
    redo_exact: bool = True
    costs: dict[str, float] = field(default_factory=dict)
    world_changed: tuple[int, int] | None = None  # (facts that changed and should not have, facts asked)


def known(model: CausalModel, prompts: Sequence[Asked]) -> list[Asked]:
    """Those that the base answers right: an edit cannot be blamed for the others."""
    said = model.generate([one.prompt for one in prompts], max_new_tokens=12, base=True)
    return [one for one, text in zip(prompts, said, strict=True) if says_answer(text, one.before)]


def run_memory(model: CausalModel, memory: str, settings: Mapping[str, object], plan: Plan) -> Measured:
    """Edits by a memory, scored, then taken back: half of them in a drawn order, put on again, then all."""
    from agentmem import Agent

    out = Measured()
    watched = _watched(plan)
    bare = model.logits(watched, base=True)
    sections: dict[str, Any] = {memory: dict(settings)} if settings else {}
    with (
        tempfile.TemporaryDirectory() as home,
        Agent.open(home, local_model=model, memories=memory, embedder="hash", **sections) as agent,
    ):
        held: Any = agent.home.views[memory].memory
        started = time.process_time()
        held.prepare()  # once a model, not once an edit
        prepared = time.process_time() - started
        groups = [[case] for case in plan.cases] if plan.order == "sequence" else [list(plan.cases)]
        receipts = []
        started, wall = time.process_time(), time.monotonic()
        for group in groups:
            receipts.append(agent.edit_many([case.request for case in group], memory=memory))
            agent.flush_edits()
        spent, took = time.process_time() - started, time.monotonic() - wall
        started = time.process_time()
        model.generate(watched[:1], max_new_tokens=1)  # what is trained or solved at the first use
        mounting = time.process_time() - started
        out.accepted = len(held.live(()))
        out.costs = {
            "cpu_s_per_edit": held.spent_s["compute"] / len(plan.cases),
            "admission_cpu_s": held.spent_s["examine"] / len(plan.cases),
            "all_cpu_s": spent / len(plan.cases),
            "wall_s": took / len(plan.cases),
            "mount_cpu_s": mounting,
            "prepare_cpu_s": prepared,
            "peak_mb": peak_mb(),
            "blob_bytes": _blob_bytes(agent, held) / max(1, out.accepted),
        }
        _ask(model, plan, out)
        if plan.order == "sequence":
            _take_back(agent, model, plan, [receipt.id for receipt in receipts], watched, out)
        else:
            for receipt in receipts:
                agent.undo(receipt)
        out.undo_exact = _same(bare, model.logits(watched)) and out.redo_exact
    return out


def run_fine_tuning(model: CausalModel, layer: int, plan: Plan) -> Measured:
    """The baseline: plain fine-tuning in place, with no journal; the original is put back at the end."""
    from agentmem_lm.editing_baseline import fine_tune, keep
    from agentmem_lm.requests import wish_of

    out = Measured(accepted=len(plan.cases))
    watched = _watched(plan)
    bare, put_back = model.logits(watched, base=True), keep(model, layer)
    wishes = [wish_of(case.request, lambda text: len(model.encode_end(text))) for case in plan.cases]
    started, wall = time.process_time(), time.monotonic()
    for group in [[wish] for wish in wishes] if plan.order == "sequence" else [wishes]:
        fine_tune(model, layer, group)
    count = len(wishes)
    out.costs = {
        "cpu_s_per_edit": (time.process_time() - started) / count,
        "wall_s": (time.monotonic() - wall) / count,
        "peak_mb": peak_mb(),
    }
    _ask(model, plan, out)
    put_back()
    out.undo_exact = _same(bare, model.logits(watched))
    return out


def _ask(model: CausalModel, plan: Plan, out: Measured) -> None:
    out.answers = model.generate([one.prompt for one in plan.probes], max_new_tokens=12)
    if plan.world:
        edited = {case.prompt for case in plan.cases}
        asked = [one for one in plan.world if one.prompt not in edited]
        said = model.generate([one.prompt for one in asked], max_new_tokens=12)
        changed = sum(not says_answer(text, one.after) for one, text in zip(asked, said, strict=True))
        out.world_changed = (changed, len(asked))


def _take_back(
    agent: Any, model: CausalModel, plan: Plan, receipts: Sequence[str], watched: Sequence[str], out: Measured
) -> None:
    """Undo a drawn half, put it on again in another order and compare; then undo all in a drawn order."""
    draws = Draws(plan.seed + 2)
    with_all = model.logits(watched)
    half = draws.sample(list(range(len(receipts))), len(receipts) // 2)
    undone = {index: agent.undo(receipts[index]).id for index in half}
    started = time.process_time()
    model.logits(watched[:1])
    out.costs["after_undo_cpu_s"] = time.process_time() - started
    for index in draws.shuffled(half):
        agent.undo(undone[index])
    out.redo_exact = _same(with_all, model.logits(watched))
    for index in draws.shuffled(list(range(len(receipts)))):
        agent.undo(receipts[index])


def _watched(plan: Plan) -> list[str]:
    """Prompts of every score, the edited ones among them."""
    return [one.prompt for one in plan.probes[:: max(1, len(plan.probes) // _WATCHED)]]


def _blob_bytes(agent: Any, held: Any) -> float:
    """Bytes on disk of all live edits."""
    digests = {digest for record in held.live(()) for digest in record.blobs.values()}
    return float(sum(len(agent.home.journal.blobs.read(digest)) for digest in digests))


def peak_mb() -> float:
    """The most memory that this process has held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _same(one: Logits, other: Logits) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
