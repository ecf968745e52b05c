"""Notes in the places where they were made, between the words that were being read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from agentmem.panels import Table
from agentmem.records import Namespace

if TYPE_CHECKING:
    from agentmem.home import Home

_NOTES = 500
_AROUND = 40  # letters before the note's place


class SelfNotesPanel:
    """Reads notes and the records that they annotate."""

    title: ClassVar[str] = "self-notes"

    def table(self, home: Home, namespace: Namespace) -> Table:
        reader = home.journal.records
        notes = list(reader.find(namespace=namespace, kinds=("note",), newest_first=True, limit=_NOTES))
        read = reader.get_many([str(note.attributes.get("reads", "")) for note in notes])
        rows = []
        for note in notes:
            record = read.get(str(note.attributes.get("reads", "")))
            place = int(note.attributes.get("position", 0))
            before = "" if record is None else record.body[max(0, place - _AROUND) : place]
            rows.append((f"…{before}" if before else "", str(place), note.body))
        lines = () if rows else ("No notes were made yet.",)
        return Table(("after the words", "place", "note"), tuple(rows), lines)
