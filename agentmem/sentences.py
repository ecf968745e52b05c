"""Cuts text into sentences and words, for quoting. No model; works for any script that marks its sentence ends."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[^\sa-z])|(?<=[。！？])|\n{2,}|\n(?=\s*[-*•#])")
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|Nr|vs|etc|e\.g|i\.e|bzw|ca|Jr|Sr|[A-Z])\.$")
QUESTION_MARKS = ("?", "？", "؟", "⁇")
"""How a question ends, in several scripts."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

STOP_WORDS = frozenset(
    """a about after again all also am an and any are as at be because been before being but by can could did do does
    doing for from get gets go goes got had has have having he her here hers him his how i if in into is it its just may
    me might more most much must my no nor not now of off on once one only or other our ours out over own s same shall
    she should so some still such t than that the their theirs them then there these they this those through to too
    under until up us very was we were what when where which while who whom whose why will with would yes you your
    yours please tell know find many d ll re ve""".split()
)


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order; abbreviations do not end one."""
    return list(_cut(text))


@lru_cache(maxsize=1024)  # one answer cuts the same few texts again and again
def _cut(text: str) -> tuple[str, ...]:
    out: list[str] = []
    for piece in _END.split(text):
        stripped = piece.strip()
        if not stripped:
            continue
        if out and _ABBREVIATION.search(out[-1]):
            out[-1] = f"{out[-1]} {stripped}"
        else:
            out.append(stripped)
    return tuple(out)


def words(text: str) -> list[str]:
    """The words of a text, folded and stripped of accents."""
    if text.isascii():  # nothing to fold: most texts, in a tenth of the time
        return _WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(c for c in folded if not unicodedata.combining(c)).replace("’", "'"))


_IRREGULAR = dict(
    pair.split("/")[::-1]
    for pair in "become/became begin/began bite/bit blow/blew break/broke bring/brought build/built buy/bought "
    "catch/caught choose/chose come/came dig/dug draw/drew drink/drank drive/drove eat/ate fall/fell feed/fed "
    "feel/felt fight/fought find/found fly/flew forget/forgot freeze/froze give/gave grow/grew hang/hung hear/heard "
    "hide/hid hold/held keep/kept know/knew learn/learnt leave/left lend/lent lose/lost make/made mean/meant meet/met "
    "pay/paid ride/rode ring/rang rise/rose run/ran say/said see/saw sell/sold send/sent sing/sang sit/sat sleep/slept "
    "speak/spoke spend/spent stand/stood steal/stole swim/swam take/took teach/taught tell/told think/thought "
    "throw/threw understand/understood wake/woke wear/wore win/won write/wrote child/children man/men woman/women "
    "foot/feet tooth/teeth mouse/mice".split()
)
"""Words that a stem does not bring together: 'bought' meets 'buy'."""


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A light English stem, so that 'moved' meets 'moves'; other languages pass through."""
    word = word.removesuffix("'s")
    word = _IRREGULAR.get(word, word)
    for ending, least in (("ies", 4), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4), ("ly", 6)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            cut = word[: -len(ending)] + ("y" if ending == "ies" else "")
            if len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "aeiouls":
                cut = cut[:-1]
            return cut.removesuffix("e")
    return word.removesuffix("e") if len(word) > 4 else word


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order."""
    return [stem(w) for w in words(text) if w.removesuffix("'s") not in STOP_WORDS]


@lru_cache(maxsize=4096)
def stem_set(text: str) -> frozenset[str]:
    """The same, each once; kept for texts that are compared with many."""
    return frozenset(content_stems(text))


def covered(stems: frozenset[str], text: str) -> frozenset[str]:
    """Those of the stems that a text holds."""
    told = stem_set(text)
    return frozenset(word for word in stems if is_held(word, told))


@lru_cache(maxsize=4096)
def _beginnings(told: frozenset[str]) -> frozenset[str]:
    return frozenset(word[:5] for word in told)


def is_held(word: str, told: frozenset[str]) -> bool:
    """Whether a word is among others, or one that begins alike ("citizen", "citizenship")."""
    return word in told or (len(word) >= 5 and word[:5] in _beginnings(told))
