"""The call grammar of RET-LLM: ``MEM_WRITE(a>>r>>b)`` and ``MEM_READ(a>>r>>)``; what does not parse is nothing.

Also reads triples out of plain sentences by a few patterns, for when there is no model. Text in, triples out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WRITE = re.compile(r"MEM_WRITE\(\s*([^<>()\n]+?)\s*>>\s*([^<>()\n]+?)\s*>>\s*([^<>()\n]+?)\s*\)")
_READ = re.compile(r"MEM_READ\(\s*([^<>()\n]*?)\s*>>\s*([^<>()\n]*?)\s*>>\s*([^<>()\n]*?)\s*\)")
_VERBS = r"lives in|works at|works as|moved to|is married to|likes|dislikes|keeps|owns|was born in"
_STATED = re.compile(rf"\b([A-Z]\w*(?: [A-Z]\w*)*) (no longer |does not )?({_VERBS}) ([^.,;!?\n]+)")
_LONGEST = 200


class Triple(NamedTuple):
    """⟨t1, relation, t2⟩; an empty part of a pattern is open."""

    subject: str
    relation: str
    object: str


def writes(reply: str) -> list[Triple]:
    """The triples of a reply, each once."""
    found = (Triple(*match.groups()) for match in _WRITE.finditer(reply))
    return list(dict.fromkeys(t for t in found if max(map(len, t)) <= _LONGEST))


def reads(text: str) -> Triple | None:
    """The pattern of a question, when it is written as a call with one or two parts filled."""
    match = _READ.search(text)
    pattern = Triple(*match.groups()) if match else None
    return pattern if pattern is not None and 1 <= sum(map(bool, pattern)) <= 2 else None


def stated(text: str) -> list[tuple[Triple, bool]]:
    """Triples that plain sentences state, with whether they deny it ("no longer lives in")."""
    return [(Triple(m[1], m[3], m[4].strip()), bool(m[2])) for m in _STATED.finditer(text)]
