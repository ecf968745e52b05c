"""Readers of marked-up text: Markdown and HTML, with their headings. Knows neither files nor chunks."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from agentmem.ingest.decoding import decode
from agentmem.ingest.document import Document, Section, one_line

_HEADING = re.compile(r"(#{1,6})\s+(.*?)(?:\s+#+)?\s*")
_UNDERLINE = re.compile(r"(=+|-+)\s*")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_INLINE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*_]{1,3}(?=\S)|(?<=\S)[`*_]{1,3}|\{#[^}]*\}")


def read_markdown(data: bytes) -> Document:
    """Markdown, split at its headings (``#`` and underlined), which stay in the text. Front matter gives the title."""
    text, encoding = decode(data)
    title, offset = _front_matter(text)
    sections, first_heading = _sections(text, offset)
    notes = () if encoding.startswith("utf") else (f"read as {encoding}",)
    return Document(text, tuple(sections), title or first_heading, "markdown", notes)


def _front_matter(text: str) -> tuple[str, int]:
    """(title, length) of a YAML block at the very beginning."""
    if not text.startswith("---\n"):
        return "", 0
    end = text.find("\n---", 3)
    if end < 0:
        return "", 0
    found = re.search(r"^title:[ \t]*(.+)$", text[:end], re.MULTILINE)
    after = text.find("\n", end + 1)
    return one_line(found.group(1).strip("\"' ")) if found else "", len(text) if after < 0 else after + 1


def _sections(text: str, offset: int) -> tuple[list[Section], str]:
    """Sections from the end of one heading to the beginning of the next, and the first heading of the top level."""
    sections: list[Section] = []
    stack: list[tuple[int, str]] = []
    title, fence, start, position = "", "", offset, offset
    opened = offset  # where the last heading began
    previous = ("", offset)  # the line before, and where it began
    for line in text[offset:].splitlines(keepends=True):
        mark = _FENCE.match(line)
        if mark and (not fence or (mark.group(1)[0] == fence[0] and len(mark.group(1)) >= len(fence))):
            fence = "" if fence else mark.group(1)
        heading = None if fence or mark else _heading(line, previous[0])
        if heading is not None:
            level, name, underlined = heading
            begins = previous[1] if underlined else position
            sections += _closed(text, start, begins, stack) or _bare(opened, start, level, stack)
            opened = begins
            while stack and stack[-1][0] >= level:
                stack.pop()
            stack.append((level, name))
            title = title or (name if level == 1 else "")
            start = position + len(line)
        previous = ("" if fence or mark or heading else line, position)
        position += len(line)
    sections += _closed(text, start, len(text), stack) or _bare(opened, start, 0, stack)
    return sections, title


def _heading(line: str, before: str) -> tuple[int, str, bool] | None:
    """(level, plain text, whether it is underlined) when the line makes a heading."""
    found = _HEADING.fullmatch(line.rstrip("\n"))
    if found and found.group(2):
        return len(found.group(1)), one_line(_INLINE.sub(r"\1", found.group(2))), False
    if before.strip() and not before.startswith((" ", "\t", "-", "*", ">", "|", "#")):
        found = _UNDERLINE.fullmatch(line.rstrip("\n"))
        if found and len(found.group(1)) >= 3:
            return (1 if line[0] == "=" else 2), one_line(_INLINE.sub(r"\1", before)), True
    return None


def _closed(text: str, start: int, end: int, stack: list[tuple[int, str]]) -> list[Section]:
    if not text[start:end].strip():
        return []
    return [Section(start, end, tuple(name for _, name in stack))]


def _bare(start: int, end: int, level: int, stack: list[tuple[int, str]]) -> list[Section]:
    """A heading with neither text nor headings below it is text itself: a question, an item of a list."""
    if not stack or stack[-1][0] < level:
        return []
    return [Section(start, end, tuple(name for _, name in stack[:-1]))]


_SILENT = frozenset({"script", "style", "noscript", "template", "svg", "nav", "iframe", "head", "select", "button"})
_VOID = frozenset(
    {"br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base", "embed", "source", "track"}
)
_BLOCKS = frozenset(
    {
        "p",
        "div",
        "section",
        "article",
        "main",
        "header",
        "footer",
        "aside",
        "ul",
        "ol",
        "dl",
        "table",
        "blockquote",
        "pre",
        "figure",
        "form",
        "fieldset",
        "address",
    }
)
_LINES = frozenset({"li", "tr", "br", "dt", "dd", "option", "figcaption", "caption"})


class _Page(HTMLParser):
    """Gathers visible text, line by line, with the headings above it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.parts: list[str] = []
        self.marks: list[tuple[int, int, str]] = []  # (position, level, heading)
        self.length = 0
        self._silent: list[str] = []
        self._in_title = False
        self._heading: tuple[int, list[str]] | None = None
        self._preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title" and not self.title:
            self._in_title = True
        elif tag == "body":
            self._silent.clear()  # whatever was left open in the head
        elif tag in _SILENT:
            self._silent.append(tag)
        elif tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            self._heading = (int(tag[1]), [])
        elif tag in _BLOCKS:
            self._break("\n\n")
            self._preformatted += tag == "pre"
        elif tag in _LINES:
            self._break("\n")
        elif tag in {"td", "th"} and self.parts and not self.parts[-1].endswith("\n"):
            self._write(" | ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in self._silent:
            while self._silent.pop() != tag:
                pass
        elif self._heading is not None and tag == f"h{self._heading[0]}":
            level, words = self._heading
            self._heading = None
            if name := one_line("".join(words)):
                self._break("\n\n")
                self.marks.append((self.length, level, name))
        elif tag in _BLOCKS:
            self._break("\n\n")
            self._preformatted -= tag == "pre" and self._preformatted > 0

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = one_line(self.title + data)
        elif self._silent:
            return
        elif self._heading is not None:
            self._heading[1].append(data)
        elif self._preformatted:
            self._write(data)
        elif data.strip():
            words = " ".join(data.split())
            glue_before = data[0].isspace() and bool(self.parts) and not self.parts[-1][-1:].isspace()
            self._write((" " if glue_before else "") + words + (" " if data[-1].isspace() else ""))
        elif self.parts and not self.parts[-1][-1:].isspace():
            self._write(" ")

    def _break(self, gap: str) -> None:
        if self._silent or not self.parts or self._heading is not None:
            return
        have = self.parts[-1][-2:]
        if not have.endswith(gap):
            self._write("\n" if gap == "\n" or have.endswith("\n") else gap)

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def read_html(data: bytes) -> Document:
    """The visible text of a page without its navigation and scripts; headings become the path of what follows."""
    declared = re.search(rb"<meta[^>]+charset=[\"']?([\w-]+)", data[:4096], re.IGNORECASE)
    source, encoding = decode(data, declared.group(1).decode("ascii") if declared else None)
    page = _Page()
    page.feed(source)
    page.close()
    text = "".join(page.parts)
    sections: list[Section] = []
    stack: list[tuple[int, str]] = []
    start = 0
    for position, level, name in [*page.marks, (len(text), 0, "")]:
        sections += _closed(text, start, position, stack)
        while stack and stack[-1][0] >= level:
            stack.pop()
        stack.append((level, name))
        start = position
    top = next((name for _, level, name in page.marks if level == 1), "")
    notes = () if encoding.startswith("utf") or declared else (f"read as {encoding}",)
    return Document(text, tuple(sections), page.title or top, "html", notes)
