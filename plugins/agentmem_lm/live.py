"""Which edits stand: those whose fact does. Records only; knows no model and no memory."""

from __future__ import annotations

from agentmem.contract import RecordReader
from agentmem.records import Namespace, Record, Status

EDIT = "edit"
_PAST = (Status.SUPERSEDED, Status.RETRACTED, Status.ARCHIVED)


def live_edits(records: RecordReader, namespace: Namespace, as_of: float | None = None) -> tuple[Record, ...]:
    """The live edits in a namespace, in journal order, without those whose fact was superseded or put away.

    An edit follows its fact in this way, and not by a status of its own, so that an undo of what superseded the fact
    brings its edit back too.
    """
    past = {r.id for r in records.find(namespace=namespace, kinds=("fact",), statuses=_PAST, as_of=as_of)}
    found = records.find(namespace=namespace, kinds=(EDIT,), as_of=as_of)
    return tuple(record for record in found if not past.intersection(record.derived_from))
