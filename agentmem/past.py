"""What a view would hold as of an earlier time: the records live then, with the texts they were found by.

For memories that declare AS_OF and answer for the past by an index built on the spot; their own files know the present.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agentmem.contract import RecordReader
from agentmem.journal.feed import TURNS_AFTER, TURNS_BEFORE, indexed_text
from agentmem.records import Change, Namespace, Record

_TURN = "turn"


def changes_as_of(
    records: RecordReader, as_of: float, *, namespace: Namespace = (), kinds: Collection[str], view: str
) -> Iterator[Change]:
    """One change per record that was live at ``as_of`` (transaction time, seconds) and that the view indexes."""
    found = list(records.find(namespace=namespace, kinds=sorted(kinds), as_of=as_of))
    talks: dict[tuple[str | None, str | None, Namespace], list[Record]] = {}
    for record in found:
        if record.kind == _TURN and record.thread:
            talks.setdefault((record.thread, record.session, record.namespace), []).append(record)
    places = {turn.id: (talk, place) for talk in talks.values() for place, turn in enumerate(talk)}
    for record in found:
        if record.memories is None or view in record.memories:
            talk, place = places.get(record.id, ([], 0))
            before = [_said(turn) for turn in talk[max(0, place - TURNS_BEFORE) : place]]
            after = [_said(turn) for turn in talk[place + 1 : place + 1 + TURNS_AFTER]]
            yield Change(record.created_seq, record.id, record, indexed_text(record, before, after))


def _said(turn: Record) -> dict[str, str | None]:
    return {"speaker": turn.speaker, "body": turn.body}
