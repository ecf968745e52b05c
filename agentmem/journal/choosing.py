"""The selects of records, as they stand or as they stood after some change, by whatever they are chosen by.

Each combination of conditions is made once. The names of the conditions that are given are those of their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from agentmem.journal.prepared import Prepared
from agentmem.journal.schema import changes, records, versions
from agentmem.records import Namespace, Status, path_of

_LIVE = records.c.status == Status.ACTIVE.value


def some(name: str) -> sa.BindParameter[Any]:
    """A parameter that takes a list."""
    return sa.bindparam(name, expanding=True)


def scope_of(namespace: Namespace) -> dict[str, str]:
    """Values by which only what lies in a scope is chosen; none for the scope of everything."""
    if not namespace:
        return {}
    path = path_of(namespace)
    return {"scope": path, "scope_end": path[:-1] + "0"}  # "0" follows "/"


def in_namespace(column: sa.ColumnElement[str], namespace: Namespace) -> sa.ColumnElement[bool] | None:
    """The condition that a namespace path lies in a scope; None for the scope of everything."""
    values = scope_of(namespace)
    return sa.and_(column >= values["scope"], column < values["scope_end"]) if values else None


_CONDITIONS: Mapping[str, sa.ColumnElement[bool]] = {
    "scope": records.c.namespace >= sa.bindparam("scope"),
    "scope_end": records.c.namespace < sa.bindparam("scope_end"),
    "kinds": records.c.kind.in_(some("kinds")),
    "thread": records.c.thread == sa.bindparam("thread"),
    "session": records.c.session == sa.bindparam("session"),
    "subject": records.c.subject == sa.bindparam("subject"),
    "after": records.c.created_seq > sa.bindparam("after"),
    "before": records.c.created_seq < sa.bindparam("before"),
}


@cache
def page(given: frozenset[str], *, newest_first: bool, past: bool) -> Prepared:
    """At most ``count`` records of some ``statuses`` in journal order; with ``past`` as they stood after ``seq``."""
    rows, status = _rows(past)
    order = records.c.created_seq.desc() if newest_first else records.c.created_seq
    chosen = rows.where(status.in_(some("statuses")), *_conditions(given))
    return Prepared(chosen.order_by(order).limit(sa.bindparam("count")))


@cache
def by_id(*, past: bool) -> Prepared:
    """The records with these ``ids``."""
    rows, _ = _rows(past)
    return Prepared(rows.where(records.c.id.in_(some("ids"))))


@cache
def counted(given: frozenset[str], *, limited: bool) -> Prepared:
    """How many live records there are, counted up to ``at_most``."""
    chosen = _limited(sa.select(records.c.id), given, limited)
    return Prepared(sa.select(sa.func.count().label("number")).select_from(chosen))


@cache
def counted_by_kind(given: frozenset[str], *, limited: bool) -> Prepared:
    """How many live records there are of each kind, counted up to ``at_most``."""
    chosen = _limited(sa.select(records.c.kind), given, limited)
    return Prepared(sa.select(chosen.c.kind, sa.func.count().label("number")).group_by(chosen.c.kind))


def _limited(query: sa.Select[Any], given: frozenset[str], limited: bool) -> sa.Subquery:
    chosen = query.where(_LIVE, *_conditions(given))
    return (chosen.limit(sa.bindparam("at_most")) if limited else chosen).subquery()


def _conditions(given: frozenset[str]) -> list[sa.ColumnElement[bool]]:
    return [_CONDITIONS[name] for name in sorted(given)]


def _rows(past: bool) -> tuple[sa.Select[Any], sa.ColumnElement[str]]:
    """Records joined with the body that counts, and where they stand: now, or after the change ``seq``."""
    fixed = (records.c.id, records.c.created_seq, records.c.created_at)
    if not past:
        now = sa.select(*fixed, records.c.status, records.c.version_id, records.c.last_at, versions.c.data)
        return now.join(versions, versions.c.id == records.c.version_id), records.c.status
    state = _last_changes()
    then = (
        sa.select(*fixed, state.c.status, state.c.version_id, state.c.last_at, versions.c.data)
        .join(state, state.c.record_id == records.c.id)
        .join(versions, versions.c.id == state.c.version_id)
        .where(records.c.created_seq <= sa.bindparam("seq"))
    )
    return then, state.c.status


def _last_changes() -> sa.Subquery:
    """For every record its state after the change ``seq``."""
    last = (
        sa.select(changes.c.record_id, sa.func.max(changes.c.seq).label("seq"))
        .where(changes.c.seq <= sa.bindparam("seq"))
        .group_by(changes.c.record_id)
        .subquery()
    )
    return (
        sa.select(
            changes.c.record_id,
            changes.c.after_version.label("version_id"),
            changes.c.after_status.label("status"),
            changes.c.at.label("last_at"),
        )
        .join(last, changes.c.seq == last.c.seq)
        .subquery()
    )
