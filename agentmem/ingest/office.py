"""Readers of documents of office programs: PDF and RTF through LlamaIndex, Word by its XML (to keep its headings)."""

from __future__ import annotations

import io
import logging
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from agentmem.errors import Missing
from agentmem.ingest.document import Document, Section, Unreadable, one_line, whole

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MAX_XML = 64 * 1024 * 1024  # bytes unpacked: a small archive can hold gigabytes of zeros
_REMEDY = "install it with: pip install 'agentmem-framework[ingest]'"


def read_pdf(path: Path) -> Document:
    """One section a page, with its number; text that is only a picture of text cannot be read."""
    try:
        from llama_index.readers.file import PDFReader
        from pypdf import PdfReader
        from pypdf.errors import FileNotDecryptedError, PyPdfError
        from tenacity import RetryError
    except ImportError as error:
        raise Missing(f"PDF files need LlamaIndex and pypdf; {_REMEDY}") from error
    logging.getLogger("pypdf").addHandler(logging.NullHandler())  # it reports each repaired flaw on stderr
    try:
        try:
            pages = PDFReader().load_data(path)
        except RetryError as error:
            raise error.last_attempt.exception() or error from error
        told = PdfReader(path).metadata
        title = one_line(str(told.title or "")) if told is not None else ""
    except FileNotDecryptedError as error:
        raise Unreadable("encrypted; save a copy without the password") from error
    except PyPdfError as error:
        raise Unreadable(f"not a readable PDF: {one_line(str(error))}") from error
    parts: list[str] = []
    sections: list[Section] = []
    position = 0
    for number, page in enumerate(pages, start=1):
        text = re.sub(r"[ \t]+\n", "\n", page.text).strip()
        if text:
            sections.append(Section(position, position + len(text), page=number))
            parts.append(text + "\n\n")
            position += len(text) + 2
    if not sections and pages:
        raise Unreadable(f"{len(pages)} pages without text, probably scanned; run them through OCR first")
    if re.search(r"\.(docx?|tex|dvi|indd|pdf)$|^untitled|^microsoft word", title, re.IGNORECASE):
        title = ""  # the name of the file it was made from
    return Document("".join(parts), tuple(sections), title, "pdf")


def read_rtf(path: Path) -> Document:
    try:
        from llama_index.readers.file import RTFReader
    except ImportError as error:
        raise Missing(f"RTF files need LlamaIndex; {_REMEDY}") from error
    text = "\n\n".join(document.text for document in RTFReader().load_data(path))
    return Document(text, whole(text), "", "rtf")


def read_docx(data: bytes) -> Document:
    """Paragraphs, tables row by row, and the headings as paths; headers, footers and comments are left out."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            root = ElementTree.fromstring(_member(archive, "word/document.xml"))
            title = _core_title(archive)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError) as error:
        raise Unreadable("not a Word document: its archive is broken or holds no text") from error
    except ElementTree.ParseError as error:
        raise Unreadable(f"its text is broken: {error}") from error
    body = root.find(f"{_W}body")
    parts: list[str] = []
    sections: list[Section] = []
    stack: list[tuple[int, str]] = []
    position = start = 0
    for block in body if body is not None else ():
        level, text = _block(block)
        if level is not None and text:
            if position > start:
                sections.append(Section(start, position, tuple(name for _, name in stack)))
            while level and stack and stack[-1][0] >= level:
                stack.pop()
            if level:
                stack.append((level, one_line(text)))
            title = title or one_line(text)
            start = position
        elif text:
            parts.append(text + "\n\n")
            position += len(text) + 2
    if position > start:
        sections.append(Section(start, position, tuple(name for _, name in stack)))
    return Document("".join(parts), tuple(sections), title, "docx")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > _MAX_XML:
        raise Unreadable(f"unpacks to {size / 2**20:,.0f} MiB, more than the {_MAX_XML / 2**20:,.0f} allowed")
    return archive.read(name)


def _core_title(archive: zipfile.ZipFile) -> str:
    try:
        core = ElementTree.fromstring(_member(archive, "docProps/core.xml"))
    except (KeyError, ElementTree.ParseError):
        return ""
    return one_line(core.findtext("{http://purl.org/dc/elements/1.1/}title") or "")


def _block(block: ElementTree.Element) -> tuple[int | None, str]:
    """(level of the heading or None, text); a title has level 0: it stands above all headings, not in their path."""
    if block.tag == f"{_W}tbl":
        rows = []
        for row in block.iter(f"{_W}tr"):
            cells = (" ".join(filter(None, map(_text, cell.iter(f"{_W}p")))) for cell in row.iter(f"{_W}tc"))
            rows.append(" | ".join(filter(None, cells)))
        return None, "\n".join(filter(None, rows))
    if block.tag != f"{_W}p":
        return None, "\n".join(filter(None, map(_text, block.iter(f"{_W}p"))))
    style = block.find(f"{_W}pPr/{_W}pStyle")
    name = (style.get(f"{_W}val") or "").lower() if style is not None else ""
    heading = re.fullmatch(r"(?:heading|berschrift|überschrift|titre|titolo|rubrik)\s*([1-9])", name)
    level = int(heading.group(1)) if heading else 0 if name == "title" else None
    return level, _text(block)


def _text(paragraph: ElementTree.Element) -> str:
    out = []
    for node in paragraph.iter():
        if node.tag == f"{_W}t":
            out.append(node.text or "")
        elif node.tag == f"{_W}tab":
            out.append("\t")
        elif node.tag in {f"{_W}br", f"{_W}cr"}:
            out.append("\n")
    return "".join(out).strip()
