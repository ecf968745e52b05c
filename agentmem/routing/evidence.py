"""Whether what was recalled can support an answer: it names what the question names, and speaks of the rest.

Cheap checks by words. They never say that evidence suffices, only when it cannot, or may not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from agentmem.records import Hit, Recall
from agentmem.routing.features import names_in
from agentmem.sentences import content_stems, covered, is_held, sentences

_LOOKED_AT = 10
_PASSAGES = 8  # sentences
_ENDING = 2  # letters that may differ at the end of a name: cases, plurals, slips


def missing_names(text: str, recalls: Sequence[Recall]) -> list[str]:
    """The names in a question when not one of them occurs in what was recalled; empty when any does."""
    names = names_in(text)
    if not names:
        return []
    seen = [_folded(_text(hit)) for recall in recalls for hit in recall.hits[:_LOOKED_AT]]
    return [] if any(names_it(name, seen) for name in names) else names


def open_words(text: str, hits: Sequence[Hit]) -> frozenset[str]:
    """The stems of a question's content words that none of the hits holds."""
    asked = frozenset(content_stems(text))
    return asked - covered(asked, " ".join(map(_text, hits)))


def names_it(name: str, texts: Iterable[str]) -> bool:
    """Whether one of the folded texts holds the name: all its words, the last letters of a long word aside."""
    words = [word[: max(4, len(word) - _ENDING)] for word in _folded(name).split()]
    return any(all(word in text for word in words) for text in texts)


def passages_about(names: Sequence[str], recalls: Sequence[Recall]) -> list[str]:
    """Sentences of what was recalled that speak of one of the names, those of the best hits of every memory first.

    Of a record that names it elsewhere (in its title, as its speaker) every sentence counts. Questions are no evidence.
    """
    found: dict[str, None] = {}
    for rank in range(_LOOKED_AT):
        for hit in (recall.hits[rank] for recall in recalls if rank < len(recall.hits)):
            if not any(names_it(name, [_folded(_text(hit))]) for name in names):
                continue
            said = [s for s in sentences(hit.record.body) if not s.endswith("?")]
            naming = [s for s in said if any(names_it(name, [_folded(s)]) for name in names)]
            found.update(dict.fromkeys(naming or said))
    return list(found)[:_PASSAGES]


def leads_on(text: str, passages: Sequence[str], recalls: Sequence[Recall]) -> bool:
    """Whether passages name something that the question does not, and another recalled text says something of that.

    A text says something of a name that does not stand at the end of a sentence: there stands what is said of others.
    """
    known = [_folded(name) for name in names_in(text)]
    new = [name for passage in passages for name in names_in(passage) if not any(n in _folded(name) for n in known)]
    others = [s for r in recalls for hit in r.hits[:_LOOKED_AT] for s in sentences(hit.record.body)]
    told = [_folded(s).rstrip(" .!") for s in others if s not in passages and not s.endswith("?")]
    return any(names_it(name, [s]) and not s.endswith(_folded(name)) for name in new for s in told)


def off_the_matter(text: str, names: Sequence[str], passages: Sequence[str]) -> bool:
    """Whether no passage holds any word of the question besides the names: what it asks of them may not be in there.

    False where the question asks nothing in particular.
    """
    apart = {stem for name in names for stem in content_stems(name)}
    asked = [stem.removesuffix("e") for stem in content_stems(text) if stem not in apart]  # "live" meets "lives"
    told = frozenset(stem.removesuffix("e") for passage in passages for stem in content_stems(passage))
    return bool(asked) and not any(is_held(word, told) for word in asked)


def _text(hit: Hit) -> str:
    record = hit.record
    title = record.attributes.get("title")
    parts = (record.body, record.speaker, record.subject, record.object, title if isinstance(title, str) else None)
    return " ".join(part for part in parts if part)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold()
