"""Taking a transaction back by appending its inverse, or saying what stands in the way.

A transaction may be undone when every record it touched still stands as it left it, and nothing that a person stated
or corrected was derived from what it created. What memories derived by themselves goes along silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from agentmem.errors import Conflict, NotFound, Refused
from agentmem.journal.codec import dumps
from agentmem.journal.schema import changes, derivations, records, transactions
from agentmem.journal.transaction import PERSON, State, Transaction, in_parts
from agentmem.records import Status

GROUP = "group:"
"""Transactions whose cause begins so belong together and are undone together."""

LEARN = "learn"
"""The verb of what a turn did to the known facts; the turn is its cause."""

_NOT_YET = (Status.ABSENT.value, Status.PENDING.value)
"""What a record stood at before it counted: what was derived from it since goes along when it is set back."""

_GONE = (Status.ABSENT.value, Status.PURGED.value)


def undo(tx: Transaction, receipt_id: str, *, cascade: bool = False) -> None:
    """Append to ``tx`` what takes the transaction ``receipt_id`` back: one net change per record.

    Raises NotFound, Refused (a purge) or Conflict (later changes; ``cascade=True`` takes those back too).
    """
    taken = _collect(tx, receipt_id, cascade=cascade)
    first: dict[str, sa.Row[Any]] = {}
    for change in sorted(taken, key=lambda c: -int(c.seq)):
        first[change.record_id] = change
    order = sorted(first.values(), key=lambda change: -int(change.seq))
    rows = tx.rows(list(first))
    moves = []
    for change in order:
        row, target = rows[change.record_id], _before(change)
        if State(row.version_id, row.status) != target:
            moves.append((row, target, None))
    tx.move_many(moves, op="undo")
    drop_derived(tx, [c.record_id for c in order if _before(c).status in _NOT_YET], "undo")
    reworded = {c.record_id: int(c.seq) for c in order if _before(c).version_id != c.after_version}
    drop_derived(tx, list(reworded), "undo", after=reworded, besides=first)


def drop_derived(
    tx: Transaction,
    record_ids: Sequence[str],
    op: str,
    *,
    after: Mapping[str, int] | None = None,
    besides: Iterable[str] = (),
) -> None:
    """Take along what memories derived from records that are no longer live (and what they derived from that).

    With ``after`` only what was derived later than that change of its parent goes: the parent is as it was before.
    Records of ``besides`` stay.
    """
    status = Status.RETRACTED.value if op == "retract" else Status.ABSENT.value
    seen = {*record_ids, *besides}
    parents = list(record_ids)
    late = after or {}
    while parents:
        children: dict[str, tuple[sa.Row[Any], str]] = {}
        for parent, child in _children(tx, parents):
            is_of_it = child.created_seq > late.get(parent, -1)
            if is_of_it and child.id not in seen and child.status not in (*_GONE, status):
                children.setdefault(child.id, (child, parent))
        seen |= children.keys()
        kept = _stated_by_person(tx, list(children))
        moves = [
            (child, State(child.version_id, status), parent)
            for child, parent in children.values()
            if child.id not in kept
        ]
        tx.move_many(moves, op=op)
        parents = [child.id for child, _, _ in moves]


def _stated_by_person(tx: Transaction, record_ids: Sequence[str]) -> set[str]:
    """Those of the records that a person wrote, corrected or approved, rather than a memory deriving them."""
    query = (
        sa.select(changes.c.record_id)
        .join(transactions, transactions.c.id == changes.c.tx)
        .where(changes.c.op.in_(("add", "correct", "approve")), transactions.c.actor == PERSON)
    )
    found: set[str] = set()
    for part in in_parts(record_ids):
        found |= set(tx.connection.execute(query.where(changes.c.record_id.in_(part))).scalars())
    return found


def _collect(tx: Transaction, receipt_id: str, *, cascade: bool) -> list[sa.Row[Any]]:
    """The changes to take back; with ``cascade`` those of later transactions that stand in the way as well."""
    todo = _group(tx, receipt_id)
    seen = set(todo)
    taken: list[sa.Row[Any]] = []
    blocking: dict[str, str] = {}
    while todo:
        own = _changes_of(tx, todo.pop())
        if any(c.redacted or c.op == "purge" for c in own):
            raise Refused(
                "a purge cannot be undone, nor a change of a record that was purged since: nothing is kept of it"
            )
        taken += own
        for later, why in _in_the_way(tx, own):
            if later not in seen:
                blocking.setdefault(later, why)
                if cascade:
                    seen.add(later)
                    todo.append(later)
    if blocking and not cascade:
        names = sorted(blocking)
        raise Conflict(
            f"{receipt_id} cannot be undone alone: {'; '.join(blocking[i] for i in names[:3])}"
            f"{' …' if len(names) > 3 else ''}; undo {', '.join(names[:3])} first, or give cascade=True to take "
            "everything later back too",
            names,
        )
    return taken


def _in_the_way(tx: Transaction, own: Sequence[sa.Row[Any]]) -> list[tuple[str, str]]:
    """(transaction, sentence) for each later transaction that must go before this one's changes can."""
    out: list[tuple[str, str]] = []
    last = {c.record_id: c for c in own}
    rows = tx.rows(list(last))
    for record_id, change in last.items():
        row = rows[record_id]
        if not _same(tx, State(row.version_id, row.status), State(change.after_version, change.after_status)):
            query = sa.select(changes.c.tx, changes.c.op).where(
                changes.c.record_id == record_id, changes.c.seq > change.seq, changes.c.tx != change.tx
            )
            out += [(r.tx, f"record {record_id[:12]} changed later ({r.op})") for r in tx.connection.execute(query)]
    created = {c.record_id for c in own if _before(c).status in _GONE}
    made = [i for i in created if last[i].after_status not in _GONE]
    live = [child.id for _, child in _children(tx, made) if child.status not in _GONE]
    for child_id in sorted(_stated_by_person(tx, live)):
        query = sa.select(changes.c.tx).where(changes.c.record_id == child_id).order_by(changes.c.seq).limit(1)
        receipt = tx.connection.execute(query).scalar_one()
        if receipt != own[0].tx:
            out.append((receipt, f"record {child_id[:12]}, which a person stated, derives from it"))
    return out


def _same(tx: Transaction, one: State, other: State) -> bool:
    """Whether two states hold the same content; a body restored by another undo counts as the same."""
    if one.status != other.status or one.version_id == other.version_id:
        return one == other
    if one.version_id is None or other.version_id is None:
        return False
    left, right = tx.data(one.version_id), tx.data(other.version_id)
    left.pop("version", None)
    right.pop("version", None)
    return dumps(left) == dumps(right)


def _before(change: sa.Row[Any]) -> State:
    if change.before_status is None:
        return State(change.after_version, Status.ABSENT.value)
    return State(change.before_version, change.before_status)


def _group(tx: Transaction, receipt_id: str) -> list[str]:
    """The transaction, with all others of its group (an ingestion is one transaction a file), newest last.

    What was learnt from a turn goes with it: a fact that it took the place of stands again.
    """
    cause = tx.connection.execute(sa.select(transactions.c.cause).where(transactions.c.id == receipt_id)).scalar()
    if cause is None or not cause.startswith(GROUP):
        written = sa.select(changes.c.record_id).where(changes.c.tx == receipt_id, changes.c.op == "add")
        learnt = sa.select(transactions.c.id).where(transactions.c.verb == LEARN, transactions.c.cause.in_(written))
        return [receipt_id, *tx.connection.execute(learnt.order_by(transactions.c.first_seq)).scalars()]
    query = sa.select(transactions.c.id).where(transactions.c.cause == cause)
    return list(tx.connection.execute(query.order_by(transactions.c.first_seq)).scalars())


def _changes_of(tx: Transaction, receipt_id: str) -> list[sa.Row[Any]]:
    found = list(tx.connection.execute(sa.select(changes).where(changes.c.tx == receipt_id).order_by(changes.c.seq)))
    if not found:
        raise NotFound(f"no receipt '{receipt_id}'; 'agentmem history' lists the last ones")
    return found


def _children(tx: Transaction, parents: Sequence[str]) -> list[tuple[str, sa.Row[Any]]]:
    """(parent, row) of everything that was ever derived from these, in journal order."""
    query = sa.select(derivations.c.parent, records).join(records, derivations.c.child == records.c.id)
    out = []
    for part in in_parts(parents):
        found = tx.connection.execute(query.where(derivations.c.parent.in_(part)).order_by(records.c.created_seq))
        out += [(row.parent, row) for row in found]
    return out
