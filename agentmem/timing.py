"""Questions about time, answered from dates: when, before, after, latest, first, how often.

The time of a sentence is the date that it names (made plain when it was written), else the date of its session or since
when it holds. Chooses among sentences that others found; knows no store and no model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agentmem.believing import day_of, since_of
from agentmem.claims import claim_of, shape
from agentmem.dates import dates_in, dates_of, interval, named, spoken
from agentmem.records import Record, Trust

T = TypeVar("T")
Place = tuple[Record, str]
"""A record and the sentence of it that is meant."""

_HOW_OFTEN = re.compile(r"\bhow (?:often|many times)\b", re.IGNORECASE)
_LATEST = re.compile(r"\b(?:latest|most recent(?:ly)?|newest|last(?! name| night))\b", re.IGNORECASE)
_FIRST = re.compile(r"\b(?:first time|earliest|originally|(?:did|was|were) .{1,60} first\b)", re.IGNORECASE)
_WHEN = re.compile(r"\bwhen\b|\bwhat (?:time|day|date|month|year)\b|\bwhich (?:day|month|year)\b|\bhow long\b", re.I)
_BOUND = re.compile(r"\b(?P<word>before|prior to|until|by|after|since|in|on|during|from)\s+$", re.IGNORECASE)
_BETWEEN = re.compile(
    r"\b(?:between (?P<first>[^?,]{3,30}?) and|from (?P<start>[^?,]{3,30}?) (?:to|until)) (?P<last>[^?,.]{3,30})"
)
_EARLIER, _LATER = ("before", "prior to", "until", "by"), ("after", "since", "from")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks of time: ``order`` "latest" or "first", ``counts``, ``when``, and bounds in seconds."""

    order: str = ""
    counts: bool = False
    when: bool = False
    at_least: float | None = None
    less_than: float | None = None

    @property
    def is_about_time(self) -> bool:
        return bool(self.order or self.counts or self.when) or self.at_least is not None or self.less_than is not None

    def past(self, now: float | None) -> float | None:
        """The end of the time that is asked about, if it is over: what held then is asked for."""
        return self.less_than if self.less_than is not None and now is not None and self.less_than <= now else None


def asked_of(question: str, now: float | None) -> Asked:
    """What of time a question asks; ``now`` is what "last week" counts from."""
    rest, at_least, less_than = question, None, None
    if (between := _between(question, now)) is not None:
        rest, at_least, less_than = between
    for found in dates_in(rest, now):
        place = rest.find(found.text)
        bound = _BOUND.search(rest[:place])
        word = bound["word"].lower() if bound else found.text.lower().partition(" ")[0]
        if word in _EARLIER:
            less_than = found.start
        elif word in _LATER:
            at_least = found.end if word == "after" else found.start
        else:
            at_least, less_than = found.start, found.end
        rest = rest.replace(found.text, " ", 1)
    order = "latest" if _LATEST.search(rest) else "first" if _FIRST.search(rest) else ""
    counts = _HOW_OFTEN.search(rest) is not None
    return Asked(order, counts, _WHEN.search(rest) is not None, at_least, less_than)


def _between(question: str, now: float | None) -> tuple[str, float, float] | None:
    """What a question asks besides, and the bounds that it names both of; a year said once is that of both."""
    found = _BETWEEN.search(question)
    if found is None:
        return None
    first, last = found["first"] or found["start"], found["last"]
    year = re.search(r"\b(?:19|20)\d\d\b", last)
    if year is not None and re.search(r"\d{4}", first) is None:
        first = f"{first} {year.group()}"
    since, until = named(first, now, ahead=False), named(last, now, ahead=False)
    if since is None or until is None or since.start >= until.end:
        return None
    return question[: found.start()] + question[found.end() :], since.start, until.end


def times_of(record: Record, sentence: str) -> tuple[float, float]:
    """The interval that a sentence speaks of, [start, end) in seconds; what it claims goes on until it is ended."""
    for words, iso in dates_of(record.attributes):
        if words in sentence:
            return interval(iso)
    at = since_of(record)
    return at, math.inf if claim_of(sentence) is not None else at + 1.0


def within(asked: Asked, items: Sequence[T], place: Callable[[T], Place]) -> list[T]:
    """The items that lie within the question's bounds; what a document says has no date of its own and stays."""
    if asked.at_least is None and asked.less_than is None:
        return list(items)
    return [item for item in items if _is_undated(*place(item)) or _is_within(asked, times_of(*place(item)))]


def in_order(asked: Asked, items: Sequence[T], place: Callable[[T], Place]) -> list[T]:
    """The items in the order that the question asks for."""
    if not asked.order and not asked.counts:
        return list(items)
    return sorted(items, key=lambda item: times_of(*place(item))[0], reverse=asked.order == "latest")


def occasions(items: Sequence[T], place: Callable[[T], Place]) -> list[T]:
    """One item a time that is spoken of: what is told twice of one day happened once."""
    seen: dict[float, T] = {}
    for item in items:
        seen.setdefault(times_of(*place(item))[0] // 86_400, item)
    return list(seen.values())


def date_said(record: Record, sentence: str, *, when: bool) -> str:
    """The date that a sentence means, in words: of "yesterday", its end, or for a question of when that names none."""
    found = [(words, spoken(iso)) for words, iso in dates_of(record.attributes) if words in sentence]
    told = [_told(words, meant) for words, meant in found if re.search(r"\d{4}", words) is None]
    if record.valid_to is not None and not found:
        told.append(f"until {day_of(record.valid_to)}")
    if told or found or not when or record.kind == "turn" or shape(sentence) == "time":
        return "; ".join(told)
    return (
        f"since {day_of(record.valid_from)}" if record.valid_from is not None else f"noted {day_of(record.recorded_at)}"
    )


def _told(words: str, meant: str) -> str:
    """What words mean, beside them unless it holds them: "last Friday: 5 May 2023", but "5 May 2023" for "on 5 May"."""
    bare = re.sub(r"^(?:in|on|by|until|since|before|after|during) ", "", words.casefold())
    return meant if bare in meant.casefold() else f"{words}: {meant}"


def _is_undated(record: Record, sentence: str) -> bool:
    return record.trust is Trust.DOCUMENT and not any(words in sentence for words, _ in dates_of(record.attributes))


def _is_within(asked: Asked, times: tuple[float, float]) -> bool:
    start, end = times
    late_enough = asked.at_least is None or end > asked.at_least
    return late_enough and (asked.less_than is None or start < asked.less_than)
