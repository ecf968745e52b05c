"""What a reader makes of a file: its text, its title and where its parts begin. Knows no format and no splitter."""

from __future__ import annotations

from dataclasses import dataclass

from agentmem.errors import BadInput

PROSE = "prose"  # split at sentences
CODE = "code"  # split at lines; short neighbours are joined
ROWS = "rows"  # one line each, joined up to a small size

HEADING_SEPARATOR = " > "

_MAX_TITLE = 160  # characters; titles are repeated before every chunk


class Unreadable(BadInput):
    """A file cannot be read as what it is; the sentence says why. It never stops the other files."""


@dataclass(frozen=True, slots=True)
class Section:
    """A span of the document's text that no chunk may cross the end of.

    ``heading`` is the path of headings above it, ``name`` what itself is called (a function, a class), for the
    chunks after its first when it does not fit one.
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    style: str = PROSE
    name: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a file. Spans of chunks are characters in ``text``, which for text files is the decoded file."""

    text: str
    sections: tuple[Section, ...]
    title: str = ""
    format: str = "text"
    notes: tuple[str, ...] = ()  # what a person should know about the reading, in sentences


def whole(text: str, style: str = PROSE) -> tuple[Section, ...]:
    """The text as one section."""
    return (Section(0, len(text), style=style),)


def one_line(text: str) -> str:
    """A title or heading on one line and of bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TITLE else line[: _MAX_TITLE - 1].rstrip() + "…"


def context_line(title: str, heading: str) -> str:
    """Title and heading path as the journal puts them before the text of a chunk for the indexes."""
    return HEADING_SEPARATOR.join(filter(None, (title, heading)))
