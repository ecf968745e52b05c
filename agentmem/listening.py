"""Reading a text that arrives in pieces: memories that pause while reading note at each sentence what follows from it.

A transcript, a long reply, a file over a slow line: nothing waits for its end. When it ends (or its reader stops) the
text becomes one record and the notes records that derive from it, anchored to their places; undoing it takes both
back. Memories that do not pause observe the record as always.

It refuses to know what a note is about and who writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from agentmem.contract import Capability
from agentmem.deadline import Call, Overdue
from agentmem.home import Home
from agentmem.records import Draft, Event, Source

_SEGMENT_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|\n+\s*")


@dataclass(frozen=True)
class Heard:
    """One segment of the text and the notes that were written on it, oldest memory first."""

    text: str
    notes: tuple[Draft, ...]


def listen(home: Home, pieces: Iterable[str], draft: Draft, *, actor: str, timeout_s: float = 30.0) -> Iterator[Heard]:
    """Yield the segments as they are complete; write the text and its notes down at the end.

    ``draft`` says what the record will be (kind, namespace, speaker …); its body is replaced. A memory that raises or
    takes longer than ``timeout_s`` seconds over a segment is told of and left out of the rest.
    """
    pausing = [view for view in home.views.usable() if Capability.SEGMENT in type(view.memory).capabilities]
    writers = {view.name: view.memory for view in pausing if not view.is_hanging} if home.settings.observe else {}
    notes: dict[str, list[Draft]] = {name: [] for name in writers}
    text = ""

    def noted(segment: str) -> Heard:
        nonlocal text
        text += segment
        here: list[Draft] = []
        for name in list(writers):
            try:
                found = Call(partial(writers[name].segment, text), f"segment-{name}").result(timeout_s)
            except Overdue:
                home.emit("fault", {"memory": name, "error": f"segment took longer than {timeout_s:g} s"})
                del writers[name]
                continue
            except Exception as error:  # the core's call into a plugin
                home.emit("fault", {"memory": name, "error": f"{type(error).__name__}: {error}"})
                del writers[name]
                continue
            notes[name] += found
            here += found
        return Heard(segment, tuple(here))

    try:
        for segment in _segments(pieces):
            yield noted(segment)
    finally:
        if text.strip():
            _keep(home, replace(draft, body=text), notes, actor)


def _segments(pieces: Iterable[str]) -> Iterator[str]:
    """Sentences and lines with the white space after them; together they are the whole text."""
    waiting = ""
    for piece in pieces:
        waiting += piece
        # The last match may still grow (a full stop, then more white space): it waits for what comes after it.
        ends = [match.end() for match in _SEGMENT_END.finditer(waiting) if match.end() < len(waiting)]
        start = 0
        for end in ends:
            yield waiting[start:end]
            start = end
        waiting = waiting[start:]
    if waiting:
        yield waiting


def _keep(home: Home, draft: Draft, notes: dict[str, list[Draft]], actor: str) -> None:
    receipt = home.write([draft], verb="listen", actor=actor)
    record_id = receipt.record_id
    for name, written in notes.items():
        anchored = [
            replace(
                note,
                namespace=draft.namespace,
                thread=draft.thread,
                session=draft.session,
                derived_from=(record_id,),
                sources=(Source(f"record:{record_id}", note.attributes.get("start"), note.attributes.get("end")),),
                attributes={**note.attributes, "reads": record_id},
            )
            for note in written
        ]
        if anchored:
            home.propose(name, anchored)
    records = tuple(home.journal.records.get_many([record_id]).values())
    home.observe(Event(kind=draft.kind, records=records, namespace=draft.namespace), skip=set(notes))
