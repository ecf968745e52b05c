"""From fused hits to what an answer may rest on: still true, said once, within a token budget.

Recalled text is data. It is shown between fences that nobody can guess, labelled with where it comes from; it is never
put among the instructions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from agentmem.believing import OVER, Dispute, day_of, disputes, is_summary, since_of
from agentmem.claims import pieces
from agentmem.contract import RecordReader
from agentmem.models.protocol import estimate_tokens
from agentmem.records import Hit, Record, Source, Status, Trust
from agentmem.sentences import sentences

_OLDER, _AGAINST = "an older statement", "contradicted by id "
_LABEL_TOKENS = 16  # what a record's number, source and date take


@dataclass(frozen=True, slots=True)
class Evidence:
    """What may be shown and quoted: hits best first, their size, what was left out (in sentences), what disagrees."""

    hits: tuple[Hit, ...] = ()
    tokens: int = 0
    dropped: tuple[str, ...] = ()
    disputes: tuple[Dispute, ...] = ()


def compose(
    hits: Sequence[Hit],
    records: RecordReader,
    *,
    question: str,
    budget_tokens: int,
    limit: int | None = None,
    as_of: float | None = None,
    now: float | None = None,
    over: Mapping[str, frozenset[str]] | None = None,
) -> Evidence:
    """Choose from ``hits`` (best first) at most ``limit`` that are still true, say it once, and fit.

    ``now`` (seconds) tells whose time is over; by default nobody's is. ``over`` names sentences of records that no
    longer hold: they are not quoted. What contradicts a chosen hit comes along.
    """
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
        ended = (over or {}).get(hit.record_id)
        if ended and set(pieces(hit.record.body)) <= ended:
            dropped.append(f"{hit.record_id[:12]}: what it says no longer holds")
            continue
        if ended:
            hit = replace(hit, record=_without(hit.record, ended))
        twin = next((other for other in kept if _same(hit.record, other.record)), None)
        if twin is not None:
            dropped.append(f"{hit.record_id[:12]}: says the same as {twin.record_id[:12]}")
            continue
        kept.append(hit)
    chosen, found = _believed(kept, limit, float("-inf") if now is None else now)
    return replace(_within(chosen, budget_tokens, dropped), disputes=tuple(found))


def _without(record: Record, ended: frozenset[str]) -> Record:
    """The record with its sentences that no longer hold marked; a summary loses them, what was said stays whole."""
    marked = replace(record, attributes={**record.attributes, OVER: sorted(ended)})
    if not is_summary(record):
        return marked
    return replace(marked, body=" ".join(s for s in sentences(record.body) if s not in ended))


def _rests_on(record: Record) -> tuple[str, ...]:
    return record.derived_from if record.kind == "turn" or is_summary(record) else ()


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
        return f"{'a summary' if is_summary(record) else 'an earlier answer'} that rests on what is {state} now"
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


def _believed(hits: Sequence[Hit], limit: int | None, now: float) -> tuple[list[Hit], list[Dispute]]:
    """The first ``limit`` hits, what is believed before what it contradicts, and the other side of every dispute."""
    found = disputes([hit.record for hit in hits], now)
    by_id = {hit.record_id: hit for hit in hits}
    order = list(by_id)
    for dispute in found:
        holds, lost = dispute.holds.record.id, dispute.lost.record.id
        if order.index(holds) > order.index(lost):
            order.remove(holds)
            order.insert(order.index(lost), holds)
    shown = set(order[:limit])
    told = [d for d in found if {d.holds.record.id, d.lost.record.id} & shown]
    shown |= {s.record.id for d in told for s in (d.holds, d.lost)}
    lost_to = {d.lost.record.id: d for d in told}
    return [_marked(by_id[i], lost_to.get(i)) for i in order if i in shown], told


def _marked(hit: Hit, dispute: Dispute | None) -> Hit:
    if dispute is None:
        return hit
    note = _OLDER if dispute.is_change else f"{_AGAINST}{dispute.holds.record.id[:12]}"
    return replace(hit, why=f"{hit.why}; {note}".removeprefix("; "))


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
        note = hit.why.rpartition("; ")[2]
        not_so = "; older" if note == _OLDER else f"; {note}" if note.startswith(_AGAINST) else ""
        lines.append(f"[{rank}] ({source_of(hit.record)}{not_so}; id {hit.record_id[:12]})\n{hit.record.body}")
    return "\n".join([*lines, f"</memory-{fence}>"])


def source_of(record: Record) -> str:
    """Where a record comes from, in words: its file, who said it, when it was said or became true."""
    if is_summary(record):
        return f"a summary of the conversation of {record.attributes.get('title') or day_of(since_of(record))}"
    place = next((s.uri for s in record.sources), "")
    said = record.speaker or {Trust.USER: "the user", Trust.AGENT: "you, earlier"}.get(record.trust, "")
    when = record.valid_from if record.valid_from is not None else record.recorded_at
    day = datetime.fromtimestamp(when, UTC).date().isoformat() if when and not place else ""
    until = f"until {datetime.fromtimestamp(record.valid_to, UTC).date().isoformat()}" if record.valid_to else ""
    return ", ".join(part for part in (place or said, day, until) if part) or record.kind


@lru_cache(maxsize=1024)  # each is compared with every other
def _normal(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()
