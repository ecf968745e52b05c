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
from dataclasses import dataclass, replace

import numpy as np

from agentmem.asking import asked_for, is_claimed
from agentmem.believing import OVER, Dispute, day_of, disputes, since_of
from agentmem.claims import Claim, agree, claim_of, pieces, same_matter
from agentmem.contract import Embedder, Vectors
from agentmem.likeness import (
    Quote,
    coverage,
    has,
    in_context,
    is_of_another,
    kind_of,
    masked,
    names,
    place_of,
    tells_no_time,
)
from agentmem.records import Hit, Record
from agentmem.sentences import QUESTION_MARKS, content_stems, sentences
from agentmem.timing import Asked, Place, asked_of, date_said, in_order, occasions, within

_WEIGHTS = (9.10, 5.68, 2.37, 0.81)  # cosine, masked cosine, coverage, kind
_BIAS = -7.74
_CLAIMED = 0.9  # of a sentence that claims what is asked for, in whatever words
_ENOUGH = 0.5  # probability from which a sentence is quoted
_OCCASION = 0.3  # the same for one of several occasions: they are told in ever other words
_SENTENCES = 48  # judged at most, from the best hits down
_QUOTES = 3
_RECOUNTED = 4  # sentences of each summary, the most important first
_SAME = 0.86  # cosine above which two sentences say the same, so that the newer one leads
_OF_PAST = re.compile(r"\b(?:was|were|did|had|used to|before|previously|earlier|once|formerly)\b", re.IGNORECASE)
_NO_VECTOR = np.zeros(0, np.float32)
_PRONOUN = re.compile(r"(?:it|he|she|they|this|that|these|those|its|his|her|their)\b", re.IGNORECASE)
_LONG_AGO = float("-inf")
NOTHING = "Nothing that I remember answers that."


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

    def answer(
        self, question: str, hits: Sequence[Hit], *, now: float | None = None, speaker: str | None = None
    ) -> ExtractiveAnswer:
        """Quote what answers the question and is believed, and say what speaks against it, what changed and when.

        ``now`` (seconds) tells whose time is over and what "last week" means; ``speaker`` is whose "I" it is.
        """
        asked = asked_of(question, now)
        then = asked.past(now)  # what was said later ended nothing by then
        told = [hit.record for hit in hits if then is None or since_of(hit.record) < then]
        found = disputes(told, next((at for at in (then, now) if at is not None), float("-inf")))
        judged = _settled(self.judge(question, hits, speaker), found, hits)
        judged = within(asked, judged, _place)
        if not judged or judged[0][0].confidence < _ENOUGH:
            return ExtractiveAnswer(NOTHING, (), False, tuple(q for q, _ in judged[:1]))
        floor = _OCCASION if asked.counts else max(_ENOUGH, 0.75 * judged[0][0].confidence)
        enough = [(q, v) for q, v in judged if q.confidence >= floor]
        enough = _to_the_matter(asked_for(question, speaker or "user"), enough)
        if _OF_PAST.search(question) is None:
            enough = _of_now(enough)
        if asked.is_about_time:
            enough = in_order(asked, enough, _place)
        if asked.counts:
            return _counted([quote for quote, _ in enough], asked, hits)
        if asked.order:
            return _written([quote for quote, _ in enough[:1]], asked, hits)
        return _written(_led_on(_newest_first(enough[:_QUOTES]), hits), asked, hits)

    def tell(self, subject: str, hits: Sequence[Hit], limit: int = 8) -> ExtractiveAnswer:
        """Everything that is known about a subject: one sentence a record, those that name it."""
        wanted = set(content_stems(subject))
        quotes = []
        for hit in hits if wanted else ():
            known = set(content_stems(" ".join(place_of(hit.record))))
            said = [s for s in sentences(hit.record.body) if wanted <= known | set(content_stems(s))]
            if said:
                quotes.append(Quote(said[0], hit, 1.0))
        if not quotes:
            return ExtractiveAnswer(f"I know nothing about {subject}.", (), False)
        settled = _settled(
            [(quote, _NO_VECTOR) for quote in quotes], disputes([h.record for h in hits], _LONG_AGO), hits
        )
        return _written([quote for quote, _ in settled[:limit]], Asked(), hits)

    def judge(self, question: str, hits: Sequence[Hit], speaker: str | None = None) -> list[tuple[Quote, Vectors]]:
        """Every sentence of the hits with the probability that it answers, the most probable first."""
        found = _candidates(hits)
        if not found:
            return []
        named = names(question)
        texts = [in_context(quote, question) for quote in found]
        vectors = self._embedder.embed([question, *texts])
        cosines = vectors[1:] @ vectors[0]
        bare = cosines
        if named:
            covered = self._embedder.embed([masked(question, named), *(masked(text, named) for text in texts)])
            bare = covered[1:] @ covered[0]
        asked, matter = content_stems(question), asked_for(question, speaker or "user")
        judged = []
        for i, quote in enumerate(found):
            shares_name = any(has(texts[i], name) for name in named)
            figures = (
                float(cosines[i]),
                float(bare[i] if shares_name else cosines[i]),
                coverage(asked, texts[i]),
                kind_of(question, quote),
            )
            logit = _BIAS + sum(w * f for w, f in zip(_WEIGHTS, figures, strict=True))
            sure = _own_confidence(quote.hit.record)
            if sure is None:
                beside = not shares_name and is_of_another(named, texts[i])
                fits = not beside and not tells_no_time(question, quote)
                sure = _by_claim(matter, quote, 1 / (1 + math.exp(-logit))) if fits else 0.0
            judged.append((replace(quote, confidence=sure), vectors[i + 1]))
        # what is written comes before what a model would say
        if any(q.confidence >= _ENOUGH and _own_confidence(q.hit.record) is None for q, _ in judged):
            judged = [one for one in judged if _own_confidence(one[0].hit.record) is None]
        judged = _once(judged)
        order = sorted(range(len(judged)), key=lambda i: (-judged[i][0].confidence, i))
        return [judged[i] for i in order]


def _by_claim(asked: Claim | None, quote: Quote, sure: float) -> float:
    """How sure a sentence answers: more if it claims what is asked for, in whatever words."""
    claim = None if asked is None else claim_of(quote.text, quote.hit.record.speaker or "user")
    return max(sure, _CLAIMED) if asked is not None and claim is not None and is_claimed(asked, claim) else sure


def _candidates(hits: Sequence[Hit]) -> list[Quote]:
    """The sentences that may answer, each once, not yet judged; questions and what no longer holds do not."""
    found: dict[str, Quote] = {}
    for hit in hits:
        before = ""
        for sentence in pieces(hit.record.body):
            if sentence in _over(hit.record):
                before = ""
                continue
            if not sentence.endswith(QUESTION_MARKS):
                told = before if _PRONOUN.match(sentence) else ""
                found.setdefault(sentence, Quote(sentence, hit, 0.0, before=told))
            before = sentence
    return list(found.values())[:_SENTENCES]


def _once(judged: Sequence[tuple[Quote, Vectors]]) -> list[tuple[Quote, Vectors]]:
    """Of a sentence and the one that begins with its "it" and is told with it, the better alone."""
    sure = {(quote.hit.record_id, quote.text): quote.confidence for quote, _ in judged}
    dropped: set[tuple[str, str]] = set()
    for quote, _ in judged:
        own, before = (quote.hit.record_id, quote.text), (quote.hit.record_id, quote.before)
        if quote.before and before in sure:
            dropped.add(before if quote.confidence > sure[before] else own)
    return [(q, v) for q, v in judged if (q.hit.record_id, q.text) not in dropped]


def recounted(hits: Sequence[Hit], limit: int = 8) -> ExtractiveAnswer:
    """Summaries of sessions as an answer: a line of their first sentences each, in the order in which they were."""
    kept = sorted(hits[:limit], key=lambda hit: (since_of(hit.record), hit.record_id))
    quotes = [Quote(" ".join(sentences(hit.record.body)[:_RECOUNTED]), hit, 1.0) for hit in kept]
    days = [hit.record.attributes.get("title") or day_of(since_of(hit.record)) for hit in kept]
    lines = [f"{day}: {quote.text} [{n}]" for n, (day, quote) in enumerate(zip(days, quotes, strict=True), 1)]
    return ExtractiveAnswer("\n".join(lines), tuple(kept), bool(kept), tuple(quotes))


def _place(one: tuple[Quote, Vectors]) -> Place:
    return one[0].hit.record, one[0].text


def _to_the_matter(asked: Claim | None, quotes: Sequence[tuple[Quote, Vectors]]) -> list[tuple[Quote, Vectors]]:
    """Without claims of other things beside one of what is asked for: my car, and not my wife's as well."""
    if asked is None:
        return list(quotes)
    claims = [claim_of(quote.text, quote.hit.record.speaker or "user") for quote, _ in quotes]
    answers = [claim for claim in claims if claim is not None and is_claimed(asked, claim)]
    if not answers:
        return list(quotes)
    named = [asked.subject, *(claim.value for claim in answers)]  # and what is said of the answer itself
    beside = [c is not None and c not in answers and not any(agree(c.subject, name) for name in named) for c in claims]
    return [one for one, dropped in zip(quotes, beside, strict=True) if not dropped]


def _of_now(quotes: Sequence[tuple[Quote, Vectors]]) -> list[tuple[Quote, Vectors]]:
    """Without what was so once ("the office was at Pier 4 when I came") beside what is said to be so."""
    claims = [claim_of(quote.text) for quote, _ in quotes]
    now = [claim for claim in claims if claim is not None and not claim.past]
    beside = [c is not None and c.past and any(same_matter(c, other) for other in now) for c in claims]
    return [one for one, dropped in zip(quotes, beside, strict=True) if not dropped]


def _own_confidence(record: Record) -> float | None:
    """How sure a model's own answer is, when the record is one: it answers by what it is, not by its words."""
    sure = record.attributes.get("confidence") if record.attributes.get("parametric") else None
    return None if sure is None else float(sure)


def _over(record: Record) -> Sequence[str]:
    kept = record.attributes.get(OVER, ())
    return [str(sentence) for sentence in kept]


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


def _settled(
    judged: Sequence[tuple[Quote, Vectors]], found: Sequence[Dispute], hits: Sequence[Hit]
) -> list[tuple[Quote, Vectors]]:
    """What is not believed gives its place to what is believed instead, and stands beside it as what speaks against."""
    by_place = {(quote.hit.record_id, quote.text): (quote, vector) for quote, vector in judged}
    by_id = {hit.record_id: hit for hit in hits}
    lost_to = {dispute.lost.key: dispute for dispute in found}
    for key, dispute in lost_to.items():
        if key not in by_place:
            continue
        lost, vector = by_place[key]
        final = dispute
        while final.holds.key in lost_to:  # what beat it may have lost to something else
            final = lost_to[final.holds.key]
        better, vector = by_place.get(
            final.holds.key, (Quote(final.holds.claim.sentence, by_id[final.holds.record.id], 0.0), vector)
        )
        against = (*better.against, dispute)
        confidence = max(better.confidence, lost.confidence)
        by_place[final.holds.key] = (replace(better, confidence=confidence, against=against), vector)
    kept = [(quote, vector) for key, (quote, vector) in by_place.items() if key not in lost_to]
    return sorted(kept, key=lambda one: -one[0].confidence)


def _led_on(quotes: Sequence[Quote], hits: Sequence[Hit]) -> list[Quote]:
    """The quotes and, when further hops lead on from the best one, the statements of that chain in their order."""
    chain = [quotes[0].hit.record_id]
    further = []
    for hit in hits:
        if hit.path[:-1] == tuple(chain) and hit.path[-1] == hit.record_id:
            chain.append(hit.record_id)
            further.append(Quote(sentences(hit.record.body)[0], hit, quotes[0].confidence))
    return [quotes[0], *further] if further else list(quotes)


def _counted(quotes: Sequence[Quote], asked: Asked, hits: Sequence[Hit]) -> ExtractiveAnswer:
    """How often: one occasion a day that is spoken of, each with its quote."""
    kept = occasions(quotes, lambda quote: (quote.hit.record, quote.text))
    told = _written(kept, asked, hits)
    often = "once" if len(kept) == 1 else f"{len(kept)} times"
    return replace(told, text=f"I know of it {often}:\n{told.text}")


def _written(quotes: Sequence[Quote], asked: Asked, hits: Sequence[Hit]) -> ExtractiveAnswer:
    citations: list[Hit] = []
    by_id = {hit.record_id: hit for hit in hits}

    def cite(hit: Hit) -> str:
        if hit not in citations:
            citations.append(hit)
        return f"[{citations.index(hit) + 1}]"

    lines = []
    for quote in quotes:
        date = date_said(quote.hit.record, quote.text, when=asked.when)
        line = f"{_spoken(quote)}{f' ({date})' if date else ''} {cite(quote.hit)}"
        for dispute in quote.against:
            line += f" ({dispute.sentence} {cite(by_id[dispute.lost.record.id])})"
        lines.append(line)
    return ExtractiveAnswer("\n".join(lines), tuple(citations), True, tuple(quotes))


def _spoken(quote: Quote) -> str:
    record, told = quote.hit.record, f"{quote.before} {quote.text}".strip()
    if _own_confidence(record) is not None:
        return f"{record.attributes.get('answer', told)} (from the weights of {record.speaker})"
    if record.kind != "turn" or not record.speaker:
        return told
    when = f" ({day_of(record.valid_from)})" if record.valid_from is not None else ""
    verbatim = quote.text.rstrip(".") in record.body  # a clause whose subject stands before another one is not
    return f'{record.speaker}{when}: "{told}"' if verbatim else f"{record.speaker}{when}: {told}"
