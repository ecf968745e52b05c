"""A thread of conversation as plain data: what was said, with what an answer cites, and why. Knows no widget."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentmem.records import Record

USER = "user"
AGENT = "assistant"
NOTICE = "notice"  # of the chat itself: results of commands, errors, what was taken back


@dataclass
class Entry:
    """One message. ``taken_back`` says why it no longer counts; ``level`` colours a notice."""

    role: str
    text: str
    turn: str = ""
    record_id: str = ""
    at: float = 0.0
    stopped: str = ""
    taken_back: str = ""
    level: str = "note"
    receipt: str = ""  # of a change that this notice tells of: what its button takes back
    why: Why | None = None  # of an answer of this session; older ones are read when they are asked for


@dataclass(frozen=True)
class WhyHit:
    """One record that was shown to the model."""

    record_id: str
    memory: str
    score: float
    number: int | None = None  # [n] when the answer cites it
    record: Record | None = None  # None when it was purged
    now: str = ""  # what became of it since
    path: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Why:
    """How an answer came about: the route, what each memory brought, what was used, and at what cost."""

    turn: str
    model: str = ""
    reason: str = ""
    asked: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    recalls: tuple[Mapping[str, Any], ...] = ()
    hits: tuple[WhyHit, ...] = ()
    dropped: tuple[str, ...] = ()
    steps: tuple[tuple[str, float], ...] = ()  # name, milliseconds
    notices: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0
    seconds: float = 0.0
    stopped: str = ""

    def hit(self, number: int) -> WhyHit | None:
        return next((hit for hit in self.hits if hit.number == number), None)


def part_id(turn: str, part: str) -> str:
    """The id of the record that a turn wrote: "said", "answer" or "trace"."""
    return uuid.uuid5(uuid.UUID(turn), part).hex


def why_of(trace: Mapping[str, Any], records: Mapping[str, Record], notes: Mapping[str, str] | None = None) -> Why:
    """A trace (as `agentmem.trace.trace_of` makes it) with the records that it names."""
    outcome = trace.get("outcome", {})
    steps = trace.get("steps", [])
    cited = {record_id: int(number) for number, record_id in outcome.get("cited", ())}
    routed: Mapping[str, Any] = next((s for s in steps if s["event"] == "routed"), {})
    composed: Mapping[str, Any] = next((s for s in reversed(steps) if s["event"] == "composed"), {})
    hits = []
    for hit in composed.get("hits", ()):
        record = records.get(hit["id"])
        hits.append(
            WhyHit(
                hit["id"],
                hit["memory"],
                float(hit["score"]),
                cited.get(hit["id"]),
                record,
                (notes or {}).get(hit["id"], "" if record is None else _now(record)),
            )
        )
    asked = tuple(routed.get("memories", ()))
    steps = sorted(steps, key=lambda step: _place(step, asked))  # memories answer in any order; they are told as asked
    timed = [(_step_name(s), float(s.get("ms") or 0.0)) for s in steps if s.get("ms")]
    return Why(
        turn=str(trace.get("id", "")),
        model=str(trace.get("model", "")),
        reason=str(routed.get("reason", "")),
        asked=asked,
        skipped=dict(routed.get("skipped", {})),
        recalls=tuple(s for s in steps if s["event"] == "recalled"),
        hits=tuple(sorted(hits, key=lambda h: (h.number is None, h.number or 0, -h.score))),
        dropped=tuple(str(d) for d in composed.get("dropped", ())),
        steps=tuple(timed),
        notices=tuple(str(s.get("text", "")) for s in steps if s["event"] == "notice"),
        tokens_in=int(outcome.get("tokens_in", 0)) or int(composed.get("tokens", 0)),
        tokens_out=int(outcome.get("tokens_out", 0)),
        money=float(outcome.get("money", 0.0)),
        seconds=float(outcome.get("seconds", 0.0)),
        stopped=str(outcome.get("stopped", "")),
    )


def record_ids_of(trace: Mapping[str, Any]) -> list[str]:
    """Every record that a trace names as evidence."""
    composed = [s for s in trace.get("steps", ()) if s["event"] == "composed"]
    return [hit["id"] for step in composed for hit in step.get("hits", ())]


def _step_name(step: Mapping[str, Any]) -> str:
    name = {"routed": "route", "recalled": "recall", "composed": "compose", "model_called": "model"}
    what = step.get("memory") or (step.get("name") if step["event"] == "tool_returned" else "") or ""
    return f"{name.get(step['event'], 'tool' if what else step['event'])} {what}".strip()


def _place(step: Mapping[str, Any], asked: tuple[str, ...]) -> tuple[int, int]:
    """Where a step is told: routing, memories as they were asked, then the rest as it came."""
    name = step.get("memory")
    if step["event"] == "recalled":
        return 1, asked.index(name) if name in asked else len(asked)
    return (0 if step["event"] == "routed" else 2), 0


def _now(record: Record) -> str:
    if not record.is_live:
        return record.status.value
    return f"now version {record.version}" if record.version > 1 else ""
