"""What two questions are compared by: their texts, or what is left without names and numbers. Texts in, numbers out."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z]\w+\b")
_FIRST = re.compile(r"(^|[.!?]\s+)([A-Z]\w+)(?='s\b| (?:has|had|is|was|buys|bought|gives|gave|wants|sells|sold)\b)")


def hidden(text: str) -> str:
    """The text with names as ``N`` and numbers as ``0``, so that a problem is found again with other people in it."""
    text = _FIRST.sub(r"\1N", text)
    return _NUMBER.sub("0", _NAME.sub("N", text))


def edits(one: str, other: str, most: int) -> int:
    """Levenshtein distance, or ``most`` + 1 as soon as it is certain to be larger."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
        if min(row) > most:
            return most + 1
    return row[-1]
