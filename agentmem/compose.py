"""From fused hits to what an answer may rest on: still true, said once, within a token budget.

Recalled text is data. It is shown between fences that nobody can guess, labelled with where it comes from; it is never
put among the instructions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agentmem.contract import RecordReader
from agentmem.models.protocol import estimate_tokens
from agentmem.records import Hit, Record, Source, Status, Trust

_LABEL_TOKENS = 16  # what a record's number, source and date take


@dataclass(frozen=True, slots=True)
class Evidence:
    """What may be shown and quoted: hits best first, their size, and what was left out, in sentences."""

    hits: tuple[Hit, ...] = ()
    tokens: int = 0
    dropped: tuple[str, ...] = ()


def compose(
    hits: Sequence[Hit],
    records: RecordReader,
    *,
    question: str,
    budget_tokens: int,
    limit: int | None = None,
    as_of: float | None = None,
) -> Evidence:
    """Choose from ``hits`` (best first) at most ``limit`` that are still true, say it once, and fit."""
    dropped: list[str] = []
    current = records.get_many([hit.record_id for hit in hits], as_of=as_of)
    parents = records.get_many(sorted({i for r in current.values() for i in _rests_on(r)}))
    kept: list[Hit] = []
    for hit in hits:
        record = current.get(hit.record_id)
        fault = _fault(hit, record, parents, question)
        if fault:
            dropped.append(f"{hit.record_id[:12]}: {fault}")
            continue
        hit = replace(hit, record=record) if record is not None else hit
        twin = next((other for other in kept if _same(hit.record, other.record)), None)
        if twin is not None:
            dropped.append(f"{hit.record_id[:12]}: says the same as {twin.record_id[:12]}")
            continue
        kept.append(hit)
    return _within(_newer_first(kept[:limit]), budget_tokens, dropped)


def _rests_on(record: Record) -> tuple[str, ...]:
    return record.derived_from if record.kind == "turn" else ()


def _fault(hit: Hit, record: Record | None, parents: dict[str, Record], question: str) -> str:
    """Why a hit cannot be shown; empty when it can. Hits that are no records of the journal come from weights."""
    if record is None:
        return ""
    if not record.is_live:
        return f"it is {record.status.value}"
    if record.kind == "turn" and _normal(record.body) == _normal(question):
        return "it is the question itself"
    gone = [p for i in _rests_on(record) if (p := parents.get(i)) is None or not p.is_live]
    if record.trust is Trust.AGENT and gone:
        state = gone[0].status.value if gone[0] is not None else Status.PURGED.value
        return f"an earlier answer that rests on what is {state} now"
    return ""


def _same(one: Record, other: Record) -> bool:
    """Whether two records say the same words, or quote overlapping places of one source."""
    if _normal(one.body) == _normal(other.body):
        return True
    return any(_overlap(a, b) for a in one.sources for b in other.sources)


def _overlap(a: Source, b: Source) -> bool:
    if a.uri != b.uri or a.start is None or a.end is None or b.start is None or b.end is None:
        return False
    shared = min(a.end, b.end) - max(a.start, b.start)
    return shared > 0.5 * max(1, min(a.end - a.start, b.end - b.start))


def _newer_first(hits: Sequence[Hit]) -> list[Hit]:
    """Of live facts about the same subject and relation the newest takes the best place; the others say so."""
    out = list(hits)
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, hit in enumerate(out):
        record = hit.record
        if record.subject and record.relation:
            key = (record.namespace, record.subject.casefold(), record.relation.casefold())
            groups.setdefault(key, []).append(place)
    for places in groups.values():
        ranked = sorted((out[p] for p in places), key=lambda h: (-_since(h.record), -h.record.created_seq))
        if len({_normal(h.record.object or h.record.body) for h in ranked}) < 2:
            continue
        for place, hit in zip(places, ranked, strict=True):
            older = hit is not ranked[0]
            out[place] = replace(hit, why=f"{hit.why}; an older statement".lstrip("; ")) if older else hit
    return out


def _since(record: Record) -> float:
    return record.valid_from if record.valid_from is not None else record.recorded_at


def _within(hits: Sequence[Hit], budget_tokens: int, dropped: list[str]) -> Evidence:
    """The best hits that fit; a first hit that alone is too long is cut."""
    kept: list[Hit] = []
    used = 0
    for hit in hits:
        size = estimate_tokens(hit.record.body) + _LABEL_TOKENS
        if used + size > budget_tokens:
            if kept:
                dropped.append(f"{hit.record_id[:12]}: no room for its {size} tokens")
                continue
            room = max(1, budget_tokens - _LABEL_TOKENS) * 4
            hit = replace(hit, record=replace(hit.record, body=hit.record.body[:room] + " …"))
            size = budget_tokens
        kept.append(hit)
        used += size
    return Evidence(tuple(kept), used, tuple(dropped))


def strongest_at_both_ends(hits: Sequence[Hit]) -> list[tuple[int, Hit]]:
    """(rank from 1, hit): ranks 1, 3, 5, … 6, 4, 2, since models read the middle of a long context least."""
    ranked = list(enumerate(hits, start=1))
    return ranked[::2] + ranked[1::2][::-1]


def fenced(hits: Sequence[Hit], fence: str) -> str:
    """The hits as a model is shown them. ``fence`` is unguessable, so no recalled text can close it."""
    if not hits:
        return ""
    lines = [f"<memory-{fence}>"]
    for rank, hit in strongest_at_both_ends(hits):
        older = "; older" if hit.why.endswith("an older statement") else ""
        lines.append(f"[{rank}] ({source_of(hit.record)}{older}; id {hit.record_id[:12]})\n{hit.record.body}")
    return "\n".join([*lines, f"</memory-{fence}>"])


def source_of(record: Record) -> str:
    """Where a record comes from, in words: its file, who said it, when it was said or became true."""
    place = next((s.uri for s in record.sources), "")
    said = record.speaker or {Trust.USER: "the user", Trust.AGENT: "you, earlier"}.get(record.trust, "")
    when = record.valid_from if record.valid_from is not None else record.recorded_at
    day = datetime.fromtimestamp(when, UTC).date().isoformat() if when and not place else ""
    until = f"until {datetime.fromtimestamp(record.valid_to, UTC).date().isoformat()}" if record.valid_to else ""
    return ", ".join(part for part in (place or said, day, until) if part) or record.kind


def _normal(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()
