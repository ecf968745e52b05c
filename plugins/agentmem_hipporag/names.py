"""Names as keys: when two spellings are the same node, and under which looser form a name is still found.

Knows nothing of graphs, passages or questions. No script is favoured: a key keeps every letter and digit that
Unicode knows, so a name never becomes the empty string because it is not Latin.
"""

from __future__ import annotations

import re
import unicodedata

# Letters of Indic and South-East Asian scripts carry vowel signs that `\w` does not match; without them a word
# would fall apart into consonants.
MARKS = r"\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff"
WORD = (
    rf"(?:[^\W\d_]\.){{2,}}[^\W\d_]?(?![\w{MARKS}])"  # U.S., т.е. (letters with dots)
    rf"|[\w{MARKS}]+(?:\+\+|\#)?"  # words, snake_case, C++, C#
)
_WORD = re.compile(WORD)
_PARENTHESES = re.compile(r"[(（][^()（）]*[)）]")
_ARTICLES = frozenset({"the", "a", "an"})
_IDEOGRAPH = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff]")
# Folding beyond decomposition: letters that have no decomposition but that people type without the stroke.
_STROKES = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "ё": "е"})
_CYRILLIC = re.compile(r"[а-яёіїєґ]{5,}")
_CYRILLIC_ENDING = re.compile(
    r"(?:ами|ями|ого|его|ому|ему|ыми|ими|ов|ев|ей|ой|ий|ый|ая|яя|ое|ее|ые|ие|ом|ем|ым|им|ам|ям|ах|ях|ую|юю|[аеиоуыьэюяй])$"
)


_PLURAL = re.compile(r"(?<=[a-z]{3}[a-rtv-z])s\b")  # not in words on -ss and -us


def words(text: str) -> list[str]:
    """The words of a text, normalised: NFKC, case folded, symbols of names like `c++` and `u.s` kept."""
    return [
        w.strip("_").rstrip(".") for w in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()) if w.strip("_")
    ]


def name_key(text: str) -> str:
    """The key of a name: its words without a leading article; a qualifier in parentheses is left out.

    Two names with equal keys are one node. `C++`, `C` and `C#` differ, `U.S.` differs from `us`, `Łódź` from `Lodz`.
    Empty only when the text holds no letter and no digit.
    """
    found = words(_PARENTHESES.sub(" ", text)) or words(text)
    if len(found) > 1 and found[0] in _ARTICLES:
        found = found[1:]
    return " ".join(found)


def loose_key(key: str) -> str:
    """A coarser form by which a name is found when its key is not: no marks, dots, plural s, Cyrillic endings.

    `łódź` and `lodz`, `u.s` and `us`, `gila monsters` and `gila monster`, `москва` and `москве` meet here.
    """
    if key.isascii():
        return _PLURAL.sub("", key.replace(".", ""))
    plain = unicodedata.normalize("NFKD", key.translate(_STROKES))
    plain = "".join(c for c in plain if not "\u0300" <= c <= "\u036f")
    plain = unicodedata.normalize("NFKC", plain).replace(".", "")
    return _PLURAL.sub("", _CYRILLIC.sub(lambda m: _CYRILLIC_ENDING.sub("", m.group()), plain))


def is_ideographic(text: str) -> bool:
    """Whether a text has Chinese or Japanese characters, which are written without spaces."""
    return _IDEOGRAPH.search(text) is not None


def has_no_case(word: str) -> bool:
    """Whether a word is of a script without capitals that is written with spaces, such as Arabic, Hebrew or Hindi."""
    return word.lower() == word.upper() and not word.isascii() and word[:1].isalpha() and not is_ideographic(word)
