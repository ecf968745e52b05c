"""Whether what was recalled can support an answer at all: does any of it name what the question names?

A cheap check by words. It never says that evidence suffices, only when it cannot.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from agentmem.records import Hit, Recall
from agentmem.routing.features import names_in

_LOOKED_AT = 10
_ENDING = 2  # letters that may differ at the end of a name: cases, plurals, slips


def missing_names(text: str, recalls: Sequence[Recall]) -> list[str]:
    """The names in a question when not one of them occurs in what was recalled; empty when any does."""
    names = names_in(text)
    if not names:
        return []
    seen = [_folded(_text(hit)) for recall in recalls for hit in recall.hits[:_LOOKED_AT]]
    return [] if any(names_it(name, seen) for name in names) else names


def names_it(name: str, texts: Iterable[str]) -> bool:
    """Whether one of the folded texts holds the name: all its words, the last letters of a long word aside."""
    words = [word[: max(4, len(word) - _ENDING)] for word in _folded(name).split()]
    return any(all(word in text for word in words) for text in texts)


def _text(hit: Hit) -> str:
    record = hit.record
    title = record.attributes.get("title")
    parts = (record.body, record.speaker, record.subject, record.object, title if isinstance(title, str) else None)
    return " ".join(part for part in parts if part)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold()
