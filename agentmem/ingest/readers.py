"""Which reader takes a file: by its ending, else by its first bytes. Knows no chunks and no journal."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agentmem.ingest.code import LANGUAGES, read_code
from agentmem.ingest.decoding import decode, is_binary
from agentmem.ingest.document import Document, Unreadable, whole
from agentmem.ingest.markup import read_html, read_markdown
from agentmem.ingest.office import read_docx, read_pdf, read_rtf
from agentmem.ingest.tables import read_csv, read_json, read_jsonl

HEAD_BYTES = 8192
"""How much of a file `refusal` wants to see."""

_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----")
_ARCHIVED = {"zip", "gz", "tgz", "bz2", "xz", "7z", "rar", "tar", "whl", "jar", "zst"}
_NOISE = re.compile(r"(?:package-lock\.json|yarn\.lock|poetry\.lock|cargo\.lock|uv\.lock|.*\.min\.(?:js|css)|.*\.map)")


def read_text(data: bytes) -> Document:
    """Plain text in whatever encoding."""
    text, encoding = decode(data)
    notes = () if encoding.startswith("utf") else (f"read as {encoding}",)
    return Document(text, whole(text), "", "text", notes)


_OF_BYTES: dict[str, Callable[[bytes], Document]] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".mdx": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".docx": read_docx,
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
    ".json": read_json,
    ".ipynb": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
}
_OF_PATHS: dict[str, Callable[[Path], Document]] = {".pdf": read_pdf, ".rtf": read_rtf}
_CONTAINERS = frozenset({".pdf", ".docx"})  # binary files that have a reader


def refusal(path: Path, head: bytes) -> str:
    """Why a file that begins with ``head`` is not read; empty when it is."""
    suffix = path.suffix.lower()
    if _NOISE.fullmatch(path.name.lower()):
        return "written by a program for a program"
    if suffix in _CONTAINERS:
        return ""
    if suffix.lstrip(".") in _ARCHIVED:
        return "an archive; unpack it first"
    if is_binary(head):
        return f"binary, and there is no reader for {suffix or 'files without an ending'}"
    if _PRIVATE_KEY.search(head):
        return "holds a private key"
    return ""


def read(path: Path, data: bytes) -> Document:
    """The document in a file whose bytes are ``data``.

    Raises Unreadable, Missing when a library is not installed, and whatever a parser raises on a broken file.
    """
    suffix = path.suffix.lower()
    if suffix in _OF_PATHS:
        return _OF_PATHS[suffix](path)
    if suffix in _OF_BYTES:
        return _OF_BYTES[suffix](data)
    if suffix in LANGUAGES:
        return read_code(data, LANGUAGES[suffix])
    if data.startswith(b"#!"):
        return read_code(data, "shell")
    return read_text(data)


__all__ = ["HEAD_BYTES", "Unreadable", "read", "read_text", "refusal"]
