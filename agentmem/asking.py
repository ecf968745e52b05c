"""What a question asks for, as a claim without its value: "Where do I live?" asks for the home of whoever asks.

A statement in other words than the question's ("I moved to Ulm") answers it if it claims something in that respect.
Words alone, English; no model, no store.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agentmem.claims import Claim, claim_of, same_matter
from agentmem.dates import dates_in

_SOME = {"where": "Somewhere", "who": "Somebody", "when": "Monday", "how much": "7", "how many": "7"}
_TIMES = ("when", "what time", "what day", "since when", "which day")
_WORD = r"(?P<word>where|who|whom|when|since when|what time|what day|which day|how much|how many|what|which)"
_FORMS = (
    (rf"^{_WORD}(?: \w+)? (?:do|does|did) (?P<sub>.+?) (?:live|reside)$", "{sub} lives in {val}"),
    (rf"^{_WORD}(?: \w+)? (?:do|does|did) (?P<sub>.+?) work(?: for)?$", "{sub} works for {val}"),
    (
        rf"^{_WORD}(?: \w+)? (?:do|does|did|will) (?P<sub>.+?) "
        r"(?P<verb>cost|weigh|open|close|start|begin|end|depart|leave|arrive)$",
        "{sub} {verb}s at {val}",
    ),
    (rf"^{_WORD} (?:is|are|was|were|will) (?P<sub>.+?)(?: located| called| be)*$", "{sub} is {at}{val}"),
)
_BESIDE = re.compile(
    r"^(?:and|so|but|ok|hey|please|tell me|do you know),? "
    r"|(?: (?:now|before|currently|today|previously|again|any ?more|at the moment|these days|in|on|at))+$",
    re.IGNORECASE,
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), form) for pattern, form in _FORMS)


@lru_cache(maxsize=512)
def asked_for(question: str, speaker: str = "user") -> Claim | None:
    """The claim that would answer a question, with a stand-in for its value; None when the question tells no matter."""
    text = question
    for dated in dates_in(question, 0.0):
        text = text.replace(dated.text, "")
    text = _BESIDE.sub("", " ".join(text.split()).rstrip("?!. "))
    for pattern, form in _COMPILED:
        if found := pattern.match(text):
            word = found["word"].lower()
            value = _SOME.get(word, "Monday" if word in _TIMES else "Something")
            at = "in " if word == "where" else "on " if word in _TIMES else ""
            parts = found.groupdict()
            return claim_of(form.format(sub=parts["sub"], verb=parts.get("verb"), val=value, at=at), speaker)
    return None


def is_claimed(asked: Claim, claim: Claim) -> bool:
    """Whether a claim is in the respect that is asked for; when, how much and where want a value of their kind."""
    if claim.over or claim.past or (asked.shape == "time") != (claim.shape == "time"):
        return False
    return (asked.subject, asked.relation) == (claim.subject, claim.relation) or same_matter(asked, claim)
