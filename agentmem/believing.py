"""Which of several statements about one thing holds, and which others there are: by the journal, not by their rank.

A statement that holds now beats one whose time is over; what the user says beats a tool or a document; of equals the
newer one holds. What lost is never silent: it comes along as a `Dispute`, in words for the answer. Superseded and
retracted records are not live and never come here. Knows records and claims, no store, no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agentmem.claims import Claim, claims_of, contradict, folded_value
from agentmem.dates import begins, ends
from agentmem.records import Record, Trust
from agentmem.sentences import sentences

OVER = "over"
"""Attribute of a shown record: its sentences that no longer hold, so that none of them speaks."""

SUMMARY = "summary"
"""The kind of what a model made of a session's turns."""
_RANK = {Trust.USER: 3, Trust.TOOL: 1, Trust.DOCUMENT: 1, Trust.AGENT: 0}
_ECHO = "assistant"  # what the agent answered rests on other records and states nothing of its own


@dataclass(frozen=True, slots=True)
class Statement:
    """One claim of one live record."""

    record: Record
    claim: Claim

    @property
    def since(self) -> float:
        """When it began to hold as far as is known: world time, else when it was written down."""
        at = since_of(self.record)
        said = begins(self.claim, at)
        return at if said is None else said

    @property
    def until(self) -> float | None:
        """When it ceases to hold, if that is written down or said in its own words."""
        return ends(self.claim, since_of(self.record)) if self.record.valid_to is None else self.record.valid_to

    def holds_at(self, now: float) -> bool:
        """Whether it has begun and is not over; before all time (``-inf``) everything holds."""
        begun = now == float("-inf") or self.since <= now
        return begun and (self.until is None or self.until > now)

    @property
    def key(self) -> tuple[str, str]:
        """Where it stands: the record's id and the sentence."""
        return self.record.id, self.claim.sentence


@dataclass(frozen=True, slots=True)
class Dispute:
    """Two statements that cannot both hold: ``holds`` is believed, ``lost`` is not, for the ``reason``.

    ``ended`` is when what lost ceased to hold, in seconds: other things may have held between the two.
    """

    holds: Statement
    lost: Statement
    reason: str
    ended: float

    @property
    def is_change(self) -> bool:
        """Whether the one that lost did hold once, and is not just another's word."""
        return self.reason in (NEWER, ENDED) and self.holds.record.trust is self.lost.record.trust is Trust.USER

    @property
    def sentence(self) -> str:
        """What a person is told, in one sentence."""
        value = self.lost.claim.value
        if self.reason == AHEAD and self.lost.record.trust is Trust.USER:
            return f"from {day_of(self.lost.since)}: {value}"
        if self.is_change and not self.lost.claim.over:
            return f"until {day_of(self.ended)}: {value}"
        return f'{speaker_of(self.lost.record)} says otherwise: "{self.lost.claim.said}"'


NEWER, ENDED, TRUSTED = "it is newer", "the other's time is over", "it comes from the user"
AHEAD = "the other is yet to come"


def since_of(record: Record) -> float:
    """World time when it is known, else the time of writing (seconds)."""
    return record.valid_from if record.valid_from is not None else record.recorded_at


def day_of(at: float) -> str:
    """A time as people write it: 2 March 2024."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"


def speaker_of(record: Record) -> str:
    """Who says so: the file, the person, the agent's weights."""
    if record.sources:
        return record.sources[0].uri
    if record.attributes.get("parametric"):
        return "the edited model"
    return record.speaker or {Trust.USER: "an earlier statement", Trust.TOOL: "a tool"}.get(record.trust, "a document")


def statements(records: Iterable[Record]) -> list[Statement]:
    """What live records claim; the agent's own answers claim nothing, nor do summaries of what claims it."""
    found: list[Statement] = []
    for record in records:
        if not record.is_live or record.attributes.get("role") == _ECHO or is_summary(record):
            continue
        over = record.attributes.get(OVER, ())
        found += [Statement(record, claim) for claim in claims_of_record(record) if claim.sentence not in over]
    return found


def is_summary(record: Record) -> bool:
    """Whether a record sums up others, which are what there is to believe or not."""
    return record.kind == SUMMARY and bool(record.derived_from)


def claims_of_record(record: Record) -> tuple[Claim, ...]:
    """The claims in a record's words, or the subject, relation and object that it was written with."""
    read = claims_of(record.body, record.speaker or "user")
    if not (record.subject and record.relation and record.object):
        return read
    said = (sentences(record.body) or [record.body])[0]
    return (*read, Claim(folded_value(record.subject), record.relation.casefold(), record.object, said, said=said))


def disputes(records: Iterable[Record], now: float) -> list[Dispute]:
    """Every statement that loses against another one of these records, with the best of those that beat it."""
    groups: dict[tuple[object, ...], list[Statement]] = {}
    for statement in statements(records):
        groups.setdefault((statement.record.namespace, statement.claim.subject), []).append(statement)
    out: list[Dispute] = []
    for group in groups.values():
        ranked = sorted(group, key=lambda s: _rank(s, now), reverse=True)
        for place, lost in enumerate(ranked):
            better = next((s for s in ranked[:place] if _apart(s, lost)), None)
            if better is not None and all(d.lost.key != lost.key for d in out):
                out.append(Dispute(better, lost, _reason(better, lost, now), _ended(lost, better, group)))
    return out


def _rank(statement: Statement, now: float) -> tuple[object, ...]:
    record = statement.record
    return (statement.holds_at(now), _RANK[record.trust], statement.since, record.created_seq, record.id)


def _ended(lost: Statement, better: Statement, group: Sequence[Statement]) -> float:
    """When a statement ceased to hold: at its own end, or when the user first said otherwise."""
    later = [s.since for s in group if s.since > lost.since and s.record.trust is Trust.USER and _apart(s, lost)]
    return min([*later, *([lost.until] if lost.until is not None else [])], default=better.since)


def _apart(one: Statement, other: Statement) -> bool:
    if one.record.id == other.record.id or not contradict(one.claim, other.claim):
        return False
    # what ends something said before it; a fact that is newer than its end was said to be over stands again
    return not (one.claim.over and one.since < other.since)


def _reason(holds: Statement, lost: Statement, now: float) -> str:
    if holds.holds_at(now) and not lost.holds_at(now):
        return ENDED if lost.since <= now else AHEAD
    if _RANK[holds.record.trust] != _RANK[lost.record.trust]:
        return TRUSTED
    return NEWER


def outdated_edits(facts: Sequence[Record], now: float) -> list[Dispute]:
    """Facts that were put into weights and that a newer or more trusted text contradicts; ``lost`` is the edit's."""
    edited = {record.id for record in facts if record.attributes.get("edit")}
    return [d for d in disputes(facts, now) if d.lost.record.id in edited and d.holds.record.id not in edited]
