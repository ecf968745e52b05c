"""Dates in text, made plain when the text is written: "last Friday" said on 8 May 2023 is 2023-05-05.

A date is kept as its ISO text and is as exact as what was said: "2023", "2023-05", "2023-05-05", or "from/to" (both
days included). Phrases are found by their form here and read by `dateparser`; English wordings, UTC. Knows no store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from agentmem.claims import Claim, claims_of
from agentmem.records import Draft, Trust
from agentmem.tense import lies_ahead

DATES = "dates"
"""The attribute of a record that holds its dates: a list of {"text": the words, "date": ISO text}."""

_KINDS = frozenset({"turn", "fact", "note"})
_MOST = 8  # dates of one text
_JUST = 14  # days
_LONG = 4_000  # characters that are looked at
_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
_DAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_COUNT = r"(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|a couple of|a few)"
_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "a couple of": 2,
}
_PHRASE = re.compile(
    rf"\b(?:"
    rf"(?P<iso>\d{{4}}-\d{{2}}(?:-\d{{2}})?)"
    rf"|(?P<range>\d{{1,2}}(?:st|nd|rd|th)? ?(?:to|-|–|until|and) ?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTHS})\b"
    rf"(?:,? \d{{4}})?)"
    rf"|(?P<absolute>(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTHS})\.?(?:,? \d{{4}})?)"
    rf"|(?:(?:{_MONTHS})\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?!:)(?:,? \d{{4}})?)|(?:(?:{_MONTHS}),? \d{{4}}))"
    rf"|(?P<numeric>\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}})"
    rf"|(?P<ago>{_COUNT} (?:day|week|month|year)s? (?:ago|before|earlier|later|from now))"
    rf"|(?P<day>the day before yesterday|the day after tomorrow|yesterday|tomorrow|today|tonight|last night)"
    rf"|(?P<weekday>(?:last|this|next|on|to|for|by|until|since|before|after) (?:{_DAYS}))"
    rf"|(?P<span>(?:last|this|next) (?:week(?:end)?|month|year|spring|summer|autumn|fall|winter))"
    rf"|(?P<month>(?:in|since|until|by|before|after|during|last|next|this) (?:{_MONTHS}))(?! \d)"
    rf"|(?P<year>(?:in|by|of|since|until|before|after|during|early|late) (?:19|20)\d\d)"
    rf")\b",
    re.IGNORECASE,
)  # fmt: skip
_SEASONS = {"spring": (3, 5), "summer": (6, 8), "autumn": (9, 11), "fall": (9, 11), "winter": (12, 2)}


@dataclass(frozen=True, slots=True)
class Dated:
    """Words that name a time, and what they name: ISO text and the interval [start, end) in seconds."""

    text: str
    date: str
    start: float
    end: float


def dates_in(text: str, said_at: float | None, *, ahead: bool | None = None) -> tuple[Dated, ...]:
    """The dates that a text names. ``said_at``: when it was said (seconds); without it relative ones are left out.

    ``ahead``: whether what leaves its year or week open is to come; None reads it from the verb.
    """
    found: list[Dated] = []
    for match in _PHRASE.finditer(text[:_LONG]):
        kind = match.lastgroup or ""
        needs_base = kind in ("ago", "day", "weekday", "span", "month")
        if needs_base and said_at is None:
            continue
        to_come = lies_ahead(text, *match.span()) if ahead is None else ahead
        read = _read(kind, match.group().lower(), None if said_at is None else _day(said_at), to_come)
        if read is not None and all(read != one.date for one in found):
            start, end = interval(read)
            found.append(Dated(match.group(), read, start, end))
        if len(found) == _MOST:
            break
    return tuple(found)


def interval(iso: str) -> tuple[float, float]:
    """The seconds that an ISO text covers: [start, end)."""
    first, _, last = iso.partition("/")
    start, end = _ends(first)
    return _seconds(start), _seconds(_ends(last)[1] if last else end)


def dated(draft: Draft, now: float) -> Draft:
    """The draft with its dates as attributes and, if it is a fact of one claim, its subject and for how long it holds.

    ``now`` stands in for the session's date of what is said now. Passages of documents are left alone.
    """
    if draft.kind not in _KINDS or draft.trust not in (Trust.USER, Trust.TOOL) or DATES in draft.attributes:
        return draft
    at = draft.valid_from if draft.valid_from is not None else now
    found = dates_in(draft.body, at)
    changes: dict[str, Any] = {}
    if found:
        plain = [{"text": one.text, "date": one.date} for one in found]
        changes["attributes"] = {**draft.attributes, DATES: plain}
    claims = claims_of(draft.body) if draft.kind == "fact" else ()
    if len(claims) == 1:
        changes |= _validity(draft, claims[0], at)
        if draft.subject is None:
            changes["subject"] = claims[0].subject  # so that what is said of it later finds it
    return replace(draft, **changes) if changes else draft


def _validity(draft: Draft, claim: Claim, at: float) -> dict[str, Any]:
    """Since when and until when a statement says that it holds."""
    out: dict[str, Any] = {}
    if draft.valid_from is None and (since := begins(claim, at)) is not None:
        out["valid_from"] = since
    if draft.valid_to is None and (until := ends(claim, at)) is not None:
        out["valid_to"] = until
    return out


def begins(claim: Claim, at: float) -> float | None:
    """From when a claim says that it holds; "since May" is behind whoever says so at ``at``, "as of May" ahead."""
    if claim.since is None:
        return None
    behind = re.search(rf"\bsince\W+{re.escape(claim.since)}", claim.sentence, re.IGNORECASE) is not None
    found = named(claim.since, at, ahead=not behind)
    return None if found is None else found.start


def ends(claim: Claim, at: float) -> float | None:
    """Until when a claim says that it holds."""
    found = None if claim.until is None else named(claim.until, at, ahead=None if claim.over else True)
    return None if found is None else found.start


def named(words: str, at: float | None, *, ahead: bool | None = None) -> Dated | None:
    """The date that bare words name ("Friday", "March", "12 May")."""
    for text in (words, f"in {words}", f"on {words}"):
        if found := dates_in(text, at, ahead=ahead):
            return found[0]
    return None


def dates_of(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(the words, ISO text) of a record's dates."""
    kept = attributes.get(DATES)
    return [(str(d["text"]), str(d["date"])) for d in kept] if isinstance(kept, list) else []


def spoken(iso: str) -> str:
    """An ISO text as people write it: "5 May 2023", "May 2023", "2023", "1 to 7 May 2023"."""
    first, _, last = iso.partition("/")
    if last:
        within = first[:-2] == last[:-2] and len(first) == 10  # two days of one month
        return f"{int(first[-2:]) if within else spoken(first)} to {spoken(last)}"
    parts = [int(part) for part in first.split("-")]
    if len(parts) == 1:
        return first
    month = f"{date(parts[0], parts[1], 1):%B} {parts[0]}"
    return month if len(parts) == 2 else f"{parts[2]} {month}"


# ---- reading one phrase


@lru_cache(maxsize=4096)
def _read(kind: str, phrase: str, base: date | None, ahead: bool) -> str | None:
    """The ISO text of a phrase; None when it cannot be read."""
    if kind == "iso":
        return phrase if _is_date(phrase) else None
    if kind == "year":
        return phrase[-4:]
    assert base is not None or kind in ("absolute", "numeric", "range"), "relative phrases come with a base"
    if kind == "span" and base is not None:
        return _span(phrase, base)
    if kind == "ago" and base is not None:
        return _shifted(phrase, base)
    if kind == "month" and base is not None:
        return _month(phrase, base, ahead)
    if kind == "weekday" and base is not None:
        return _weekday(phrase, base, ahead)
    if kind == "range":
        return _range(phrase, base, ahead)
    if kind == "day" and base is not None:
        days = {"yesterday": -1, "last night": -1, "tomorrow": 1, "the day before yesterday": -2}
        shift = days.get(phrase, 2 if phrase.startswith("the day after") else 0)
        return (base + timedelta(days=shift)).isoformat()
    return _parsed(phrase, base, ahead)


def _parsed(phrase: str, base: date | None, ahead: bool) -> str | None:
    import dateparser

    has_year = re.search(r"\d{4}", phrase) is not None
    if base is None and not has_year:
        return None
    settings: dict[str, Any] = {
        "PREFER_DATES_FROM": "future" if ahead else "past",
        "PREFER_DAY_OF_MONTH": "first",
        "DATE_ORDER": "DMY",
        "RETURN_AS_TIMEZONE_AWARE": False,
    }
    if base is not None:
        # "the letter of 2 March is here": what has only just been is not a year away
        counted = base - timedelta(days=_JUST) if ahead else base
        settings["RELATIVE_BASE"] = datetime(counted.year, counted.month, counted.day)
    moment = dateparser.parse(phrase.replace(" of ", " "), languages=["en"], settings=settings)
    if moment is None:
        return None
    exact = re.search(r"(?<!\d)\d{1,2}(?!\d)", phrase) is not None
    return moment.date().isoformat() if exact else f"{moment:%Y-%m}"


def _range(phrase: str, base: date | None, ahead: bool) -> str | None:
    """ "3 to 17 August": both days of the one month."""
    found = re.match(r"(\d+)\D+?(\d+)(?:st|nd|rd|th)?(?: of)? (.+)", phrase)
    assert found is not None, "the form that the phrase was found by"
    until = _parsed(f"{found[2]} {found[3]}", base, ahead)
    since = f"{(until or '')[:-2]}{int(found[1]):02d}"
    return f"{since}/{until}" if until is not None and _is_date(since) and since < until else until


def _shifted(phrase: str, base: date) -> str | None:
    found = re.match(rf"({_COUNT}) (day|week|month|year)s? (\w+)", phrase)
    if found is None:
        return None
    count = int(found[1]) if found[1].isdigit() else _NUMBERS.get(found[1])
    if count is None or count > 1000:
        return None  # "a few" is no number
    count = count if found[3] in ("later", "from") else -count
    if found[2] == "year":
        return str(base.year + count)
    if found[2] == "month":
        months = base.year * 12 + base.month - 1 + count
        return f"{months // 12:04d}-{months % 12 + 1:02d}"
    if found[2] == "week":
        return _week(base + timedelta(weeks=count))
    return (base + timedelta(days=count)).isoformat()


def _week(day: date) -> str:
    monday = day - timedelta(days=day.weekday())
    return f"{monday.isoformat()}/{(monday + timedelta(days=6)).isoformat()}"


def _weekday(phrase: str, base: date, ahead: bool) -> str:
    which, _, name = phrase.partition(" ")
    away = _DAYS.split("|").index(name) - base.weekday()
    if which == "this":
        away = away % 7
    elif which == "next" or (ahead and which not in ("last", "since")):
        away = away % 7 or 7
    else:
        away = -(-away % 7) or (-7 if which == "last" else 0)
    return (base + timedelta(days=away)).isoformat()


def _month(phrase: str, base: date, ahead: bool) -> str:
    which, _, name = phrase.partition(" ")
    month = datetime.strptime(name[:3], "%b").month
    ahead = which in ("next", "until", "by") or (ahead and which not in ("last", "since"))
    year = base.year + (1 if ahead and month < base.month else -1 if not ahead and month > base.month else 0)
    return f"{year:04d}-{month:02d}"


def _span(phrase: str, base: date) -> str | None:
    which, _, unit = phrase.partition(" ")
    step = {"last": -1, "this": 0, "next": 1}[which]
    if unit == "year":
        return str(base.year + step)
    if unit == "month":
        months = base.year * 12 + base.month - 1 + step
        return f"{months // 12:04d}-{months % 12 + 1:02d}"
    if unit.startswith("week"):
        monday, sunday = _week(base + timedelta(weeks=step)).split("/")
        saturday = (date.fromisoformat(sunday) - timedelta(days=1)).isoformat()
        return f"{saturday if unit == 'weekend' else monday}/{sunday}"
    first_month, last_month = _SEASONS[unit]
    year = base.year + step + (1 if which == "last" and base.month > last_month > first_month else 0)
    return f"{year:04d}-{first_month:02d}/{year + (last_month < first_month):04d}-{last_month:02d}"


def _is_date(iso: str) -> bool:
    try:
        _ends(iso)
    except ValueError:
        return False
    return True


def _ends(iso: str) -> tuple[date, date]:
    """The first day of an ISO text and the first day after it."""
    parts = [int(part) for part in iso.split("-")]
    if len(parts) == 1:
        return date(parts[0], 1, 1), date(parts[0] + 1, 1, 1)
    if len(parts) == 2:
        first = date(parts[0], parts[1], 1)
        return first, (first + timedelta(days=32)).replace(day=1)
    day = date(*parts)
    return day, day + timedelta(days=1)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
