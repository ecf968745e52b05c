"""Looks through a journal for what a person should know: duplicates, contradictions, stale facts, damage."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from agentmem.journal.engine import reading
from agentmem.journal.journal import Journal
from agentmem.journal.schema import records
from agentmem.records import Namespace, Record, Status


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: kind is "duplicate", "contradiction", "stale", "set aside" or "damage"."""

    kind: str
    text: str
    record_ids: tuple[str, ...] = ()


def audit(journal: Journal, *, now: float, namespace: Namespace = ()) -> list[Finding]:
    """All findings in a namespace, worst first; reads only."""
    return [
        *_damage(journal),
        *_set_aside(journal),
        *_contradictions(journal, namespace),
        *_stale(journal, now, namespace),
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


def _contradictions(journal: Journal, namespace: Namespace) -> list[Finding]:
    said: dict[tuple[Namespace, str, str], list[Record]] = defaultdict(list)
    for record in journal.records.find(namespace=namespace, kinds=("fact", "triple")):
        if record.subject and record.relation and record.object:
            said[(record.namespace, record.subject.casefold(), record.relation.casefold())].append(record)
    out = []
    for (_, subject, relation), group in said.items():
        for i, one in enumerate(group):
            for other in group[i + 1 :]:
                if _casefold(one.object) != _casefold(other.object) and _overlap(one, other):
                    text = f"{subject} / {relation}: '{one.object}' and '{other.object}' hold at the same time"
                    out.append(Finding("contradiction", text, (one.id, other.id)))
    return out


def _casefold(text: str | None) -> str:
    return (text or "").casefold()


def _overlap(one: Record, other: Record) -> bool:
    start = max(one.valid_from or float("-inf"), other.valid_from or float("-inf"))
    end = min(one.valid_to or float("inf"), other.valid_to or float("inf"))
    return start < end


def _stale(journal: Journal, now: float, namespace: Namespace) -> list[Finding]:
    return [
        Finding("stale", f"no longer valid by its own dates, yet active: {record.body[:60]!r}", (record.id,))
        for record in journal.records.find(namespace=namespace)
        if record.valid_to is not None and record.valid_to <= now
    ]


def _duplicates(journal: Journal, namespace: Namespace) -> list[Finding]:
    from agentmem.journal.reader import in_namespace

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
