"""The wordings in which a sentence claims something: tables for `agentmem.claims`, and nothing else. English.

Each table is one kind of words; a pattern names the groups ``sub`` (of what), ``rel`` (in which respect, where it is
said), ``val`` (the value) and ``old`` (an earlier value).
"""

from __future__ import annotations

import re

PLACE, HOME, EMPLOYER, TIME, IS, CALLED_OFF = "place", "home", "employer", "time", "is", "called off"
"""Relations with many wordings; IS is that of a thing which has the value itself ("the rent is 900 euros")."""
WHEREABOUTS = "whereabouts"
"""Where somebody is just now ("I am in Rome"), which says nothing of where they live."""

_BE = r"(?:is|are|was|were|has been|have been|became|will be|remains)"
_NOW = r"(?: now| currently| still| officially| today| again)?"
_PREPOSITION = r"(?:next to|in front of|in|at|on|behind|near|under|above|below|between|inside|opposite|beside|by)"
_CHANGED = (
    r"moved|relocated|transferred|changed|switched|raised|lowered|reduced|increased|renamed|postponed|rescheduled|"
    r"rose|fell|dropped|shifted|delayed|extended|pushed|brought"
)
_CHANGE = (
    r"(?:(?:has |have |was |were |is being |has been |have been |got )?(?:just |since |now |recently )?"
    rf"(?:{_CHANGED})(?: back| forward)?(?: from (?P<old>.+?))? to)"
)
_WORKS, _DWELLS, _STANDS = r"works?|worked", r"lives?|lived|resides?", r"stands?|sits?|stays?"
_DOES = (
    r"costs?|weighs?|opens?|closes?|starts?|begins?|ends?|departs?|leaves?|arrives?|runs?|died|plays? the (?:sport|"
    r"position)|speaks? the language|reports?|belongs?|measures?"
)
VERB = re.compile(
    rf"\b(?:is|are|was|were|am|has|have|got|became|will|remains|used|{_CHANGED}|{_WORKS}|{_DWELLS}|{_STANDS}|{_DOES})",
    re.IGNORECASE,
)
"""How the verb of every form begins ("isn't", "has now been", "used to be"); most sentences have none of them."""
VERB_FIRST = re.compile(rf"{_BE}\b", re.IGNORECASE)
CLAUSE = re.compile(r"\b(?:that|which|who)$", re.IGNORECASE)
"""With these two a form is known to have taken a clause's verb for the sentence's."""
DIFFERENT = re.compile(
    r"\b(?:now|no longer|any ?more|instead|moved|relocated|transferred|changed|switched|raised|lowered|reduced|"
    r"increased|renamed|postponed|rescheduled|rose|fell|dropped|delayed|extended|pushed|became|called off|cancell?ed|"
    r"the new)\b",
    re.IGNORECASE,
)
"""Words by which a sentence says that something is not as it was."""

# ---- what stands around a claim

LEAD = re.compile(
    r"^(?:(?:actually|correction|update|note|no|nope|yes|well|so|also|by the way|btw|fyi|for the record"
    r"|remember|from the records|it is known|news|sorry|oops|wait|hm+|i meant?|and now)\b\s*[,:;.-]?\s+"
    r"|(?:that|and|but|now)\s+)+",
    re.IGNORECASE,
)
OPENING = re.compile(  # "just kidding, my cat …", "we changed the plan: the party …"
    r"^(?!according|for |if |when |says? |in the opinion)(?:[\w'’]+ ){0,4}[\w'’]+[,:] "
    r"(?=(?:i|we|he|she|it|they|my|our|his|her|its|their|the|this|that)\b)",
    re.IGNORECASE,
)
HEDGED = re.compile(
    r"^(?:if|when|whether|would|maybe|perhaps|suppose|imagine)\b|[?？؟]$|\b(?:might|may be|could be)\b", re.IGNORECASE
)
_THEN = r"(?:,\s+|\s+(?=(?:the|my|our|his|her|their|i|we|he|she|they|it)\b))"  # where a time that opens a sentence ends
UNTIL_FIRST = re.compile(rf"^(?:until|till|up to)\s+(?P<until>[^,]{{3,40}}?){_THEN}", re.IGNORECASE)
SINCE_FIRST = re.compile(
    rf"^(?:as of|since|starting|effective|from)\s+(?P<since>[^,]{{3,40}}?)(?:\s+on(?:wards?)?)?{_THEN}", re.IGNORECASE
)
UNTIL = re.compile(r"[,;]?\s*\b(?:until|till|up to)\s+(?P<until>(?=\S*\d|[A-Z]|next|last)[^,;]+?)(?=$|[,;])")
SINCE = re.compile(
    r"[,;]?\s*\b(?:(?:as of|since|starting|effective)\s+(?P<since>(?:\S*\d|[A-Z]|next|last)[^,;]*?)(?=$|[,;])"
    r"|from\s+(?P<from>[^,;]{3,30}?)\s+on(?:wards?)?\b)"
)
TAIL = re.compile(
    r"[,;]?\s+(?:these days|any ?more|any longer|at the moment|today|instead)$|\b(?:now|currently)\b", re.IGNORECASE
)

# ---- what no longer holds, and what never did

FORMERLY = re.compile(
    r"\b(?:used to|formerly|previously|(?<=was )once|(?<=were )once|former|previous|no longer|ex-)\b", re.IGNORECASE
)
NOT = re.compile(
    r"\b(?P<verb>is|are|was|were|does|do|did|has|have)(?:n['’]t| (?:\w+ly )?not)\b|\bno longer\b", re.IGNORECASE
)
NOT_BUT = re.compile(r"\bnot (?P<old>[^,]{1,60}?),? but (?:rather )?", re.IGNORECASE)
AND_NOT = re.compile(
    r"(?<!is)(?<!are)(?<!was)(?<!were)(?<!do)(?<!does)(?<!did)(?<!has)(?<!have)(?<!['’]s),? (?:and |but )?"
    r"(?:not|instead of|rather than) (?P<old>[^,;]{1,60})$",
    re.IGNORECASE,
)
"""An earlier value set against the one that holds: "on Tuesday, not Monday"; not the denial "is not Monday"."""
AGO = re.compile(r"\b(?:was|were|had been|lived|worked|resided|stood|stayed|sat)\b", re.IGNORECASE)
"""Verbs of what was so once, which says nothing of now."""

# ---- the forms of a claim: (relation, or "" where the words name it; pattern)

_NO_EMPLOYER = r"(?!night|home|work|noon|weekends?|the moment|the weekend|once|least|all)"
_NO_NAME = r"(?!(?:this|that|it|he|she|they|who|what|yesterday|today|tomorrow)\b)"
FORMS = tuple(
    (relation, re.compile(pattern, re.IGNORECASE))
    for relation, pattern in (
        (CALLED_OFF, rf"^(?P<sub>.+?) (?:{_BE}|got){_NOW} (?P<val>cancell?ed|called off)\b"),
        ("", rf"^(?:the |an? )?(?P<rel>[^,']+?) of (?P<sub>.+?) (?:{_BE}|{_CHANGE}){_NOW} (?P<val>.+)$"),
        ("", rf"^(?P<sub>[^,]+?)['’]s (?P<rel>[^,]+?) (?:{_BE}|{_CHANGE}){_NOW} (?P<val>.+)$"),
        (PLACE, rf"^(?P<sub>.+?) (?=[^,]*\b(?:moved|relocated|transferred)\b){_CHANGE} (?P<val>.+)$"),
        (IS, rf"^(?P<sub>.+?) {_CHANGE} (?P<val>.+)$"),
        (EMPLOYER, rf"^(?P<sub>.+?) (?:{_WORKS}){_NOW} (?:for|at) {_NO_EMPLOYER}(?P<val>.+)$"),
        (EMPLOYER, rf"^(?P<sub>.+?) {_BE}{_NOW} employed (?:by|at) (?P<val>.+)$"),
        (HOME, rf"^(?P<sub>.+?) (?:{_DWELLS}){_NOW} {_PREPOSITION} (?P<val>.+)$"),
        (
            PLACE,
            rf"^(?P<sub>.+?) (?:(?:{_BE}{_NOW} (?:located|situated|based|housed|found|kept|stored)|"
            rf"{_STANDS}){_NOW} {_PREPOSITION}) (?P<val>.+)$",
        ),
        ("name", rf"^(?P<sub>.+?) {_BE}{_NOW} (?:called|named|known as) (?P<val>.+)$"),
        (
            "",
            rf"^(?P<sub>.+?) {_BE}{_NOW} (?P<rel>\w+(?:ed|en|n|t|d) (?:by|in|at|on|to|for|from|with|as)) (?P<val>.+)$",
        ),
        (WHEREABOUTS, rf"^(?P<sub>i|we) (?:am|are|was|were|have been|will be){_NOW} {_PREPOSITION} (?P<val>.+)$"),
        (PLACE, rf"^(?P<sub>.+?) {_BE}{_NOW} {_PREPOSITION} (?P<val>.+)$"),
        (
            "",
            rf"^(?P<sub>.+?) (?P<rel>{_DOES})"
            r"(?: (?:at|in|on|to|for|from|of))? (?P<val>.+)$",
        ),
        (IS, rf"^{_NO_NAME}(?P<val>[^\W\d_].*?) {_BE}{_NOW} (?P<sub>(?:my|our) .+)$"),
        (IS, rf"^(?P<sub>(?:the|my|our|his|her|their) .+?) {_BE}{_NOW} (?P<val>.+)$"),
        ("", rf"^(?P<val>.+?) {_BE}{_NOW} the (?:new |current |present )?(?P<rel>[\w -]+?) of (?P<sub>.+)$"),
    )
)

VALUE_FRAME = re.compile(
    rf"^(?:(?:located|situated|based|set|scheduled|due|planned|fixed) )?(?:{_PREPOSITION} )?"
    r"(?:the (?:[a-z]+ )?(?:city|country|continent|sport|language|religion|town|state|field|company|position|role)"
    r" of )?",
)
"""What stands before a value and is none of it."""
AFTER = re.compile(
    r", (?=(?:(?:and|but) )?(?:the|i|we|he|she|it|they|there|which|who|where|because|so)\b)"
    r"|\s(?=(?:when|while|because|so that) (?:i|we|he|she|it|they|the|my|our|his|her|their)\b)",
    re.IGNORECASE,
)
"""Where a value ends and something else begins."""
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
WHEN = re.compile(
    r"\s(?:in|on|during|since|from|for|last|this|next) (?:(?:the |last |this |next )?(?:week|month|year|summer|winter|"
    rf"spring|autumn)\w*|(?:19|20)\d\d|{_MONTH}|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b.*$"
    r"|\s(?:last|this|next) (?:week|month|year|summer|winter)$",
    re.IGNORECASE,
)
"""When somebody was at a place or worked for a firm; no part of the place or the firm."""
HOUR = re.compile(r"(?P<hour>\d{1,2}(?:[.:]\d\d)?(?: ?(?:am|pm|o['’]clock))?)(?=$| (?:at|in|on)\b)", re.IGNORECASE)
ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
OWN = re.compile(r"^(?:my|our)\s+|^(?:i|we)$", re.IGNORECASE)
POINTS_BACK = re.compile(
    r"^(?:(?P<who>he|she|it|they|this|that|these|those|there|who|which)\b|(?P<whose>his|her|its|their)\b)",
    re.IGNORECASE,
)
"""A subject that only what was said before can tell."""
OUTDATED = frozenset({"new", "current", "present", "latest", "updated", "actual", "name"})
STARTS = re.compile(r"(?:now |then )?(?:i|we|he|she|it|they|my|our|his|her|their|the)\b", re.IGNORECASE)
"""How a clause begins that has a subject of its own."""
MOVED = re.compile(r"\b(?:moved|relocated|transferred)\b", re.IGNORECASE)
MANY = frozenset(
    "son daughter child kid brother sister sibling twin friend cousin uncle aunt nephew niece grandchild grandson "
    "granddaughter colleague neighbour neighbor student teammate roommate flatmate employee member "
    "pet cat dog horse hobby".split()
)
"""Of these one may have several: another one takes no place unless the words say so."""
CLOCK = re.compile(
    r"\d{1,2}:\d\d|\b\d{1,2}\s?(?:am|pm)\b|\bnoon\b|midnight|o['’]clock|\b(?:morning|evening|tonight)\b", re.IGNORECASE
)
_WEEKDAY = r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun|week)day|weekend)s?\b"
WEEKDAY = re.compile(_WEEKDAY, re.IGNORECASE)
DAY = re.compile(
    rf"\b(?:19|20)\d\d\b|\b(?:{_MONTH})\b|{_WEEKDAY}|\btomorrow\b",
    re.IGNORECASE,
)
TIME_WORD = re.compile(rf"\d|\b(?:next|last|this|today)\b|{CLOCK.pattern}|{DAY.pattern}", re.IGNORECASE)
