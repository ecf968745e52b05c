"""What a turn did, as one record: routes, recalls, tools, times, costs. Exported as JSON or OpenTelemetry spans.

A trace names records by id and quotes none of them; it derives from what the turn used, so a purge takes it along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentmem.events import (
    Composed,
    Event,
    MemoryAsked,
    ModelCalled,
    Notice,
    PendingApproval,
    Recalled,
    Routed,
    ToolCalled,
    ToolReturned,
    Written,
    name_of,
)
from agentmem.records import Hit

KIND = "trace"
_TOLD = "(what a model knows by itself: told, not kept)"


def trace_of(turn: Mapping[str, Any], log: Sequence[Event], outcome: Mapping[str, Any]) -> dict[str, Any]:
    """The trace of a turn as JSON values: {id, thread, model, at, …, outcome, steps: [{event, at, …}]}."""
    steps = [{"event": name_of(event), "at": event.at, **told} for event in log if (told := _step(event)) is not None]
    kept = {key: turn[key] for key in ("id", "thread", "session", "speaker", "namespace", "model")}
    return {**kept, "at": log[0].at if log else 0.0, "outcome": dict(outcome), "steps": steps}


def trace_body(trace: Mapping[str, Any]) -> str:
    return json.dumps(trace, ensure_ascii=False, sort_keys=True)


def _hits(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    return [{"id": h.record_id, "score": round(h.score, 6), "memory": h.memory} for h in hits]


def _step(event: Event) -> dict[str, Any] | None:
    """What a trace keeps of an event; None for what it leaves out (tokens, beginnings, ends)."""
    match event:
        case Routed():
            return {
                "memories": list(event.memories),
                "reason": event.reason,
                "kind": event.kind,
                "skipped": dict(event.skipped),
                "ms": event.ms,
                **({"abstain": event.abstain} if event.abstain else {}),
                **({"decision": dict(event.decision)} if event.decision else {}),
            }
        case MemoryAsked():
            return {"memory": event.memory, "k": event.k}
        case Recalled():
            fields: dict[str, Any] = {"memory": event.memory, "hits": _hits(event.hits[:10]), "ms": event.ms}
            fields |= {"signals": {k: float(v) for k, v in event.signals.items()}} if event.signals else {}
            fields |= {"abstain": event.abstain} if event.abstain else {}
            return fields | ({"error": event.error} if event.error else {})
        case Composed():
            return {"hits": _hits(event.hits), "tokens": event.tokens, "dropped": list(event.dropped), "ms": event.ms}
        case ModelCalled():
            cost = {"tokens_in": event.cost.tokens_in, "tokens_out": event.cost.tokens_out, "money": event.cost.money}
            return {"model": event.model, **cost, "ms": event.ms, "error": event.error}
        case ToolCalled():
            return {"name": event.name, "call": event.call_id}
        case ToolReturned():
            return {"name": event.name, "call": event.call_id, "ok": event.ok, "ms": event.ms}
        case Written():
            return {"receipt": event.receipt.id, "verb": event.receipt.verb, "what": event.what}
        case PendingApproval():
            return {"change": event.change_id}
        case Notice():
            return {"level": event.level, "text": event.text if event.kept else _TOLD}
    return None


def to_opentelemetry(trace: Mapping[str, Any]) -> None:
    """Hand the trace to OpenTelemetry's global tracer as one span for the turn and one for each timed step.

    Only called when ``trace.opentelemetry = true`` is set; which exporter takes the spans is configured outside.
    Raises Missing when the package is not installed.
    """
    try:
        from opentelemetry import trace as otel
    except ImportError as error:
        from agentmem.errors import Missing

        raise Missing("trace.opentelemetry is set but the package opentelemetry-api is not installed") from error
    tracer = otel.get_tracer("agentmem")
    outcome = trace["outcome"]
    span = tracer.start_span("agentmem.turn", start_time=_ns(trace["at"]), attributes=_flat(trace, outcome))
    inside = otel.set_span_in_context(span)
    for step in trace["steps"]:
        ms = float(step.get("ms") or 0.0)
        end = _ns(step["at"])
        child = tracer.start_span(
            f"agentmem.{step['event']}", inside, start_time=end - int(ms * 1e6), attributes=_flat(step)
        )
        child.end(end)
    span.end(_ns(trace["at"] + float(outcome.get("seconds", 0.0))))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _flat(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as OpenTelemetry takes them: plain values; lists and tables as JSON."""
    out: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if key in ("steps", "outcome", "at") or value is None:
                continue
            plain = isinstance(value, str | bool | int | float)
            out[f"agentmem.{key}"] = value if plain else json.dumps(value, ensure_ascii=False)
    return out
