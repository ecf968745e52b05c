"""What a sentence claims, read from its words alone: of what, in which respect, and with which value.

Only claims that can hold one value at a time are read ("the harbour office is at Pier 4", "Clara's birthday is 4 May");
"Clara likes tea" contradicts nothing and is no claim here. No model, no store; English wordings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from agentmem.sentences import sentences, stem, words

PLACE, EMPLOYER, TIME, IS = "place", "employer", "time", "is"
"""Relations with many wordings; IS is that of a thing which has the value itself ("the rent is 900 euros")."""

_BE = r"(?:is|are|was|were|has been|have been|became|will be|remains)"
_NOW = r"(?: now| currently| still| officially| today| again)?"
_PREPOSITION = r"(?:next to|in front of|in|at|on|behind|near|under|above|below|between|inside|opposite|beside|by)"
_CHANGED = (
    r"moved|relocated|transferred|changed|switched|raised|lowered|reduced|increased|renamed|postponed|rescheduled|"
    r"rose|fell|dropped|shifted"
)
_CHANGE = (
    r"(?:(?:has |have |was |were |is being |got )?(?:just |since |now |recently )?"
    rf"(?:{_CHANGED})(?: from (?P<old>.+?))? to)"
)
_WORKS = r"works?|worked"
_DWELLS = r"lives?|lived|resides?|stands?|sits?|stays?"
_DOES = (
    r"costs?|weighs?|opens?|closes?|starts?|begins?|ends?|departs?|leaves?|arrives?|runs?|died|plays?|speaks?|reports?|"
    r"belongs?|measures?"
)
# how the verb of every form begins ("isn't", "has now been", "used to be"); most sentences have none of them
_VERB = re.compile(
    rf"\b(?:is|are|was|were|has|have|became|will|remains|used|{_CHANGED}|{_WORKS}|{_DWELLS}|{_DOES})", re.IGNORECASE
)
_LEAD = re.compile(
    r"^(?:(?:actually|correction|update|note|no|yes|well|so|also|by the way|btw|fyi|for the record|remember|from the "
    r"records|it is known|news)\b\s*[,:;.-]?\s+|(?:that|and|but)\s+)+",
    re.IGNORECASE,
)
_SINCE = re.compile(
    r"[,;]?\s*\b(?:(?:as of|since|starting|effective)\s+(?P<since>(?:\S*\d|[A-Z]|next|last)[^,;]*?)(?=$|[,;])"
    r"|from\s+(?P<from>[^,;]{3,30}?)\s+on(?:wards?)?\b)"
)
_UNTIL = re.compile(r"[,;]?\s*\b(?:until|till|up to)\s+(?P<until>(?=\S*\d|[A-Z]|next|last)[^,;]+?)(?=$|[,;])")
_THEN = r"(?:,\s+|\s+(?=(?:the|my|our|his|her|their|i|we|he|she|they|it)\b))"  # where a time that opens a sentence ends
_UNTIL_FIRST = re.compile(rf"^(?:until|till|up to)\s+(?P<until>[^,]{{3,40}}?){_THEN}", re.IGNORECASE)
_SINCE_FIRST = re.compile(
    rf"^(?:as of|since|starting|effective|from)\s+(?P<since>[^,]{{3,40}}?)(?:\s+on(?:wards?)?)?{_THEN}", re.IGNORECASE
)
_TAIL = re.compile(r"[,;]?\s+(?:these days|any ?more|any longer|at the moment|today)$|\b(?:now|currently)\b", re.I)
_PAST = re.compile(
    r"\b(?:used to|formerly|previously|once|former|previous|no longer|not any ?more|ex-)\b", re.IGNORECASE
)
_NOT = re.compile(r"\b(?:is|are|was|were|does|do|has|have)(?:n['’]t| not)\b|\bno longer\b|\bnot\b", re.IGNORECASE)
_DIFFERENT = re.compile(
    r"\b(?:now|no longer|any ?more|instead|moved|relocated|transferred|changed|switched|raised|lowered|reduced|"
    r"increased|renamed|postponed|rescheduled|rose|fell|dropped|became|the new)\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"^(?:if|when|whether|would|maybe|perhaps|suppose|imagine)\b|\?$|\b(?:might|may be|could be)\b", re.I
)

_FORMS: tuple[tuple[str, str], ...] = (
    # (relation, or "" where the words name it; pattern)
    ("", rf"^(?:the |an? )?(?P<rel>[^,']+?) of (?P<sub>.+?) (?:{_BE}|{_CHANGE}){_NOW} (?P<val>.+)$"),
    ("", rf"^(?P<sub>[^,]+?)['’]s (?P<rel>[^,]+?) (?:{_BE}|{_CHANGE}){_NOW} (?P<val>.+)$"),
    (PLACE, rf"^(?P<sub>.+?) (?=[^,]*\b(?:moved|relocated|transferred)\b){_CHANGE} (?P<val>.+)$"),
    (IS, rf"^(?P<sub>.+?) {_CHANGE} (?P<val>.+)$"),
    (EMPLOYER, rf"^(?P<sub>.+?) (?:{_WORKS}){_NOW} (?:for|at) (?P<val>.+)$"),
    (EMPLOYER, rf"^(?P<sub>.+?) {_BE}{_NOW} employed (?:by|at) (?P<val>.+)$"),
    (
        PLACE,
        rf"^(?P<sub>.+?) (?:(?:{_BE}{_NOW} (?:located|situated|based|housed|found|kept|stored)|{_DWELLS}){_NOW} "
        rf"(?P<how>{_PREPOSITION})) (?P<val>.+)$",
    ),
    ("name", rf"^(?P<sub>.+?) {_BE}{_NOW} (?:called|named|known as) (?P<val>.+)$"),
    ("", rf"^(?P<sub>.+?) {_BE}{_NOW} (?P<rel>\w+(?:ed|en|n|t|d) (?:by|in|at|on|to|for|from|with|as)) (?P<val>.+)$"),
    (PLACE, rf"^(?P<sub>.+?) {_BE}{_NOW} (?P<how>{_PREPOSITION}) (?P<val>.+)$"),
    (
        "",
        rf"^(?P<sub>.+?) (?P<rel>{_DOES})(?: (?:at|in|on|to|for|from))? (?P<val>.+)$",
    ),
    (IS, rf"^(?P<sub>(?:the|my|our|his|her|their) .+?) {_BE}{_NOW} (?P<val>.+)$"),
)
_INVERSE = re.compile(rf"^(?P<val>.+?) {_BE}{_NOW} the (?:new |current |present )?(?P<rel>[\w -]+?) of (?P<sub>.+)$")
_COMPILED = tuple((relation, re.compile(pattern, re.IGNORECASE)) for relation, pattern in _FORMS)
_VALUE_FRAME = re.compile(
    rf"^(?:(?:located|situated|based|set|scheduled|due|planned|fixed) )?(?:{_PREPOSITION} )?"
    r"(?:the (?:[a-z]+ )?(?:city|country|continent|sport|language|religion|town|state|field|company|position|role)"
    r" of )?",
)
_CLAUSE = re.compile(r"\b(?:that|which|who)$", re.IGNORECASE)
_VERB_FIRST = re.compile(rf"{_BE}\b", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_OWN = re.compile(r"^(?:my|our)\s+|^(?:i|we)$", re.IGNORECASE)
_OUTDATED = frozenset({"new", "current", "present", "latest", "updated", "actual", "name"})
_CLOCK = re.compile(
    r"\d{1,2}:\d\d|\b\d{1,2}\s?(?:am|pm)\b|\b(?:19|20)\d\d\b|january|february|march|april|\bmay\b|june|july|august|"
    r"september|october|november|december|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\bnoon\b|midnight|o'clock|"
    r"\b(?:morning|evening|tomorrow|tonight|weekend)\b",
    re.IGNORECASE,
)
_TIME_WORD = re.compile(rf"\d|\b(?:next|last|this|today)\b|{_CLOCK.pattern}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Claim:
    """``subject`` and ``relation`` are folded for comparison, ``value`` is as written.

    ``over``: the sentence says that the value no longer holds. ``old``: the value that it names as the earlier one;
    ``since`` and ``until`` are the sentence's own words for when it holds, unread.
    """

    subject: str
    relation: str
    value: str
    sentence: str
    over: bool = False
    old: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def shape(self) -> str:
        return shape(self.value)

    @property
    def changes(self) -> bool:
        """Whether the sentence itself says that something is different from before."""
        return self.over or self.old is not None or _DIFFERENT.search(self.sentence) is not None


def claims_of(text: str, speaker: str | None = None) -> tuple[Claim, ...]:
    """The claims of a text's sentences, at most one a sentence. ``speaker``: whose "my" and "I" it is."""
    return tuple(c for s in sentences(text)[:40] if (c := claim_of(s, speaker or "user")) is not None)


@lru_cache(maxsize=4096)
def claim_of(sentence: str, speaker: str = "user") -> Claim | None:
    """The claim of one sentence; None when it makes none that can be told."""
    if not _VERB.search(sentence):
        return None
    text = _LEAD.sub("", " ".join(sentence.split()).rstrip(".!… "))
    if _HEDGED.search(text) or len(text) > 300:
        return None
    since = until = None
    if (found := _SINCE_FIRST.match(text)) and _opens_with_time(found, "since"):
        since, text = found["since"], text[found.end() :]
    if (found := _UNTIL_FIRST.match(text)) and _opens_with_time(found, "until"):
        until, text = found["until"], text[found.end() :]
    elif found := _UNTIL.search(text):
        until, text = found["until"], text[: found.start()] + text[found.end() :]
    if found := _SINCE.search(text):
        since, text = found["since"] or found["from"], text[: found.start()] + text[found.end() :]
    text = re.sub(r"\bused to be\b", "formerly was", text)
    over = bool(_NOT.search(text) or _PAST.search(text))
    text = _TAIL.sub("", _PAST.sub("", _NOT.sub(_plain_verb, text)))
    text = re.sub(r"\s+", " ", text).strip()
    for relation, pattern in (*_COMPILED, ("", _INVERSE)):
        if (found := pattern.match(text)) and not _cuts_clause(found):
            claim = _made(found, relation, sentence, speaker)
            return None if claim is None else replace(claim, over=over, since=since, until=until)
    return None


def _opens_with_time(found: re.Match[str], name: str) -> bool:
    """Whether a comma ends what opens the sentence, or it looks like a time ("Starting pitcher is …" does not)."""
    return "," in found.group() or _TIME_WORD.search(found[name]) is not None


def _cuts_clause(found: re.Match[str]) -> bool:
    """Whether a form took a clause's verb for the sentence's ("the company she works for | is Velmsoft")."""
    return _CLAUSE.search(found["sub"]) is not None or _VERB_FIRST.match(found["val"]) is not None


def _plain_verb(found: re.Match[str]) -> str:
    verb = re.match(r"(?:is|are|was|were)", found.group(), re.IGNORECASE)
    return verb.group() if verb else ""


def _made(found: re.Match[str], relation: str, sentence: str, speaker: str) -> Claim | None:
    parts = found.groupdict()
    value = _VALUE_FRAME.sub("", parts["val"].strip()).strip(" ,;:\"'“”")
    subject = _subject(parts["sub"], speaker)
    if not relation:
        relation = " ".join(stem(w) for w in words(parts["rel"]) if w not in _OUTDATED) or IS
    kind = shape(value)
    if relation in (PLACE, IS) and kind == "time":
        relation = TIME
    bare = relation == IS and kind == "other"
    if not subject or not value or bare or len(subject.split()) > 10:
        return None
    return Claim(subject, relation, value, sentence, old=parts.get("old"))


def _subject(text: str, speaker: str) -> str:
    owned = _OWN.sub("", text.strip())
    mine = owned != text.strip()
    folded = folded_value(owned)
    return f"{speaker.casefold()}'s {folded}".removesuffix("'s ") if mine else folded


@lru_cache(maxsize=4096)
def folded_value(text: str) -> str:
    """A value or a subject for comparison: lower case, no articles, no signs, no possessive."""
    return " ".join(word.removesuffix("'s") for word in words(_ARTICLE.sub("", text.strip())))


@lru_cache(maxsize=4096)
def shape(value: str) -> str:
    """What a value looks like: "time", "number", "name" or "other"."""
    if _CLOCK.search(value):
        return "time"
    if re.search(r"\b[A-ZÀ-Þ][^\W\d_]", value):
        return "name"
    return "number" if re.search(r"\d", value) else "other"


def agree(one: str, other: str) -> bool:
    """Whether two values say the same, or one says it more exactly ("Pier 6", "Pier 6 next to the ferry")."""
    a, b = folded_value(one).split(), folded_value(other).split()
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    return bool(short) and any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def same_matter(one: Claim, other: Claim) -> bool:
    """Whether two claims are about the same thing in the same respect, so that only one value can hold at a time."""
    if (one.subject, one.relation) != (other.subject, other.relation):
        return False
    return one.shape == other.shape if "time" in (one.shape, other.shape) or one.relation == IS else True


def contradict(one: Claim, other: Claim) -> bool:
    """Whether two claims cannot hold at the same time."""
    if not same_matter(one, other):
        return False
    if one.over == other.over:
        return not one.over and not agree(one.value, other.value)
    return agree(one.value, other.value)


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
