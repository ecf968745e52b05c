"""Words for people from records and moments, safe for a terminal: no control codes, no markup, one line where asked."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentmem.records import Record

SHORT = 8  # letters of an id that people see
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CITED = re.compile(r"\[(\d{1,3})\](?!\()")


def clean(text: str) -> str:
    """Text that came from outside, without codes that a terminal would obey or that would turn its direction."""
    return _CONTROL.sub("�", text.replace("\r\n", "\n").replace("\t", "    "))


def one_line(text: str, width: int = 72) -> str:
    """The first ``width`` characters with blanks for line ends."""
    line = " ".join(clean(text[: 4 * width]).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def cited_markdown(text: str) -> str:
    """Markdown in which each [n] is a link to ``cite:n``."""
    return _CITED.sub(r"[\\[\1\\]](cite:\1)", clean(text))


def text_of(record: Record) -> str:
    """What a line about a record says; a trace is numbers for programs."""
    return f"how an answer in {record.thread or 'a thread'} came about" if record.kind == "trace" else record.body


def moment(at: float) -> str:
    """Local time to the minute."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M") if at else "—"


def age(at: float, now: float) -> str:
    """How long ago, in its largest unit: ``3 d``."""
    seconds = max(0.0, now - at)
    for size, unit in ((31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def bar(share: float, width: int = 10) -> str:
    """A share between 0 and 1 as a bar of ``width`` cells, in eighths."""
    eighths = round(8 * width * min(1.0, max(0.0, share)))
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return drawn.ljust(width)
