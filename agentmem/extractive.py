"""Answers by quoting: the sentences of the recalled records that answer, with citations, or plainly that none does.

No language model. Whether a sentence answers is judged by a logistic over four figures: the cosine of question and
sentence, the same with shared names masked (two sentences about Clara are not alike for that), the share of the
question's words that the sentence holds, and whether it holds the kind of thing asked for (a number, a time, …). The
weights were fitted on the planted facts of ``agentmem bench answers``, which prints their cross-validated figures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from agentmem.contract import Embedder, Vectors
from agentmem.records import Hit, Record
from agentmem.sentences import content_stems, sentences, stem, words

_WEIGHTS = (9.10, 5.68, 2.37, 0.81)  # cosine, masked cosine, coverage, kind
_BIAS = -7.74
_ENOUGH = 0.5  # probability from which a sentence is quoted
_SENTENCES = 48  # judged at most, from the best hits down
_QUOTES = 3
_SAME = 0.86  # cosine above which two sentences say the same, so that the newer one leads
NOTHING = "Nothing that I remember answers that."


@dataclass(frozen=True, slots=True)
class Quote:
    """One sentence of one record, with the probability that it answers."""

    text: str
    hit: Hit
    confidence: float


@dataclass(frozen=True, slots=True)
class ExtractiveAnswer:
    """``citations[i]`` is the hit behind the mark [i + 1] in ``text``; ``confident`` is False when nothing answers."""

    text: str
    citations: tuple[Hit, ...]
    confident: bool
    quotes: tuple[Quote, ...] = ()


class Extractive:
    """The honest default: it can only say what is written."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def answer(self, question: str, hits: Sequence[Hit]) -> ExtractiveAnswer:
        """Quote what answers the question, the newest first where sentences say the same of different times."""
        judged = self.judge(question, hits)
        if not judged or judged[0][0].confidence < _ENOUGH:
            return ExtractiveAnswer(NOTHING, (), False, tuple(q for q, _ in judged[:1]))
        floor = max(_ENOUGH, 0.75 * judged[0][0].confidence)
        chosen = [(q, v) for q, v in judged if q.confidence >= floor][:_QUOTES]
        return _written(_newest_first(chosen))

    def tell(self, subject: str, hits: Sequence[Hit], limit: int = 8) -> ExtractiveAnswer:
        """Everything that is known about a subject: one sentence a record, those that name it."""
        wanted = {stem(w) for w in words(subject)}
        quotes = []
        for hit in hits:
            said = [
                s for s in sentences(hit.record.body) if wanted <= {stem(w) for w in words(_context(hit.record, s))}
            ]
            if said:
                quotes.append(Quote(said[0], hit, 1.0))
        if not quotes:
            return ExtractiveAnswer(f"I know nothing about {subject}.", (), False)
        return _written(quotes[:limit])

    def judge(self, question: str, hits: Sequence[Hit]) -> list[tuple[Quote, Vectors]]:
        """Every sentence of the hits with the probability that it answers, the most probable first."""
        found: list[tuple[str, Hit]] = []
        seen: set[str] = set()
        for hit in hits:
            for sentence in sentences(hit.record.body):
                if sentence not in seen and not sentence.endswith("?"):
                    seen.add(sentence)
                    found.append((sentence, hit))
        found = found[:_SENTENCES]
        if not found:
            return []
        named = names(question)
        texts = [_context(hit.record, sentence) for sentence, hit in found]
        vectors = self._embedder.embed([question, *texts])
        cosines = vectors[1:] @ vectors[0]
        masked = cosines
        if named:
            covered = self._embedder.embed([_masked(question, named), *(_masked(text, named) for text in texts)])
            masked = covered[1:] @ covered[0]
        asked = content_stems(question)
        judged = []
        for i, (sentence, hit) in enumerate(found):
            shares_name = any(_has(texts[i], name) for name in named)
            figures = (
                float(cosines[i]),
                float(masked[i] if shares_name else cosines[i]),
                _coverage(asked, texts[i]),
                _kind(question, texts[i]),
            )
            logit = _BIAS + sum(w * f for w, f in zip(_WEIGHTS, figures, strict=True))
            judged.append((Quote(sentence, hit, 1 / (1 + math.exp(-logit))), vectors[i + 1]))
        order = sorted(range(len(judged)), key=lambda i: (-judged[i][0].confidence, i))
        return [judged[i] for i in order]


def names(question: str) -> list[str]:
    """Capitalised words of a question other than its first."""
    tokens = re.findall(r"[^\W_][\w'’-]*", question)
    return [re.sub(r"['’]s$", "", t) for i, t in enumerate(tokens) if i and t[0].isupper() and t != "I"]


def _masked(text: str, named: Sequence[str]) -> str:
    for name in named:
        text = re.sub(rf"\b{re.escape(name)}(?:['’]s)?\b", "someone", text)
    return text


def _has(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None


def _coverage(asked: Sequence[str], text: str) -> float:
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
    r"(?i:\b(?:in|on|behind|under|near|next to|above|below|between|(?:to|at|from) the)\b)|\b(?:at|to|from) (?=[A-Z])"
)
_NAME = re.compile(r"(?<=\s)[^\W\d_a-z][^\W\d_]+")
_HOW_MUCH = re.compile(
    r"\bhow (?:many|much|long|old|tall|heavy|far|fast|deep|large|warm|early)\b|\bnumber\b|\bcost|\bprice\b"
)
_WHEN = re.compile(r"^when\b|\bwhat (?:time|day|date|year)\b|\bwhich (?:day|year)\b|\bdeadline\b|\bsince when\b")


def _kind(question: str, text: str) -> float:
    """1 when the text holds the kind of thing asked for, -1 when it does not, 0 when the question does not tell."""
    asked = question.lower().strip()
    if _HOW_MUCH.search(asked):
        return 1.0 if _NUMBER.search(text) else -1.0
    if _WHEN.search(asked):
        return 1.0 if _TIME.search(text) else -1.0
    if asked.startswith("where"):
        return 1.0 if _PLACE.search(text) else -1.0
    if asked.startswith("who"):
        return 0.5 if _NAME.search(text) else -0.5
    return 0.0


def _context(record: Record, sentence: str) -> str:
    """The sentence with what a reader of the record knows: who said it and when, or in which document."""
    before = []
    if record.kind == "turn" and record.valid_from is not None:
        before.append(_day(record.valid_from))
    if record.speaker:
        before.append(record.speaker)
    if record.kind != "turn" and record.attributes.get("title"):
        before.append(str(record.attributes["title"]))
    return f"{', '.join(before)}: {sentence}" if before else sentence


def _newest_first(chosen: Sequence[tuple[Quote, Vectors]]) -> list[Quote]:
    """Where a quote says much the same as the best one, the newer of them leads and the older is marked as earlier."""
    best, vector = chosen[0]
    alike = [q for q, v in chosen if float(np.dot(v, vector)) >= _SAME or _same_fact(q.hit.record, best.hit.record)]
    rest = [q for q, _ in chosen if q not in alike]
    alike.sort(key=lambda q: -_time(q.hit.record))
    return [*alike, *rest]


def _same_fact(one: Record, other: Record) -> bool:
    return bool(one.subject and one.relation) and (one.subject, one.relation) == (other.subject, other.relation)


def _time(record: Record) -> float:
    return record.valid_from if record.valid_from is not None else record.recorded_at


def _written(quotes: Sequence[Quote]) -> ExtractiveAnswer:
    citations: list[Hit] = []
    lines = []
    for quote in quotes:
        if quote.hit not in citations:
            citations.append(quote.hit)
        lines.append(f"{_spoken(quote)} [{citations.index(quote.hit) + 1}]")
    return ExtractiveAnswer("\n".join(lines), tuple(citations), True, tuple(quotes))


def _spoken(quote: Quote) -> str:
    record = quote.hit.record
    if record.kind != "turn" or not record.speaker:
        return quote.text
    when = f" ({_day(record.valid_from)})" if record.valid_from is not None else ""
    return f'{record.speaker}{when}: "{quote.text}"'


def _day(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"
