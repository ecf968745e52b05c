"""What a view would hold as of an earlier time: the records live then, with the texts they were found by.

For memories that declare AS_OF and answer for the past by an index built on the spot; their own files know the present.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agentmem.contract import RecordReader
from agentmem.journal.feed import indexed_text
from agentmem.records import Change, Namespace, Record

_TURN = "turn"


def changes_as_of(
    records: RecordReader, as_of: float, *, namespace: Namespace = (), kinds: Collection[str], view: str
) -> Iterator[Change]:
    """One change per record that was live at ``as_of`` (transaction time, seconds) and that the view indexes."""
    before: dict[tuple[str | None, str | None, Namespace], Record] = {}  # the last turn of each conversation
    wanted = sorted(kinds)
    for record in records.find(namespace=namespace, kinds=wanted, as_of=as_of):
        neighbour = None
        if record.kind == _TURN and record.thread:
            place = (record.thread, record.session, record.namespace)
            neighbour, before[place] = before.get(place), record
        if record.memories is None or view in record.memories:
            known = None if neighbour is None else {"speaker": neighbour.speaker, "body": neighbour.body}
            yield Change(record.created_seq, record.id, record, indexed_text(record, known))
