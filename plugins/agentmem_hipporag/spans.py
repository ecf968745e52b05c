"""Entity spans of a text by shape alone: which stretches of it look like names. No model, no network, no state.

Refuses to know the graph: the spans of a passage depend on that passage and nothing else, which is what makes
indexing in batches equal to indexing at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from agentmem_hipporag.names import MARKS, WORD, has_no_case, is_ideographic, name_key
from agentmem_hipporag.stopwords import CONNECTORS, CUTS, IDEOGRAPHIC_STOPS, OPENERS, STOP

_SENTENCE_END = re.compile(r"(?<=[.?!…])[\"'”’»)]*\s+(?=[\"'“«(\[]*[^\W_])|[。！？；]+|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“])(?:[^\W\d_]|(?:[^\W\d_]\.)+[^\W\d_]|Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Gen|Col|Lt|vs|No|Inc|Co|Ltd|Corp|Mt|Ft|ca|cf|им|ул|г)\.$"
)
_TOKEN = re.compile(rf"[@#]?(?:{WORD})(?:(?:['’\-.&/]|::)(?:{WORD}))*(?:['’](?=\s|$))?", re.UNICODE)
_POSSESSIVE = re.compile(r"['’]s?$")
_YEAR = re.compile(r"\d{4}")
_NUMBER = re.compile(r"\d[\d.,]*(?:st|nd|rd|th|s)?$")
_IDENTIFIER = re.compile(r"[a-z0-9]+[A-Z]\w*|\w+_\w+|\w+(?:\+\+|\#)|\w+(?:::\w+)+|[a-z]\w+(?:\.[a-z]\w+)+")
_BACKTICKS = re.compile(r"`([^`\n]{2,60})`")
_IDEOGRAPHS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+|[\u30a0-\u30ff]{2,}")
_QUOTED = re.compile(r"[《「『“]([^》」』”]{2,30})[》」』”]")
_CUT_IDEOGRAPHS = re.compile(
    "(?:位于|坐落|毕业|出生|成立|成为|属于|来自|以及|他们|我们|可以|已经|没有|因为|所以|但是|"
    + "|".join(IDEOGRAPHIC_STOPS)
    + ")"
)
LOWER_SHARE = 0.02  # below this share of capitalised words a text counts as typed without capitals


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a passage names: the key of its title (or ""), and the keys of each sentence in order."""

    title: str
    sentences: tuple[tuple[str, ...], ...]

    def keys(self) -> tuple[str, ...]:
        """All keys once, the title first."""
        found = [self.title, *(key for sentence in self.sentences for key in sentence)]
        return tuple(dict.fromkeys(key for key in found if key))


def sentences(text: str) -> list[str]:
    """Cut a text into sentences; full stops of initials and common abbreviations do not end one."""
    out: list[str] = []
    held = ""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        held += text[start : match.start()]
        start = match.end()
        if match.group().isspace() and "\n" not in match.group() and _ABBREVIATION.search(held):
            held += " "
            continue
        out.append(held)
        held = ""
    out.append(held + text[start:])
    return [s for s in (s.strip() for s in out) if s]


def is_name_word(token: str) -> bool:
    """Whether a word looks like part of a name: a capital, a number, or an identifier of code."""
    bare = token.lstrip("@#")
    return (
        bare[:1].isupper()
        or bare[:1].istitle()
        or _NUMBER.match(bare) is not None
        or _IDENTIFIER.fullmatch(bare) is not None
        or bare is not token
    )


def _runs(sentence: str) -> Iterator[tuple[list[str], bool]]:
    """Runs of name words joined by at most two connectors; the flag says that the run opens the sentence."""
    run: list[str] = []
    pending: list[str] = []
    opens = False
    end = 0
    first = True
    for match in _TOKEN.finditer(sentence):
        token = match.group()
        gap = sentence[end : match.start()]
        joined = bool(run) and (
            gap.isspace()
            or gap in ("-", " - ", "–")
            or (gap.strip() == "." and len(run[-1]) <= 2)
            or (gap == ", " and _YEAR.fullmatch(token) is not None and run[-1].isdigit())  # December 4, 1967
        )
        end = match.end()
        if is_name_word(token):
            if not (joined and len(pending) <= 2):
                if run:
                    yield run, opens
                run, pending, opens = [], [], first
            run += [*pending, token]
            pending = []
        elif joined and token in CONNECTORS:
            pending.append(token)
        else:
            if run:
                yield run, opens
            run, pending = [], []
        first = False
    if run:
        yield run, opens


def _strip_openers(run: list[str], opens: bool) -> list[str]:
    """Drop function words that are capitalised only because they open the sentence or the name."""
    while run and run[0].lower() in OPENERS and (opens or (run[0].lower() in STOP and len(run) > 1)):
        run = run[1:]
        while run and run[0] in CONNECTORS:
            run = run[1:]
    return run


def _parts(run: list[str]) -> list[list[str]]:
    """The whole name and, when it is joined by `and`, `in`, a possessive…, its parts as well."""
    pieces: list[list[str]] = [[]]
    for word in run:
        if word in CUTS:
            pieces.append([])
        elif pieces[-1] or word not in CONNECTORS:
            pieces[-1].append(word)
            if _POSSESSIVE.search(word):
                pieces.append([])
    pieces = [p for p in pieces if p]
    return [run, *pieces] if len(pieces) > 1 else [run]


def _ideographic(sentence: str) -> list[str]:
    """Chunks of Chinese or Japanese text between function characters, and what is quoted."""
    found = [m.group(1) for m in _QUOTED.finditer(sentence)]
    for match in _IDEOGRAPHS.finditer(sentence):
        found += [chunk for chunk in _CUT_IDEOGRAPHS.split(match.group()) if 2 <= len(chunk) <= 12]
    return found


def _plain_words(sentence: str, caseless: bool) -> list[str]:
    """For text typed without capitals: its longer content words, and pairs of neighbours.

    `caseless`: only words of scripts that have no capitals, such as Arabic and Hindi.
    """
    tokens = [t.strip("'’") for t in re.findall(rf"[\w{MARKS}'’\-]+", sentence)]
    if caseless:
        tokens = [t if has_no_case(t) else "" for t in tokens]
    keep = [t if len(t) > 3 and t.lower() not in OPENERS else "" for t in tokens]
    pairs = [f"{a} {b}" for a, b in pairwise(keep) if a and b]
    return [t for t in keep if t] + pairs


def entity_spans(sentence: str, lower: bool = False) -> list[str]:
    """The names in one sentence as they are written, in order, each once.

    `lower` treats the sentence as typed without capitals: its content words stand in for names.
    """
    found: list[str] = [m.group(1) for m in _BACKTICKS.finditer(sentence)]
    if is_ideographic(sentence):
        found += _ideographic(sentence)
    for run, opens in _runs(sentence):
        kept = _strip_openers(run, opens)
        for part in _parts(kept) if kept else []:
            name = _POSSESSIVE.sub("", " ".join(part)).strip(" .,'’-&")
            if (len(name) > 1 or name.isdigit()) and name.lower() not in OPENERS:
                found.append(name)
    if lower or (not sentence.isascii() and any(map(has_no_case, _TOKEN.findall(sentence)))):
        found += _plain_words(sentence, not lower)
    return list(dict.fromkeys(found))


def typed_without_capitals(text: str) -> bool:
    """Whether a text in a script with capitals uses practically none, as in chats."""
    tokens = [t for t in re.findall(r"[^\W\d_]{2,}", text) if t.lower() != t.upper()]
    return len(tokens) >= 3 and sum(t[0].isupper() for t in tokens) < LOWER_SHARE * len(tokens) + 0.5


def mentions(text: str, title: str = "") -> Mentions:
    """What a passage names, from the passage alone.

    A single word that is contained in exactly one longer name of the passage also stands for that one: a surname
    for the person. If the title contains it, the title is meant.
    """
    lower = typed_without_capitals(text)
    per_sentence = [[k for s in entity_spans(line, lower) if (k := name_key(s))] for line in sentences(text)]
    title_key = name_key(title)
    everything = {k for keys in per_sentence for k in keys} | ({title_key} if title_key else set())
    longer: dict[str, str] = {}
    holders: dict[str, list[str]] = {}
    for name in sorted(everything):
        if " " in name:
            for word in set(name.split()):
                holders.setdefault(word, []).append(name)
    for name in everything:
        if " " in name or name.isdigit():
            continue
        around = holders.get(name, [])
        if title_key in around:
            longer[name] = title_key
        elif len(around) == 1:
            longer[name] = around[0]
    return Mentions(
        title_key,
        tuple(
            tuple(dict.fromkeys(k for key in keys for k in ((key, longer[key]) if key in longer else (key,))))
            for keys in per_sentence
        ),
    )
