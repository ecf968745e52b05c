"""Makes one ranking of what several memories answered: calibrated scores, weighted, without two hits of one source.

Scores of different memories have no common scale, so each memory's are stretched between its best and its worst hit
(min-max; of the logarithm for scores that are probabilities of a walk); a rank would forget by how much the best is
better. How much a memory is to be trusted depends on what it ranks, and each says so itself. Knows no memory by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from agentmem.contract import Calibration
from agentmem.lifting import Lift, named_turns
from agentmem.records import Hit, Recall, Record, Source

_UNDECLARED = Calibration()
_FAVOUR = 0.1  # of the best score; LoCoMo recall@10 76.2 -> 76.8, multi-hop 39.2 -> 41.0 (0.05: 76.9, 40.4)
_LIFT = 0.3  # of a summary's score; see `agentmem.lifting`
_SAME_PLACE = 0.8  # share of a span that lies in a better hit's span, from which the two say the same


@dataclass(slots=True)
class _Fused:
    hit: Hit
    score: float
    parts: list[tuple[str, float]]
    note: str = ""


def fuse(
    recalls: Iterable[Recall],
    *,
    k: int,
    calibrations: Mapping[str, Calibration] = MappingProxyType({}),
    favour: Callable[[Record], bool] | None = None,
    lift: Lift | None = None,
) -> list[Hit]:
    """At most ``k`` hits of all recalls, best first, scores from 0 to 1; failed and abstaining memories are left out.

    A hit's score is the mean of its levels in the memories that answered, weighted by how much each is trusted with
    records of its kind; a memory that did not bring it counts as level 0. A memory may ask for less than its
    weight with the signal ``trust`` (0 to 1). ``favour``: records that are lifted a little. ``lift``: a summary that
    names turns is no hit, and lifts those.
    """
    answered = [recall for recall in recalls if recall.hits and recall.error is None]
    trusted = [calibrations.get(recall.memory, _UNDECLARED) for recall in answered]
    found: dict[str, _Fused] = {}
    shares = [recall.signals.get("trust", 1.0) for recall in answered]
    totals: dict[str, float] = {}  # by kind; what all memories that answered are trusted with together
    for recall, calibration, trust in zip(answered, trusted, shares, strict=True):
        scores = [math.log(max(h.score, 1e-9)) if calibration.logarithmic else h.score for h in recall.hits]
        for hit, level in zip(recall.hits, min_max(scores), strict=True):
            kind = hit.record.kind
            if kind not in totals:
                totals[kind] = max(sum(c.of(kind) * t for c, t in zip(trusted, shares, strict=True)), 1e-9)
            share = calibration.of(kind) * trust / totals[kind]
            entry = found.setdefault(hit.record.id, _Fused(hit, 0.0, []))
            entry.score += share * level
            entry.parts.append((recall.memory or hit.memory, share * level))
    favoured = {i for i, entry in found.items() if favour is not None and favour(entry.hit.record)}
    if favoured:
        for record_id, entry in found.items():
            entry.score = (entry.score + _FAVOUR * (record_id in favoured)) / (1 + _FAVOUR)
    if lift is not None:
        _lift(found, lift)
    ranked = sorted(found.values(), key=lambda f: (-round(f.score, 6), f.hit.record.id))
    out: list[Hit] = []
    for entry in ranked:
        if len(out) >= k:
            break
        if not entry.hit.record.sources or not any(same_source(entry.hit, other) for other in out):
            out.append(_told(entry))
    return out


def _lift(found: dict[str, _Fused], lift: Lift) -> None:
    """Take the summaries that name turns out; those gain by its score, what no summary covers by its own."""
    gains: dict[str, float] = {}
    for record_id, entry in list(found.items()):
        named = named_turns(entry.hit.record)
        if named is not None:
            del found[record_id]
            gains |= {turn: max(entry.score, gains.get(turn, 0.0)) for turn in named}
    if not gains:
        return
    for record_id, entry in found.items():
        covered = lift.covers(entry.hit.record)
        gain = gains.get(record_id, 0.0) if covered else entry.score
        entry.note = f"named in a summary {_LIFT * gain:.2f}" if covered and gain else ""
        entry.score = (entry.score + _LIFT * gain) / (1 + _LIFT)


def min_max(scores: Sequence[float]) -> list[float]:
    """Scores stretched to 0…1; all 1 when they are equal."""
    low, high = min(scores), max(scores)
    if high - low < 1e-12:
        return [1.0] * len(scores)
    return [(score - low) / (high - low) for score in scores]


def same_source(one: Hit, other: Hit) -> bool:
    """Whether both records quote the same place: the same file and, where spans are known, (nearly) the same span."""
    return any(_covers(a, b) for a in one.record.sources for b in other.record.sources)


def _covers(one: Source, other: Source) -> bool:
    if one.uri != other.uri or one.start is None or one.end is None or other.start is None or other.end is None:
        return False  # two records of one file without spans may be any two parts of it
    shared = min(one.end, other.end) - max(one.start, other.start)
    shorter = min(one.end - one.start, other.end - other.start)
    return shorter > 0 and shared >= _SAME_PLACE * shorter


def _told(entry: _Fused) -> Hit:
    parts = sorted(entry.parts, key=lambda part: -part[1])
    why = "; ".join([*(f"{memory} {value:.2f}" for memory, value in parts), *([entry.note] if entry.note else [])])
    hit = entry.hit
    return Hit(hit.record, round(entry.score, 6), why, hit.path, "+".join(memory for memory, _ in parts))
