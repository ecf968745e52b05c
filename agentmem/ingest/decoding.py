"""Bytes to text: byte order marks, UTF-8, UTF-16 without a mark, older code pages. Refuses what is not text."""

from __future__ import annotations

import codecs

from agentmem.ingest.document import Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 65_536


def is_binary(head: bytes) -> bool:
    """Whether the first bytes of a file are those of something that is not text."""
    if any(head.startswith(mark) for mark, _ in _MARKS):
        return False
    return b"\0" in head and _unmarked_utf16(head) is None


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Text with Unix line ends, and the name of the encoding. ``declared`` is what the file says of itself.

    Raises Unreadable when the bytes are no text.
    """
    encoding = _encoding_of(data, declared)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"begins as {encoding} but byte {error.start:,} is not; save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding


def _encoding_of(data: bytes, declared: str | None) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    if b"\0" in data[:_SAMPLE]:
        wide = _unmarked_utf16(data[:_SAMPLE])
        if wide is None:
            raise Unreadable("binary: it holds zero bytes")
        return wide
    for candidate in filter(None, ("utf-8", declared)):
        try:
            data.decode(candidate)
        except (UnicodeDecodeError, LookupError):
            continue
        return candidate
    return _guessed(data)


def _unmarked_utf16(head: bytes) -> str | None:
    """Western text in UTF-16 has a zero in every second byte."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    pairs = max(1, len(head) // 2)
    if odd > 0.7 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    if even > 0.7 * pairs and odd < 0.05 * pairs:
        return "utf-16-be"
    return None


def _guessed(data: bytes) -> str:
    """An older code page, by the statistics of charset-normalizer; Windows Western when it cannot tell."""
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in data[:_SAMPLE])
    if controls > 0.02 * min(len(data), _SAMPLE):
        raise Unreadable("binary: it holds control characters")
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        best = None
    else:
        best = from_bytes(data[:_SAMPLE]).best()
    for candidate in ([best.encoding] if best is not None else []) + ["cp1252"]:
        try:
            data.decode(candidate)
        except UnicodeDecodeError:
            continue
        return candidate
    return "latin-1"
