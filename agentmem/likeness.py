"""What a sentence shares with a question, besides its meaning: names, words, the kind of thing asked for, a time.

Figures for the answerer that quotes; words and patterns, English question words. Knows no store and no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentmem.believing import Dispute, day_of
from agentmem.contract import Embedder
from agentmem.dates import dates_in, dates_of
from agentmem.records import Hit, Record
from agentmem.sentences import content_stems, words

_TWICE = re.compile(r"\bsomeone(?: someone)+\b")


@dataclass(frozen=True, slots=True)
class Quote:
    """One sentence of one record, with the probability that it answers, and the statements that it prevails over.

    ``before`` is the sentence before one that begins with "it" or "she": what that stands for.
    """

    text: str
    hit: Hit
    confidence: float
    against: tuple[Dispute, ...] = ()
    before: str = ""


def names(question: str) -> list[str]:
    """Capitalised words of a question other than its first."""
    tokens = [re.sub(r"['’]\w{1,2}$", "", t) for t in re.findall(r"[^\W_][\w'’-]*", question)]
    return [t for i, t in enumerate(tokens) if i and t[0].isupper() and t != "I" and not _DAY_OR_MONTH.match(t)]


def is_of_another(named: Sequence[str], text: str) -> bool:
    """Whether a text that names nobody whom the question names is about somebody else; "RAM" and "GB" name nobody."""
    if all(name.isupper() for name in named):
        return False
    return _FIRST_NAME.match(text) is not None or any(not name.isupper() for name in names(text))


def masked(text: str, named: Sequence[str]) -> str:
    for name in named:
        text = re.sub(rf"\b{re.escape(name)}(?:['’]s)?\b", "someone", text)
    return text


def nearness(embedder: Embedder, question: str, texts: Sequence[str]) -> float:
    """The cosine of a question and the nearest of the texts, each of the question's names masked as one word."""
    named = names(question)
    vectors = embedder.embed([_TWICE.sub("someone", masked(text, named)) for text in (question, *texts)])
    return float((vectors[1:] @ vectors[0]).max())


def has(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None


def coverage(asked: Sequence[str], text: str) -> float:
    held = set(content_stems(text))
    return sum(word in held for word in asked) / len(asked) if asked else 0.0


_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|half)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\d{1,2}:\d\d|\b(?:19|20)\d\d\b|january|february|march|april|\bmay\b|june|july|august|september|october|november|"
    r"december|(?:mon|tues|wednes|thurs|fri|satur|sun)day|noon|morning|evening|night|week|year|month|\bday|o'clock|"
    r"summer|winter|spring|autumn|yesterday|tomorrow|ago",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"(?i:\b(?:in|on|behind|under|near|next to|above|below|between|(?:to|at|from) the)\b)"
    r"|\b(?:at|to|from|for) (?=[A-Z])"
)
_NAME = re.compile(r"(?<=\s)[^\W\d_a-z][^\W\d_]+")
_FIRST_NAME = re.compile(  # a text that opens with a name and its verb: "Clara is", "Ben works"
    r"(?!(?i:he|she|it|they|we|i|this|that|these|those|there|who|which|what|my|our|your|his|her|its|their|the|everybody"
    r"|everyone|nobody|somebody|someone|nothing|everything)\b)"
    r"[A-ZÀ-Þ][^\W\d_]+(?:['’]s \w| (?:is|was|has|had|does|did|will|would|can|\w+(?:s|ed))\b)"
)
_HOW_MUCH = re.compile(
    r"\bhow (?:many|much|long|old|tall|heavy|far|fast|deep|large|warm|early)\b|\bnumber\b|\bcost|\bprice\b"
)
_WHEN = re.compile(r"^when\b|\bwhat (?:time|day|date|year)\b|\bwhich (?:day|year)\b|\bdeadline\b|\bsince when\b")


_IN_TIME = re.compile(
    rf"{_TIME.pattern}|\d|\b(?:after|before|during|while|until|till|once|soon|later|every|always|daily|christmas|easter)\b",
    re.IGNORECASE,
)
_LONG_SINCE = re.compile(r"\b(?:did|was|were|has|have|had|since)\b")
_DAY_OR_MONTH = re.compile(
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|october|"
    r"november|december)s?$",
    re.IGNORECASE,
)


def kind_of(question: str, quote: Quote) -> float:
    """1 when a sentence holds the kind of thing asked for, -1 when it does not, 0 when the question does not tell."""
    asked, text = question.lower().strip(), quote.text
    if _HOW_MUCH.search(asked):
        return 1.0 if _NUMBER.search(text) else -1.0
    if _WHEN.search(asked):
        return 1.0 if _TIME.search(text) or _is_dated(quote) else -1.0
    if asked.startswith("where"):
        return 1.0 if _PLACE.search(text) else -1.0
    if asked.startswith("who"):
        return 0.5 if _NAME.search(text) else -0.5
    return 0.0


def _is_dated(quote: Quote) -> bool:
    """Whether it is known when a sentence was said, or which day it speaks of."""
    record = quote.hit.record
    said = record.kind == "turn" and record.valid_from is not None
    return said or any(phrase in quote.text for phrase, _ in dates_of(record.attributes))


def tells_no_time(question: str, quote: Quote) -> bool:
    """Whether a question of when something is or will be finds no time: the day on which it was said is none."""
    asked = question.lower()
    return bool(_WHEN.search(asked)) and not _LONG_SINCE.search(asked) and not _IN_TIME.search(quote.text)


def in_context(quote: Quote, question: str) -> str:
    """A sentence with what the question speaks of besides: what "it" is, who said it, when, in which document.

    More than that only makes it less like the question: "user" and a date before every turn lost a tenth of them.
    """
    record = quote.hit.record
    before = list(place_of(record))
    if record.kind == "turn" and set(words(record.speaker or "")).isdisjoint(words(question)):
        before.clear()
    if record.kind == "turn" and record.valid_from is not None and _names_a_date(question):
        before.insert(0, day_of(record.valid_from))
    told = f"{quote.before} {quote.text}".strip()
    return f"{', '.join(before)}: {told}" if before else told


def _names_a_date(question: str) -> bool:
    """Whether a question names a day, a month or a year; "yesterday" shares no word with a date."""
    return any(re.search(r"\d", found.text) for found in dates_in(question, 0.0))


def place_of(record: Record) -> list[str]:
    """Who said a record, or in which document it stands."""
    titled = str(record.attributes.get("title") or "") if record.kind != "turn" else ""
    return [part for part in (record.speaker or "", titled) if part]
