"""Texts to terms: one way for documents and questions, in any script.

Compatibility forms are unified, case and diacritics folded; scripts written without spaces become single characters and
pairs of neighbours; English words lose their endings. Knows no index.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

LANGUAGES = (
    "none", "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian", "italian",
    "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil", "turkish",
)  # fmt: skip
_LONGEST = 64  # characters of a term; what is longer is a key or a blob, found by its beginning
_DIACRITICS = re.compile("[\u0300-\u036f]+")
# Han, kana, Hangul, Thai, Lao, Myanmar, Khmer: words are not set apart by spaces, or carry their particles
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_UNSPACED += "\U00020000-\U0003ffff"
_SIGNS = "\u2600-\u27bf\U0001f1e6-\U0001faff"  # emoji and dingbats: each is a word
_CLITICS = frozenset({"s", "t", "d", "m", "ll", "re", "ve"})  # after an apostrophe: Ann's, don't, I'd, we'll


class Analyzer:
    """``analyzer(text)`` lists the terms of a text in order, repetitions included."""

    def __init__(self, language: str = "english") -> None:
        self._stem = _stemmer(language)

    def __call__(self, text: str) -> list[str]:
        words = list(_words(_folded(text)))
        return self._stem(words) if words else []


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    plain = _DIACRITICS.sub("", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFKC", plain)


def _words(text: str) -> Iterator[str]:
    for match in _pattern().finditer(text):
        word, run = match["word"], match["run"]
        if match["emoji"] is not None:
            yield match["emoji"]
        elif run is not None:
            yield from run
            yield from (run[i : i + 2] for i in range(len(run) - 1))
        elif word in _CLITICS and match.start() and text[match.start() - 1] in "'’" and match.start() > 1:
            continue
        else:
            yield word[:_LONGEST]
            if match["sign"]:  # C++ and C# are not C
                yield (word + match["sign"])[:_LONGEST]


@cache
def _pattern() -> re.Pattern[str]:
    # vowel signs belong to their word, but Python's \w leaves them out
    signs = (chr(code) for code in range(0x0300, 0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    marks = re.escape("".join(signs))
    return re.compile(
        rf"(?P<emoji>[{_SIGNS}])|(?P<run>[{_UNSPACED}]+)|(?P<word>(?:(?![{_UNSPACED}])[^\W_])(?:(?![{_UNSPACED}])(?:[^\W_]|[{marks}]))*)"
        r"(?P<sign>\+\+|\#(?!\w))?"
    )


def _stemmer(language: str) -> Callable[[list[str]], list[str]]:
    if language == "none":
        return list
    import tantivy

    analyzer = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).filter(tantivy.Filter.stemmer(language)).build()
    )

    @lru_cache(maxsize=100_000)
    def one(word: str) -> str:
        return sys.intern(next(iter(analyzer.analyze(word)), word))

    return lambda words: [one(word) for word in words]
