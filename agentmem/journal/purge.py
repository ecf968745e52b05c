"""The logical half of a purge: redact every trace of some records in the log, and note down the physical half.

The physical half (views, vectors, blobs, checkpoints, free pages) is a job that is finished on the next open if the
process dies in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from agentmem.errors import NotFound
from agentmem.journal.codec import dumps
from agentmem.journal.schema import (
    blob_refs,
    changes,
    derivations,
    jobs,
    records,
    set_aside,
    touches,
    transactions,
    versions,
)
from agentmem.journal.transaction import Transaction

_MANY = 400


@dataclass(frozen=True, slots=True)
class PurgeJob:
    """What has to be erased physically: record ids, their version ids, blobs nothing else uses, threads."""

    id: str
    record_ids: tuple[str, ...]
    version_ids: tuple[int, ...]
    blobs: tuple[str, ...]
    threads: tuple[str, ...]


def closure(connection: sa.Connection, record_ids: Iterable[str]) -> list[str]:
    """The records and all that was ever derived from them, undone and retracted derivations included."""
    found = dict.fromkeys(record_ids)
    todo = list(found)
    while todo:
        part, todo = todo[:_MANY], todo[_MANY:]
        query = sa.select(derivations.c.child).where(derivations.c.parent.in_(part)).order_by(derivations.c.child)
        for child in connection.execute(query).scalars():
            if child not in found:
                found[child] = None
                todo.append(child)
    return list(found)


def source_ids(connection: sa.Connection, record_ids: Sequence[str]) -> list[str]:
    """What these records were derived from, directly or not: the fact stands verbatim in the turn it came from."""
    found: dict[str, None] = {}
    todo = list(record_ids)
    while todo:
        part, todo = todo[:_MANY], todo[_MANY:]
        query = sa.select(derivations.c.parent).where(derivations.c.child.in_(part)).order_by(derivations.c.parent)
        for parent in connection.execute(query).scalars():
            if parent not in found and parent not in record_ids:
                found[parent] = None
                todo.append(parent)
    return list(found)


def redact(tx: Transaction, record_ids: Sequence[str]) -> PurgeJob:
    """Empty every version and change of these records, log a purge for each, and write down the job."""
    ids = list(dict.fromkeys(record_ids))
    for record_id in ids:
        if tx.row(record_id) is None:
            raise NotFound(f"no record '{record_id}'; 'agentmem records' lists them")
    version_ids: list[int] = []
    blobs: set[str] = set()
    threads: set[str] = set()
    receipts: set[str] = set()
    for start in range(0, len(ids), _MANY):
        part = ids[start : start + _MANY]
        of_record = versions.c.record_id.in_(part)
        own = list(tx.connection.execute(sa.select(versions.c.id).where(of_record)).scalars())
        version_ids += own
        blobs |= set(
            tx.connection.execute(sa.select(blob_refs.c.digest).where(blob_refs.c.version_id.in_(own))).scalars()
        )
        threads |= set(tx.connection.execute(sa.select(records.c.thread).where(records.c.id.in_(part))).scalars())
        receipts |= set(tx.connection.execute(sa.select(changes.c.tx).where(changes.c.record_id.in_(part))).scalars())
        tx.connection.execute(versions.update().where(of_record).values(data=None))
        tx.connection.execute(blob_refs.delete().where(blob_refs.c.version_id.in_(own)))
        tx.connection.execute(
            changes.update().where(changes.c.record_id.in_(part)).values(reason="", cause=None, redacted=True)
        )
        tx.connection.execute(touches.delete().where(touches.c.record_id.in_(part)))
        tx.connection.execute(set_aside.update().where(set_aside.c.record_id.in_(part)).values(error="(purged)"))
    for start in range(0, len(found := sorted(receipts)), _MANY):
        # people quote the secret in the reason they give
        tx.connection.execute(
            transactions.update().where(transactions.c.id.in_(found[start : start + _MANY])).values(reason="")
        )
    blobs -= _still_used(tx.connection, blobs)
    for record_id in ids:
        tx.purge_row(record_id)
    job = PurgeJob(tx.id, tuple(ids), tuple(sorted(version_ids)), tuple(sorted(blobs)), tuple(sorted(threads - {""})))
    payload = dumps([job.record_ids, job.version_ids, job.blobs, job.threads])
    tx.connection.execute(jobs.insert().values(id=job.id, kind="purge", payload=payload, at=tx.at))
    return job


def open_jobs(connection: sa.Connection) -> list[PurgeJob]:
    """Purges whose physical half is not confirmed yet."""
    rows = connection.execute(sa.select(jobs).where(jobs.c.kind == "purge").order_by(jobs.c.at, jobs.c.id))
    return [PurgeJob(row.id, *(tuple(part) for part in json.loads(row.payload))) for row in rows]


def close_job(connection: sa.Connection, job_id: str) -> None:
    connection.execute(jobs.delete().where(jobs.c.id == job_id))


def _still_used(connection: sa.Connection, digests: Iterable[str]) -> set[str]:
    wanted = sorted(digests)
    if not wanted:
        return set()
    return set(connection.execute(sa.select(blob_refs.c.digest).where(blob_refs.c.digest.in_(wanted))).scalars())
