"""Self-Notes on plain text: cut into segments, notes anchored to positions, spliced in and taken out again.

    splice(source, notes) -> text in which each note stands where it was written
    strip(spliced)        -> the source, character for character, and the notes

The fence around notes is chosen so that neither the source nor a note contains it; therefore taking notes out gives
back the source whatever the source is.

Source: Self-Notes (Lanchantin et al., NeurIPS 2023), section 3. Difference: notes are also kept beside the text,
with the span that they derive from, so that a retracted sentence takes its notes along.

This module refuses to know models and records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agentmem.errors import BadInput


@dataclass(frozen=True, order=True)
class Note:
    """A note written after `position` characters of the source; it derives from source[start:end]."""

    position: int
    text: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Fence:
    """What stands around a note; the number makes it one that the text does not contain."""

    number: int = 0

    @property
    def opening(self) -> str:
        return f"⟦{self.number}|"

    @property
    def closing(self) -> str:
        return f"|{self.number}⟧"


@dataclass(frozen=True)
class Spliced:
    """A text with notes in it and the fence that marks them."""

    text: str
    fence: Fence


def segments(text: str) -> Iterator[tuple[int, int]]:
    """The spans of sentences and lines, in order; together they are the whole text.

    A span ends after the white space that follows a full stop, question mark, exclamation mark or line break.
    """
    start = 0
    for match in re.finditer(r"[.!?…]+[\"'”’)\]]*\s+|\n+\s*|$", text):
        if match.end() > start:
            yield start, match.end()
            start = match.end()


def anchor(text: str, start: int, end: int) -> int:
    """Where a note on a segment stands: after its last visible character."""
    return start + len(text[start:end].rstrip())


def fence_for(texts: Sequence[str]) -> Fence:
    """The first fence that occurs in none of the texts."""
    number = 0
    while any(mark in text for text in texts for mark in (Fence(number).opening, Fence(number).closing)):
        number += 1
    return Fence(number)


def splice(source: str, notes: Sequence[Note]) -> Spliced:
    """The source with every note at its position; notes at one position keep their order."""
    wrong = next((note for note in notes if not 0 <= note.position <= len(source)), None)
    if wrong is not None:
        raise BadInput(f"a note stands at {wrong.position}, but the text has {len(source)} characters")
    fence = fence_for([source, *(note.text for note in notes)])
    pieces: list[str] = []
    read = 0
    for note in sorted(notes, key=lambda note: note.position):
        pieces += [source[read : note.position], fence.opening, note.text, fence.closing]
        read = note.position
    return Spliced("".join([*pieces, source[read:]]), fence)


def strip(spliced: Spliced) -> tuple[str, list[Note]]:
    """The source and the notes of a spliced text (their spans are not in the text and come back empty)."""
    pattern = re.escape(spliced.fence.opening) + r"(.*?)" + re.escape(spliced.fence.closing)
    pieces: list[str] = []
    notes: list[Note] = []
    read = length = 0
    for match in re.finditer(pattern, spliced.text, re.DOTALL):
        pieces.append(spliced.text[read : match.start()])
        length += len(pieces[-1])
        notes.append(Note(length, match[1]))
        read = match.end()
    return "".join([*pieces, spliced.text[read:]]), notes


Writer = Callable[[str, Sequence[str]], Sequence[Sequence[str]]]
"""(what was read so far with its notes, the next segments) -> for each segment the notes on it."""


def read(source: str, writer: Writer, batch: int = 1, max_notes: int = 3) -> list[Note]:
    """Reads a text segment by segment, `batch` of them a call, and collects at most `max_notes` notes on each.

    The writer sees the notes that were written before, in their places. Empty notes and repetitions within a
    segment are left out; a note may come again later, for what it says may have become true again.
    """
    spans = list(segments(source))
    notes: list[Note] = []
    for first in range(0, len(spans), batch):
        group = spans[first : first + batch]
        seen = splice(source[: group[0][0]], notes).text
        answers = writer(seen, [source[start:end].strip() for start, end in group])
        if len(answers) != len(group):
            raise BadInput(f"a note writer was given {len(group)} segments and answered for {len(answers)}")
        for (start, end), answer in zip(group, answers, strict=True):
            tidy = dict.fromkeys(" ".join(text.split()) for text in answer)
            texts = [text for text in tidy if text][:max_notes]
            notes += [Note(anchor(source, start, end), text, start, end) for text in texts]
    return notes
