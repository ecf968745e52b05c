"""Cuts a document into chunks that the embedder reads whole. Sees text and headings, never files or records.

Sentences are kept together by LlamaIndex's SentenceSplitter, given the embedder's own count of tokens; it is
imported when a text first needs cutting. Long prose is first cut into windows at paragraphs chosen by their content,
so that a word inserted at the top of a book leaves all but the first few chunks as they were.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentmem.errors import BadInput, Missing
from agentmem.ingest.document import (
    CODE,
    HEADING_SEPARATOR,
    PROSE,
    ROWS,
    Document,
    Section,
    context_line,
    one_line,
)

FORMAT = 1
"""Raised when the same file would be cut differently, so that unchanged files are read once more."""

ROW_TOKENS = 96
"""Rows of a table are joined up to this size: a chunk of many rows resembles none of them."""

_WINDOW = (2_000, 8_000)  # characters: no window ends before the first, every one does before the second
_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_ABBREVIATIONS = (
    r"(?<![A-Z]\.)(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bSt\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)"
)
_SENTENCE_END = re.compile(
    rf"{_ABBREVIATIONS}(?<=[.!?…])[\"'”’»)\]]*\s+(?=[^a-z])|(?<=[。！？])[”’」』）]*|\n(?=[ \t]*(?:[-*•]|\d+[.)])[ \t])"
)
_UNBROKEN = re.compile(r"\S{201,}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: ``body`` is ``text[start:end]``; title and heading are its context."""

    body: str
    start: int
    end: int
    title: str
    heading: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands before a chunk, and how many tokens that leaves for its body."""

    title: str
    heading: str
    budget: int


class Splitter:
    """Cuts documents so that title, heading path and body of every chunk count at most ``max_tokens``."""

    def __init__(self, count_tokens: Callable[[str], int], max_tokens: int = 256) -> None:
        if max_tokens < 32:
            raise BadInput(f"max_tokens is {max_tokens}; chunks need at least 32 tokens")
        self.max_tokens = max_tokens
        self._count = count_tokens
        self._by_budget: dict[int, Any] = {}

    @property
    def recipe(self) -> str:
        """How chunks come about; a file cut by another recipe counts as changed."""
        return f"{FORMAT}/{self.max_tokens}"

    def split(self, document: Document, title: str) -> Iterator[Chunk]:
        """The chunks of the document in order; together they hold all of its text but blank space."""
        frames: dict[tuple[str, ...], _Frame] = {}
        text = document.text
        for section, heading, start, end in self._spans(text, document.sections, title, frames):
            start, end = _stripped(text, start, end)
            if start < end:
                frame = self._frame(title, heading, frames)
                yield Chunk(text[start:end], start, end, frame.title, frame.heading, section.page)

    def _spans(
        self, text: str, sections: Iterable[Section], title: str, frames: dict[tuple[str, ...], _Frame]
    ) -> Iterator[tuple[Section, tuple[str, ...], int, int]]:
        waiting: tuple[Section, int, int] | None = None  # short code that the next piece may join: end, tokens
        for section in sections:
            budget = self._frame(title, section.heading, frames).budget
            tokens = self._tokens(text[section.start : section.end]) if section.style == CODE else 0
            if waiting is not None:
                first, end, used = waiting
                if section.style == CODE and first.heading == section.heading and used + tokens <= budget:
                    waiting = (first, section.end, used + tokens)
                    continue
                yield first, first.heading, first.start, end
                waiting = None
            if section.style == CODE and tokens <= budget:
                waiting = (section, section.end, tokens)
                continue
            yield from self._cut(text, section, title, frames)
        if waiting is not None:
            yield waiting[0], waiting[0].heading, waiting[0].start, waiting[1]

    def _cut(
        self, text: str, section: Section, title: str, frames: dict[tuple[str, ...], _Frame]
    ) -> Iterator[tuple[Section, tuple[str, ...], int, int]]:
        heading = section.heading
        budget = self._frame(title, heading, frames).budget
        if section.style == PROSE:
            for start, end in _windows(text, section.start, section.end):
                for span in self._sentences(text, start, end, budget):
                    yield section, heading, *span
        elif section.style == ROWS:
            for span in self._lines(text, section.start, section.end, min(budget, ROW_TOKENS)):
                yield section, heading, *span
        else:  # a long function: what follows its first lines is told whose it is
            inner = (*heading, section.name) if section.name else heading
            budget = min(budget, self._frame(title, inner, frames).budget)
            for span in self._lines(text, section.start, section.end, budget):
                yield section, heading if span[0] == section.start else inner, *span

    def _lines(self, text: str, start: int, end: int, budget: int) -> Iterator[tuple[int, int]]:
        """Whole lines, as many as fit; a line that does not fit alone is cut like prose."""
        opened = position = start
        used = 0
        for line in text[start:end].splitlines(keepends=True):
            tokens = self._tokens(line)
            if used + tokens > budget:
                if position > opened:
                    yield opened, position
                opened, used = position, 0
            position += len(line)
            if tokens > budget:
                yield from self._sentences(text, opened, position, budget)
                opened = position
            else:
                used += tokens
        if position > opened:
            yield opened, position

    def _sentences(self, text: str, start: int, end: int, budget: int) -> Iterator[tuple[int, int]]:
        start, end = _stripped(text, start, end)
        span = text[start:end]
        if not span:
            return
        if self._tokens(span) <= budget:
            yield start, end
            return
        cursor = 0
        for piece in self._sentence_splitter(budget).split_text(span):
            found = span.find(piece, cursor)
            assert found >= 0, f"a chunk of {len(piece)} characters is not in the text it was cut from"
            cursor = found + len(piece)
            yield start + found, start + cursor

    def _sentence_splitter(self, budget: int) -> Any:
        if budget not in self._by_budget:
            try:
                from llama_index.core.node_parser import SentenceSplitter
            except ImportError as error:
                raise Missing(
                    "splitting needs LlamaIndex; install it with: pip install 'agentmem-framework[ingest]'"
                ) from error
            self._by_budget[budget] = SentenceSplitter(
                chunk_size=budget,
                chunk_overlap=0,  # the heading path carries the context; an overlap would be recalled twice
                tokenizer=lambda text: range(self._tokens(text)),  # only its length is used
                paragraph_separator="\n\n",
                chunking_tokenizer_fn=sentences,  # of every script, and without NLTK, which may look for downloads
                include_metadata=False,
                include_prev_next_rel=False,
            )
        return self._by_budget[budget]

    @cached_property
    def _empty(self) -> int:
        """What the tokenizer adds to every text; with it sums of parts would be too high. Counted at first use."""
        return self._count("")

    def _tokens(self, text: str) -> int:
        return max(0, self._count(text) - self._empty)

    def _frame(self, title: str, heading: tuple[str, ...], frames: dict[tuple[str, ...], _Frame]) -> _Frame:
        """The context of a heading path, at most a third of a chunk: outer headings go first, then the title's end."""
        if heading in frames:
            return frames[heading]
        limit = self.max_tokens // 3
        title, path = one_line(title), tuple(map(one_line, heading))
        path = path[1:] if path[:1] == (title,) else path  # the title is mostly the first heading, too
        while title and self._tokens(title) > limit:
            title = title[: len(title) * 2 // 3].rstrip()
        while path and self._tokens(context_line(title, HEADING_SEPARATOR.join(path))) > limit:
            path = path[1:]
        joined = HEADING_SEPARATOR.join(path)
        context = context_line(title, joined)
        spent = self._tokens(context + "\n") if context else 0
        frames[heading] = _Frame(title, joined, self.max_tokens - self._empty - spent)
        return frames[heading]


def sentences(text: str) -> list[str]:
    """The text cut after each sentence or list item, nothing lost; runs without a space are cut every 200 characters.

    Without that limit LlamaIndex counts the tokens of a long run (base64, a table of numbers) character by character.
    """
    pieces: list[str] = []
    start = 0
    for end in [*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)]:
        if end > start:
            piece = text[start:end]
            pieces += re.findall(r"\S{1,200}\s*|\s+", piece) if _UNBROKEN.search(piece) else [piece]
            start = end
    return pieces


def _windows(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of some thousand characters that end where a paragraph does and the paragraph's checksum says so."""
    least, most = _WINDOW
    if end - start <= least:
        yield start, end
        return
    opened = position = start
    for stop in [*(found.end() for found in _PARAGRAPH.finditer(text, start, end)), end]:
        while stop - opened > most:  # also a paragraph longer than any window
            cut = position if position > opened else _break(text, opened + least, opened + most)
            yield opened, cut
            opened = position = cut
        chosen = zlib.crc32(text[position:stop].strip().encode("utf-8", "replace")) % 4 == 0
        if stop - opened >= least and chosen:
            yield opened, stop
            opened = stop
        position = stop
    if opened < end:
        yield opened, end


def _break(text: str, least: int, most: int) -> int:
    """The last good place to cut between two positions: after a line, a sentence, a word, anywhere."""
    for mark in ("\n", ". ", "。", " "):
        found = text.rfind(mark, least, most)
        if found >= 0:
            return found + len(mark)
    return most


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    span = text[start:end]
    return start + len(span) - len(span.lstrip()), end - (len(span) - len(span.rstrip()))
