"""When summaries of sessions speak: asked for an overview or for what a session was about, and not otherwise.

A summary is no evidence. Among the hits of any other question it would take the place of a turn that it rests on; for
an overview it is what was asked for, chosen by the time and the topic of the question. Knows records, no memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agentmem.believing import SUMMARY, is_summary
from agentmem.contract import RecordReader
from agentmem.records import Hit, Query, Record
from agentmem.sentences import content_stems
from agentmem.timing import Asked, asked_of

_OVERVIEW = re.compile(
    r"\b(?:summar(?:y|ies|i[sz]\w*)|overview|recap|main (?:topics|points)|catch me up|bring me up to (?:speed|date))\b"
    r"|\bwhat (?:did|have|had|were|was|are) (?:we|you and i|i)\b.{0,40}\b(?:talk|discuss|chat|speak|spoke|cover)"
    r"|\bwhat (?:was|were|happened in|came up in) (?:[\w'’]+ ){0,3}(?:session|conversation|chat|discussion)s?\b",
    re.IGNORECASE,
)
_FRAME = frozenset(
    content_stems(
        "summary summaries summarise summarize overview recap main topics points catch bring speed date give short "
        "brief talk talked discuss discussed chat chatted speak spoke cover covered session sessions conversation "
        "conversations discussion happened came together previous last latest recent time times week month year day "
        "yesterday today far everything earlier first ago next past days weeks since regarding concerning said told"
    )
)
_SHARE = 2  # of the hits one in so many may be a summary when the question has a topic: turns tell of it as well
_LOOKED = 500  # summaries, the newest
_LATEST = re.compile(r"\b(?:last|latest|previous|most recent) (?:time|session|conversation|chat|discussion)\b", re.I)
_MONTH = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b",
    re.IGNORECASE,
)


def asks_overview(text: str) -> bool:
    """Whether a question asks for an overview, by its words."""
    return _OVERVIEW.search(text) is not None


def shows_summaries(query: Query) -> bool:
    """Whether summaries may be among the hits: for an overview, or when they are asked for by name."""
    wanted = query.filters.get("kind", ())
    named = SUMMARY in ((wanted,) if isinstance(wanted, str) else wanted)
    return named or asks_overview(query.text)


def led(query: Query, hits: Sequence[Hit], records: RecordReader, now: float, *, k: int) -> list[Hit]:
    """The hits of an overview: the summaries that it asks for first, the newest first, then what else was found.

    Summaries of the time that the question names, or all. With a topic only those that the memories brought for it or
    that name it.
    """
    asked = asked_of(query.text, now)
    topic = _topic(query.text)
    brought = {hit.record_id: hit for hit in hits if is_summary(hit.record)}
    found = records.find(
        namespace=query.namespace, kinds=(SUMMARY,), as_of=query.as_of, newest_first=True, limit=_LOOKED
    )
    told = [r for r in found if is_summary(r) and _is_of(asked, r) and (not topic or topic & _stems(r))]
    told.sort(key=lambda record: -(record.valid_from or record.recorded_at))
    if _LATEST.search(query.text):
        told = told[:1]
    first = [brought.get(r.id, Hit(r, 1.0, "a summary of what is asked for", memory="journal")) for r in told]
    first = first[: max(1, query.k // _SHARE)] if topic else first[: query.k]
    rest = [hit for hit in hits if not is_summary(hit.record)]
    return [*(replace(hit, score=1.0) for hit in first), *rest][:k]


def _topic(text: str) -> frozenset[str]:
    """What an overview is wanted of: the words that are neither those of asking nor a date's."""
    plain = re.sub(r"\b\d[\w:./-]*|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", " ", text, flags=re.IGNORECASE)
    return frozenset(content_stems(_MONTH.sub(" ", plain))) - _FRAME


def _stems(record: Record) -> frozenset[str]:
    return frozenset(content_stems(record.body))


def _is_of(asked: Asked, record: Record) -> bool:
    """Whether a session lies in the time that is asked for."""
    start = record.valid_from if record.valid_from is not None else record.recorded_at
    end = record.valid_to if record.valid_to is not None else start
    late_enough = asked.at_least is None or end >= asked.at_least
    return late_enough and (asked.less_than is None or start < asked.less_than)
