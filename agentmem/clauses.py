"""Cuts a sentence into clauses, and says what a clause is about that begins with "she" or "it". English; no model."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SUBJECT = r"(?:i|we|he|she|it|they|my|our|his|her|its|their)\b"
_JOINT = re.compile(rf"(?:;|,? (?:and|but)) (?:(?:now|then|also) )?|, (?={_SUBJECT})", re.IGNORECASE)
_OF_ANOTHER = re.compile(
    r"\b(?:says?|said|thinks?|thought|believes?|hopes?|heard|told|asks?|asked|if|when|because|unless|according|between)\b",
    re.IGNORECASE,
)
_WHO = re.compile(r"^(?:he|she|it|they)(?:['’](?P<short>s|re|ve|ll|d))?\b(?P<rest>\s.+)$", re.IGNORECASE | re.DOTALL)
_WHOSE = re.compile(r"^(?:his|her|its|their)\b(?P<rest>\s.+)$", re.IGNORECASE | re.DOTALL)
_LONG = {"s": " is", "re": " are", "ve": " have", "ll": " will", "d": " would"}


def clauses(sentence: str) -> Iterator[tuple[str, str, bool]]:
    """Where a sentence may be cut in two: the first clause, all that follows, and whether a word joins them.

    Before a mere comma there may stand less than a clause ("starting next month, our office …").
    """
    end = sentence[len(sentence.rstrip(".!… ")) :].strip() or "."
    for joint in _JOINT.finditer(sentence):
        left, right = sentence[: joint.start()].strip(), sentence[joint.end() :].strip()
        if len(left.split()) > 1 and len(right.split()) > 1 and not _OF_ANOTHER.search(left):
            yield f"{left}{end}", right, not joint.group().startswith(", ") or len(joint.group()) > 2


def pointed_back(text: str, referent: str | None) -> str:
    """The text with a first "she" or "its" replaced by what it stands for; "" when it has none or that is unknown."""
    if referent is None:
        return ""
    if found := _WHO.match(text):
        said = f"{referent}{_LONG.get((found['short'] or '').lower(), '')}{found['rest']}"
    elif found := _WHOSE.match(text):
        said = f"{referent}'s{found['rest']}"
    else:
        return ""
    return said[:1].upper() + said[1:]
