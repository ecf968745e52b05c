"""Whether a date in a sentence lies ahead of it or behind: "on Monday" is another day in "I have" than in "I had".

The verb before the date decides, else the first after it; English verbs, no model.
"""

from __future__ import annotations

import re

_PARTICIPLE = r"(?: (?:not|being|now|\w+ing|\w+ed|\w+en)\b)*"
_VERB = re.compile(
    rf"(?P<now>(?:\b(?:is|are|am|will|shall|can|must|should|would|going to|about to)\b|['’](?:m|re|ll)\b){_PARTICIPLE})"
    r"|(?P<past>\b(?:was|were|did|had|been|went|came|saw|met|got|took|made|said|told|left|bought|ate|ran|won|lost|found|"
    r"gave|sold|flew|drove|wrote|began|broke|fell|felt|heard|kept|knew|paid|sent|slept|spent|spoke|swam|taught|thought|"
    r"woke|wore|became|brought|built|caught|chose|drank|forgot|grew|held|hid|led|rode|rose|sang|sat|shot|stood|stole|"
    r"understood|(?!(?:n|f|s|sp|ind|exc|proc|succ|bl|br|w)eed\b|hundred\b|sacred\b|naked\b)\w{2,}ed)\b)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;]\s")
_TOWARDS = re.compile(r"\b(?:to|for|until|till|by)\s+(?:the\s+)?$", re.IGNORECASE)
_SINCE = re.compile(r"\bsince\s+(?:the\s+)?$", re.IGNORECASE)


def lies_ahead(text: str, start: int, end: int) -> bool:
    """Whether the date that stands at ``text[start:end]`` is one to come for whoever said it; without a verb it is."""
    before = _SENTENCE_END.split(text[:start])[-1]
    if _TOWARDS.search(before) or _TOWARDS.match(text[start:end].partition(" ")[0] + " "):
        return True  # "was moved to Friday"
    if _SINCE.search(before):
        return False
    earlier = list(_VERB.finditer(before))
    verb = earlier[-1] if earlier else _VERB.search(_SENTENCE_END.split(text[end:])[0])
    return verb is None or verb.lastgroup == "now"
