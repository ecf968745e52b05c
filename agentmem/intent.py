"""What a person wants with a message, told by its words alone: ask, remember, correct, forget, undo, or tell about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from agentmem.clauses import pointed_back
from agentmem.sentences import QUESTION_MARKS


class Wish(StrEnum):
    ASK = "ask"
    STATE = "state"  # a statement that asks nothing: kept as the turn that it is
    REMEMBER = "remember"
    CORRECT = "correct"
    FORGET = "forget"
    UNDO = "undo"
    ABOUT = "about"  # everything that is known about something


@dataclass(frozen=True, slots=True)
class Intent:
    """``text`` is what the wish is about; for a correction ``old`` is what is no longer so, if it was said."""

    wish: Wish
    text: str
    old: str | None = None


_PLEASE = r"^(?P<polite>(?:(?:please|ok(?:ay)?|(?:can|could|would|will) you(?: please)?)[,\s]+)*)"
_REMEMBER = re.compile(
    _PLEASE + r"(?:remember|note(?:\s+down)?|keep in mind|don['’]t forget|do not forget|make a note)"
    r"(?:\s*[:,]\s*|\s+that\s+|\s+this:\s*|\s+(?=(?:my|the|i|we|our)\b[^?]*$))(?P<text>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_FORGET = re.compile(
    _PLEASE + r"(?:forget|delete|remove|erase)\s+(?:everything\s+)?(?:(?:you|i)\s+(?:know|said)\s+(?=about))?"
    r"(?:about\s+|what (?:i|you) (?:just )?(?:said|know|told you) (?:about|of)\s+|that\s+(?=\w+\s+\w)"
    r"|the (?:fact|note|memory) (?:that|about)\s+)?(?P<text>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_CORRECT = re.compile(
    r"^(?:(?:no|sorry|oops|wait)[,.:]?\s+)*(?:actually|correction|rather|i was wrong(?: about (?P<of>[^,.:]+))?"
    r"|wrong|i meant?|make that|(?:that|this|it)(?:['’]s| is| was) (?:wrong|not (?:right|true|correct)))\b[,:;.]?\s*"
    r"(?P<text>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_AGAINST = re.compile(
    r"^(?:no|nope|sorry|oops|wait)[,.:]?\s+(?P<text>(?:it|they|he|she)\b.+|.+\bnot\b.+)$", re.IGNORECASE | re.DOTALL
)
_IT_IS = r"(?:it|that|this|they|he|she)(?:['’](?:s|re)| is| are| was| were)"
_NOT_IT = re.compile(  # "it's not 112, it's 121"
    rf"^(?:no[,.:]?\s+)?{_IT_IS}(?: not|n['’]t) (?!right\b|true\b|correct\b)(?P<old>[^,;.]+?)"
    rf"(?:,? but|[,;.] ?{_IT_IS}|[,;])\s+(?P<new>[^?]+)$",
    re.IGNORECASE,
)
_NOT = re.compile(r"[,;]?\s*(?:and\s+|but\s+)?\bnot\s+(?P<old>[^,;.!?]+)(?=[.!?]?$)", re.IGNORECASE)
_NOT_BUT = re.compile(r"\bnot\s+(?P<old>[^,;.!?]+?),?\s+but\s+(?P<new>.+)$", re.IGNORECASE | re.DOTALL)
_ABOUT = re.compile(
    r"^(?:please\s+)?(?:what (?:do|did) you (?:know|remember) (?:about|of)|what have i told you about|"
    r"tell me (?:everything )?(?:you know )?about)\s+(?P<text>.+?)[?.!]*$",
    re.IGNORECASE | re.DOTALL,
)
_UNDO = re.compile(
    r"^(?:please\s+)?(?:undo(?: that| it| the last (?:change|one))?|take that back)[.!]*$", re.IGNORECASE
)
_QUESTION = re.compile(
    rf"[{''.join(QUESTION_MARKS)}]\s*$|"
    r"^(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|will|would|should|"
    r"has|have|had|tell me|show me|list|find|give me|explain|summari[sz]e|describe|wer|was|wann|wo|wie|warum|welche)\b",
    re.IGNORECASE,
)


def parse(message: str) -> Intent:
    """The wish of a message; what fits no other pattern is a question or a statement."""
    text = message.strip()
    if _UNDO.match(text):
        return Intent(Wish.UNDO, text)
    if found := _REMEMBER.match(text):
        return Intent(
            Wish.REMEMBER, _sentence(found["text"].rstrip("".join(QUESTION_MARKS) if found["polite"] else ""))
        )
    if found := _ABOUT.match(text):
        return Intent(Wish.ABOUT, found["text"].strip())
    if (found := _FORGET.match(text)) and (found["polite"] or not text.endswith(QUESTION_MARKS)):
        return Intent(Wish.FORGET, found["text"].strip().rstrip(".!" + "".join(QUESTION_MARKS)))
    if found := _NOT_IT.match(text):
        return Intent(Wish.CORRECT, _sentence(f"it is {found['new']}"), found["old"].strip())
    if (found := _CORRECT.match(text) or _AGAINST.match(text)) and not text.endswith(QUESTION_MARKS):
        about = found.groupdict().get("of")  # "I was wrong about the museum, it closes at five"
        return _correction(pointed_back(found["text"].strip(), about) or found["text"])
    return Intent(Wish.ASK if _QUESTION.search(text) else Wish.STATE, text)


def _correction(text: str) -> Intent:
    if found := _NOT_BUT.search(text):
        return Intent(Wish.CORRECT, _sentence(text[: found.start()] + found["new"]), found["old"].strip())
    if found := _NOT.search(text):
        return Intent(Wish.CORRECT, _sentence(text[: found.start()] + text[found.end() :]), found["old"].strip())
    return Intent(Wish.CORRECT, _sentence(text))


def _sentence(text: str) -> str:
    """The text as a sentence of its own: a capital first, a stop at the end."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "…", "。", *QUESTION_MARKS)) else f"{text}."
