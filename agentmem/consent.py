"""Whether the user asked for a change in their own words. Rules over one message; knows no model and no store.

A model that obeys what it reads would carry out instructions that stand in recalled text. So a tool that writes is
offered only when the user's own message asks for its kind of change, and what it writes must rest on that message.
"""

from __future__ import annotations

import re

from agentmem.intent import parse
from agentmem.sentences import content_stems

_WISHES = {
    "remember": r"\b(remember|memori[sz]e|keep in mind|don'?t forget|do not forget|(make|take) a note|note (that|down)"
    r"|save|store|write (this |that |it )?down|for (the )?(future|record)|merk|notier|vergiss nicht|retiens|note que"
    r"|recuerda|anota)",
    "correct": r"\b(correct\w*|fix|change[sd]?|update[sd]?|replace|actually|(that|this|it)('s| is| was) "
    r"(wrong|not right|outdated)|not true|no longer|not any ?more|is now|moved|korrigier\w*|stimmt nicht|corrige\w*"
    r"|falsch)\b",
    "forget": r"(?<!don't )(?<!dont )(?<!not )(?<!never )\b(forget|delete|remove|erase|drop|no longer|not true"
    r"|stop remembering|vergiss (?!nicht)|lösch\w*|oublie|supprime|olvida|borra)\b",
    "undo": r"\b(undo|revert|take (that|this|it) back|roll (it )?back|rückgängig|annule|deshaz)\b",
}


def wishes(text: str) -> frozenset[str]:
    """Names of the writing tools that the user's own message asks for."""
    lowered = text.lower().replace("’", "'")
    found = {name for name, pattern in _WISHES.items() if re.search(pattern, lowered)}
    wish = parse(text).wish.value
    return frozenset(found | ({wish, "remember"} if wish == "correct" else {wish} & set(_WISHES)))


def content_words(text: str) -> set[str]:
    """Stems of the words that carry meaning."""
    return set(content_stems(text))


def grounded(claim: str, said: str, share: float = 0.6) -> bool:
    """Whether at least ``share`` of the claim's content words were said by the user."""
    words = content_words(claim)
    return bool(words) and len(words & content_words(said)) >= share * len(words)


def touches(claim: str, said: str) -> bool:
    """Whether the user's message speaks of what the claim is about: one content word in common."""
    return bool(content_words(claim) & content_words(said))
