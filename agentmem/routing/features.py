"""Features of a question that cost nothing: its words, its names, and counts of what lies in scope.

No call of a model or a memory. Nothing that would give an evaluation set away: no record ids, no names of sets, no
templates, no type of the wanted answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from agentmem.records import Query, QueryKind, Recall
from agentmem.router import Situation

_NAME = re.compile(r"\b[A-Z][\w'’-]*[\w](?:\s+(?:(?:of|the|de|van|von)\s+)*[A-Z][\w'’-]*\w)*")
_FIRST = frozenset(
    """a about after also am an and are at before both but by can could did do does everything for from good had has
    have hello hey hi hmm how i if in is it its just let list may me my nice no not now of ok okay on one or our
    please quick remember say she since so sounds tell thank thanks that the their then there these they this those
    to until was we well were what when where which while who whom whose why will with would yes you your""".split()
)
_SMALL_TALK = re.compile(
    r"\b(hello|hi|hey|thanks?|thank you|good (morning|evening|night|day)|how are you|bye|goodbye|see you|nice|great|"
    r"cool|lol|haha|ok(ay)?|sure|welcome|cheers|sounds good|well done|awesome|wonderful|perfect|no problem|joke)\b"
)
_LINKS = re.compile(r"\b(whose|who|that|which|where|of the|in the)\b|['’]s\b")
_MINE = re.compile(r"\b(i|me|my|mine|we|us|our)\b")
_NOW = re.compile(r"\b(now|currently|today|latest|these days|still|recent(ly)?|at present)\b")
_ASKS = re.compile(r"^(who|what|when|where|which|whose|whom|why|how|is|are|was|were|do|does|did|has|have|can|could)\b")

NAMES = (
    "aggregate", "temporal", "global", "multi_hop", "words", "names", "telling", "numbers", "links", "asks",
    "small_talk", "mine", "now", "live", "turns", "chunks", "facts", "edits", "edited_subject", "known_subject",
)  # fmt: skip


def names_in(text: str) -> list[str]:
    """What a question names: runs of capitalised words, function words at the beginning of a sentence left out."""
    found: list[str] = []
    for match in _NAME.finditer(text):
        words = match.group().split()
        while words and (words[0].lower().strip("'’") in _FIRST or _SMALL_TALK.fullmatch(words[0].lower())):
            words = words[1:]
        name = re.sub(r"['’]s?$", "", " ".join(words))
        if len(name) > 1 and name not in found:
            found.append(name)
    return found


def features_of(query: Query, situation: Situation, kind: QueryKind) -> dict[str, float]:
    """All features by name, each about 0 to 1."""
    text = query.text
    lowered = text.lower()
    total = max(sum(situation.kinds.values()), 1)
    kinds = situation.kinds
    subjects = {k for found in situation.subjects.values() for k in found}
    return {
        "aggregate": float(kind is QueryKind.AGGREGATE),
        "temporal": float(kind is QueryKind.TEMPORAL),
        "global": float(kind is QueryKind.GLOBAL),
        "multi_hop": float(kind is QueryKind.MULTI_HOP),
        "words": min(len(lowered.split()), 30) / 30,
        "names": min(len(names_in(text)), 3) / 3,
        "telling": min(sum(not speaks(name, situation.speakers) for name in names_in(text)), 2) / 2,
        "numbers": float(any(c.isdigit() for c in text)),
        "links": min(len(_LINKS.findall(_ASKS.sub("", lowered))), 4) / 4,
        "asks": float("?" in text or bool(_ASKS.match(lowered))),
        "small_talk": float(bool(_SMALL_TALK.search(lowered))),
        "mine": float(bool(_MINE.search(lowered))),
        "now": float(bool(_NOW.search(lowered))),
        "live": math.log10(1 + situation.live) / 5,
        "turns": kinds.get("turn", 0) / total,
        "chunks": kinds.get("chunk", 0) / total,
        "facts": kinds.get("fact", 0) / total,
        "edits": float("edit" in kinds),
        "edited_subject": float("edit" in subjects),
        "known_subject": float(bool(subjects)),
    }


def is_small_talk(features: Mapping[str, float]) -> bool:
    """Whether a message may go unanswered by memory: talk that names nothing and asks for nothing of one's own."""
    talk = features.get("small_talk", 0.0) and not (features.get("asks", 0.0) and features.get("mine", 0.0))
    return bool(talk) and not any(features.get(name, 0.0) for name in ("names", "numbers", "known_subject"))


def speaks(name: str, speakers: frozenset[str]) -> bool:
    """Whether a name is that of somebody who speaks, or a part of it."""
    folded = name.casefold()
    return any(folded == speaker or folded in speaker.split() for speaker in speakers)


def signals_of(recalls: Sequence[Recall]) -> dict[str, float]:
    """What probed memories told, by "memory.signal"; an abstention is a signal as well."""
    out: dict[str, float] = {}
    for recall in recalls:
        out[f"{recall.memory}.abstains"] = float(not recall.hits)
        out[f"{recall.memory}.entropy"] = entropy([hit.score for hit in recall.hits[:10]])
        for name, value in recall.signals.items():
            if math.isfinite(value):
                out[f"{recall.memory}.{name}"] = float(value)
    return out


def entropy(scores: Sequence[float]) -> float:
    """How flat scores are, 0 (one stands out) to 1 (all alike), normalised by log n so that n does not matter."""
    kept = [max(score, 0.0) for score in scores]
    total = sum(kept)
    if len(kept) < 2 or total <= 0:
        return 0.0
    shares = [score / total for score in kept if score > 0]
    return -sum(s * math.log(s) for s in shares) / math.log(len(kept))


def vector(features: Mapping[str, float], names: Sequence[str]) -> list[float]:
    return [float(features.get(name, 0.0)) for name in names]
