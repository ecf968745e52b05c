"""Looks through a journal for what a person should know: duplicates, contradictions, stale facts, damage."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from agentmem.believing import disputes, outdated_edits
from agentmem.journal.engine import reading
from agentmem.journal.journal import Journal
from agentmem.journal.schema import records
from agentmem.records import Namespace, Record, Status
from agentmem.summaries import MADE

OUTDATED_EDIT = "outdated edit"
_TURNS = 200  # turns whose refusals are told


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: "damage", "set aside", "outdated edit", "contradiction", "stale", "refused" or "duplicate"."""

    kind: str
    text: str
    record_ids: tuple[str, ...] = ()


def audit(journal: Journal, *, now: float, namespace: Namespace = ()) -> list[Finding]:
    """All findings in a namespace, worst first; reads only."""
    return [
        *_damage(journal),
        *_set_aside(journal),
        *_contradictions(journal, now, namespace),
        *_stale(journal, now, namespace),
        *_refused(journal, namespace),
        *_duplicates(journal, namespace),
    ]


def _damage(journal: Journal) -> list[Finding]:
    out = []
    folded, table = journal.fold(), journal.table()
    wrong = sorted(i for i in folded.keys() | table.keys() if folded.get(i) != table.get(i))
    if wrong:
        text = f"{len(wrong)} record(s) do not stand as the log says; restore a backup"
        out.append(Finding("damage", text, tuple(wrong[:20])))
    missing = sorted(journal.used_blobs() - journal.blobs.digests())
    if missing:
        out.append(Finding("damage", f"{len(missing)} blob(s) are missing; the edits that use them cannot be mounted"))
    return out


def _set_aside(journal: Journal) -> list[Finding]:
    return [
        Finding("set aside", f"memory '{row.view}' could not apply change {row.seq}: {row.error}", (row.record_id,))
        for row in journal.put_aside_rows()
    ]


def _contradictions(journal: Journal, now: float, namespace: Namespace) -> list[Finding]:
    """Facts that cannot hold at the same time, and edits of weights that a newer or better text contradicts."""
    facts = list(journal.records.find(namespace=namespace, kinds=("fact", "triple")))
    edits = {dispute.lost.key for dispute in outdated_edits(facts, now)}
    out = []
    for dispute in disputes(facts, now):
        holds, lost = dispute.holds, dispute.lost
        ids = (lost.record.id, holds.record.id)
        if lost.key in edits:
            text = f"weights say '{lost.claim.said}', which lost to '{holds.claim.said}': {dispute.reason}"
            out.append(Finding(OUTDATED_EDIT, f"{text}; retract the edit, or edit again", ids))
        elif _overlap(lost.record, holds.record):
            values = f"'{lost.claim.value}' and '{holds.claim.value}' hold at the same time"
            text = f"{lost.claim.subject} / {lost.claim.relation}: {values}; the latter is believed ({dispute.reason})"
            out.append(Finding("contradiction", text, ids))
    return out


def _overlap(one: Record, other: Record) -> bool:
    start = max(one.valid_from or float("-inf"), other.valid_from or float("-inf"))
    end = min(one.valid_to or float("inf"), other.valid_to or float("inf"))
    return start < end


def _stale(journal: Journal, now: float, namespace: Namespace) -> list[Finding]:
    return [
        Finding("stale", f"no longer valid by its own dates, yet active: {record.body[:60]!r}", (record.id,))
        for record in journal.records.find(namespace=namespace)
        if record.valid_to is not None and record.valid_to <= now and record.recorded_at < record.valid_to
    ]


def _refused(journal: Journal, namespace: Namespace) -> list[Finding]:
    """What the last turns said that was not kept as a fact or in a summary, and why; the turns themselves are."""
    out = []
    for trace in journal.records.find(namespace=namespace, kinds=("trace",), newest_first=True, limit=_TURNS):
        for refused in trace.attributes.get("refused", ()):
            of = refused["of"]
            where = "in a summary" if MADE in trace.attributes else "as a fact"
            text = f"not kept {where}: {refused['reason']}" + (f" (record {of[:12]})" if of else "")
            said = trace.derived_from[:1]
            out.append(Finding("refused", text, (*said, *((of,) if of else ()))))
    return out


def _duplicates(journal: Journal, namespace: Namespace) -> list[Finding]:
    from agentmem.journal.choosing import in_namespace

    scope = in_namespace(records.c.namespace, namespace)
    live = records.c.status == Status.ACTIVE.value
    condition = live if scope is None else sa.and_(live, scope)
    # a turn may well be said twice; what is stated or taken from a document should stand once
    told = records.c.kind.in_(("fact", "chunk", "note", "triple", "insight"))
    query = (
        sa.select(records.c.digest, records.c.namespace, sa.func.count())
        .where(condition, told)
        .group_by(records.c.digest, records.c.namespace)
        .having(sa.func.count() > 1)
    )
    out = []
    with reading(journal.engine) as connection:
        for digest, path, number in connection.execute(query):
            same = sa.select(records.c.id).where(live, told, records.c.digest == digest, records.c.namespace == path)
            ids = tuple(connection.execute(same.order_by(records.c.created_seq)).scalars())
            out.append((number, ids))
    texts = journal.records.get_many([ids[0] for _, ids in out])
    return [Finding("duplicate", f"{n} records say {texts[ids[0]].body[:60]!r}", ids) for n, ids in out]
