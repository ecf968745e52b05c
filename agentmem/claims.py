"""What a sentence claims, read from its words alone: of what, in which respect, and with which value.

Only claims that can hold one value at a time are read ("the harbour office is at Pier 4", "Clara's birthday is 4 May");
"Clara likes tea" contradicts nothing and is no claim here. No model, no store; the wordings are in `agentmem.wordings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from agentmem import wordings as w
from agentmem.clauses import clauses, pointed_back
from agentmem.sentences import sentences, stem, words
from agentmem.wordings import CALLED_OFF, EMPLOYER, HOME, IS, PLACE, TIME

__all__ = ["EMPLOYER", "IS", "PLACE", "TIME", "Claim", "claim_of", "claims_of", "contradict", "pieces"]


@dataclass(frozen=True, slots=True)
class Claim:
    """``subject`` and ``relation`` are folded for comparison, ``value`` is as written.

    ``sentence`` is the piece of a text that claims it (see `pieces`), ``said`` the same with what its "she" or "it"
    stands for. ``of`` is the subject as written. ``over``: the sentence says that the value no longer holds. ``past``:
    it says that the value held once. ``old``: the value that it names as the earlier one; ``since`` and ``until`` are
    the sentence's own words for when it holds, unread.
    """

    subject: str
    relation: str
    value: str
    sentence: str
    over: bool = False
    old: str | None = None
    since: str | None = None
    until: str | None = None
    past: bool = False
    of: str = ""
    said: str = ""

    @property
    def shape(self) -> str:
        return shape(self.value)

    @property
    def changes(self) -> bool:
        """Whether the sentence itself says that something is different from before."""
        return self.over or self.old is not None or w.DIFFERENT.search(self.sentence) is not None

    @property
    def referent(self) -> str | None:
        """What "she" or "it" in the next sentence stands for, in words; None when that cannot be told."""
        names_it = self.relation in (IS, "name") and self.shape == "name" and not self.over
        if w.OWN.fullmatch(self.of) or not self.of or (not names_it and self.shape == "name" and " of " in self.said):
            return None
        return f"{self.of} {self.value}" if names_it else self.of


@lru_cache(maxsize=2048)
def pieces(text: str) -> tuple[str, ...]:
    """The sentences of a text, each that makes several claims cut into one clause a claim.

    "Tom lives in Oslo and works for Norda" is "Tom lives in Oslo." and "Tom works for Norda."
    """
    return tuple(piece for sentence in sentences(text)[:40] for piece in _cut(sentence))


def _cut(sentence: str) -> list[str]:
    for left, right, joined in clauses(sentence):
        first = claim_of(left)
        if first is None and not (joined and w.STARTS.match(right)):
            continue
        in_full = (pointed_back(right, first.referent), f"{first.of} {right}") if first is not None else ()
        clause = next((text for text in (right, *in_full) if text and claim_of(text) is not None), None)
        if clause is not None:
            return [left, *_cut(clause)]
    return [sentence]


def claims_of(text: str, speaker: str | None = None, before: Claim | None = None) -> tuple[Claim, ...]:
    """The claims of a text, at most one a piece. ``speaker``: whose "my" and "I" it is.

    A piece that begins with "she" or "it" speaks of what the piece before it claimed something of; ``before`` is what
    was claimed last, before the text.
    """
    found: list[Claim] = []
    last = before
    for piece in pieces(text):
        said = pointed_back(w.LEAD.sub("", piece), last.referent if last is not None else None)
        claim = claim_of(said or piece, speaker or "user")
        last = claim
        if claim is not None:
            found.append(replace(claim, sentence=piece, said=said or piece))
    return tuple(found)


@lru_cache(maxsize=4096)
def claim_of(sentence: str, speaker: str = "user") -> Claim | None:
    """The claim of one sentence; None when it makes none that can be told."""
    if not w.VERB.search(sentence):
        return None
    text = w.LEAD.sub("", " ".join(sentence.split()).rstrip(".!… "))
    if w.HEDGED.search(text) or w.HEDGED.match(sentence) or len(text) > 300:
        return None
    since = until = old = None
    if (found := w.SINCE_FIRST.match(text)) and _opens_with_time(found, "since"):
        since, text = found["since"], text[found.end() :]
    if (found := w.UNTIL_FIRST.match(text)) and _opens_with_time(found, "until"):
        until, text = found["until"], text[found.end() :]
    text = w.OPENING.sub("", text)
    if until is None and (found := w.UNTIL.search(text)):
        until, text = found["until"], text[: found.start()] + text[found.end() :]
    if found := w.SINCE.search(text):
        since, text = found["since"] or found["from"], text[: found.start()] + text[found.end() :]
    if found := w.NOT_BUT.search(text) or w.AND_NOT.search(text):
        old, text = found["old"], text[: found.start()] + text[found.end() :]
    text = re.sub(r"\bused to be\b", "formerly was", text)
    over = bool(w.NOT.search(text) or w.FORMERLY.search(text))
    text = w.TAIL.sub("", w.FORMERLY.sub("", w.NOT.sub(_plain_verb, text)))
    text = re.sub(r"\s+", " ", text).strip()
    for relation, pattern in w.FORMS:
        if (found := pattern.match(text)) and not _cuts_clause(found):
            claim = _made(found, relation, sentence, speaker)
            if claim is not None:
                return replace(claim, over=over, since=since, until=until, old=claim.old or old)
    return None


def _opens_with_time(found: re.Match[str], name: str) -> bool:
    """Whether a comma ends what opens the sentence, or it looks like a time ("Starting pitcher is …" does not)."""
    return "," in found.group() or w.TIME_WORD.search(found[name]) is not None


def _cuts_clause(found: re.Match[str]) -> bool:
    """Whether a form took a clause's verb for the sentence's ("the company she works for | is Velmsoft")."""
    return w.CLAUSE.search(found["sub"]) is not None or w.VERB_FIRST.match(found["val"]) is not None


def _plain_verb(found: re.Match[str]) -> str:
    verb = (found["verb"] or "").lower()
    return verb if verb in ("is", "are", "was", "were") else ""


def _made(found: re.Match[str], relation: str, sentence: str, speaker: str) -> Claim | None:
    parts = found.groupdict()
    told = w.AFTER.split(parts["val"].strip())[0]
    if relation in (HOME, EMPLOYER) or w.MOVED.search(found.string):
        told = w.WHEN.sub("", told)
    value = w.VALUE_FRAME.sub("", told).strip(" ,;:\"'“”")
    subject = _subject(parts["sub"], speaker)
    ago = relation in (PLACE, HOME, EMPLOYER, IS) or (" of " in found.group() and not relation)
    if not relation:
        relation = " ".join(stem(word) for word in words(parts["rel"]) if word not in w.OUTDATED) or IS
    kind = shape(value)
    if relation == PLACE and (hour := w.HOUR.match(value)):
        relation, value = TIME, hour["hour"]  # "at 7", "at 7 at Luigi's"
    elif relation in (PLACE, IS) and kind == "time":
        relation = TIME
    bare = relation == IS and kind == "other"
    if not subject or not value or bare or len(subject.split()) > 10 or w.POINTS_BACK.match(parts["sub"]):
        return None
    between = found.string[min(found.end("sub"), found.end("val")) : max(found.start("sub"), found.start("val"))]
    past = ago and kind != "time" and w.AGO.search(between) is not None and w.DIFFERENT.search(between) is None
    return Claim(
        subject, relation, value, sentence, old=parts.get("old"), past=past, of=parts["sub"].strip(), said=sentence
    )


def _subject(text: str, speaker: str) -> str:
    owned = w.OWN.sub("", text.strip())
    mine = owned != text.strip()
    folded = folded_value(owned)
    return f"{speaker.casefold()}'s {folded}".removesuffix("'s ") if mine else folded


@lru_cache(maxsize=4096)
def folded_value(text: str) -> str:
    """A value or a subject for comparison: lower case, no articles, no signs, no possessive."""
    return " ".join(word.removesuffix("'s") for word in words(w.ARTICLE.sub("", text.strip())))


@lru_cache(maxsize=4096)
def shape(value: str) -> str:
    """What a value looks like: "time", "number", "name" or "other"."""
    if w.CLOCK.search(value) or w.DAY.search(value):
        return "time"
    if re.search(r"\b[A-ZÀ-Þ][^\W\d_]", w.ARTICLE.sub("", value)):
        return "name"
    return "number" if re.search(r"\d", value) else "other"


def agree(one: str, other: str) -> bool:
    """Whether two values say the same, or one says it more exactly ("Pier 6", "Pier 6 next to the ferry")."""
    a, b = folded_value(one).split(), folded_value(other).split()
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    return bool(short) and any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def same_matter(one: Claim, other: Claim) -> bool:
    """Whether two claims are about the same thing in the same respect, so that only one value can hold at a time."""
    if one.subject != other.subject:
        return False
    respects = {one.relation, other.relation}
    if CALLED_OFF in respects:  # then it is at no time and in no place
        return respects <= {CALLED_OFF, TIME, PLACE}
    if respects == {PLACE, HOME}:  # whoever moved lives elsewhere; whoever is elsewhere need not
        return any(w.MOVED.search(claim.sentence) for claim in (one, other) if claim.relation == PLACE)
    if len(respects) > 1 or not _same_time(one, other):
        return False
    if one.relation == TIME:
        return True
    return one.shape == other.shape if "time" in (one.shape, other.shape) or one.relation == IS else True


def _same_time(one: Claim, other: Claim) -> bool:
    """Whether two times exclude each other: a day and an hour do not, nor do the hours of two weekdays."""
    values = (one.value, other.value)
    days = [w.DAY.search(value) is not None for value in values]
    if one.relation == TIME:
        hours = [w.CLOCK.search(value) is not None or not day for value, day in zip(values, days, strict=True)]
        return all(days) or all(hours)
    weekdays = [frozenset(word.lower() for word in w.WEEKDAY.findall(value)) for value in values]
    with_hours = all(re.search(r"\d", w.WEEKDAY.sub("", value)) for value in values)
    return weekdays[0] == weekdays[1] or not (all(weekdays) and with_hours)


def contradict(one: Claim, other: Claim) -> bool:
    """Whether two claims cannot hold at the same time."""
    if not same_matter(one, other) or one.past != other.past:
        return False
    if one.over == other.over:
        beside = _may_be_several(one) and not (one.changes or other.changes)
        return not one.over and not beside and not agree(one.value, other.value)
    return agree(one.value, other.value)


def _may_be_several(claim: Claim) -> bool:
    of = claim.subject if claim.relation in (IS, "name") else claim.relation
    return bool(of) and of.split()[-1] in w.MANY


def names_in(text: str) -> list[str]:
    """Stretches of capitalised words (with "of", "the", "de" … between two of them), as written, each once."""
    out: list[str] = []
    for found in _NAME.finditer(text):
        name = found.group().strip()
        opens = found.start() == 0 or text[: found.start()].rstrip().endswith((".", "!", "?", ":"))
        first, _, rest = name.partition(" ")
        if opens and first.lower() in _OPENERS:
            name = rest
        if name and name not in out:
            out.append(name)
    return out


_CAPITAL = r"(?:[^\W\d_a-zß-ÿ][\w'’.&-]*|\d+)"
_JOIN = r"(?:\.? | (?:of|the|de|von|van|der|and|for|la|du|in)(?: the)? )"
_NAME = re.compile(rf"\b[^\W\d_a-zß-ÿ][\w'’&-]*(?:{_JOIN}{_CAPITAL})*")
_OPENERS = frozenset(
    "the a an what which who whom whose where when why how in on at of from to for is are was were do does did can "
    "could i my our we it its his her their he she they there this that these those and but if name tell".split()
)
