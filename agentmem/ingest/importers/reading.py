"""Reads what exports are made of: lists of JSON objects of any length, archives, dates. Knows no program's format."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from agentmem.errors import BadInput

_BLOCK = 1 << 20  # characters
_MAX_ELEMENT = 256 * 1024 * 1024  # characters of one element; a broken file is not read into memory whole
UNREADABLE = (OSError, UnicodeError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a file or an archive raises when it is cut off, encrypted, or something else altogether."""

_SPACE_OR_COMMA = re.compile(r"[\s,]*")


def elements(stream: TextIO, name: str) -> Iterator[Any]:
    """The elements of a JSON list one after another, so that an export of gigabytes needs the memory of one of them.

    Raises BadInput when it is not a list of JSON values.
    """
    decoder = json.JSONDecoder()
    buffer = stream.read(_BLOCK).lstrip("\ufeff \t\r\n")
    if not buffer.startswith("["):
        raise BadInput(f"{name} is no list of JSON objects; it begins with {buffer[:20]!r}")
    position, ended = 1, False
    while True:
        position = _skipped(buffer, position)
        if buffer[position : position + 1] == "]":
            return
        try:
            value, after = decoder.raw_decode(buffer, position)
        except RecursionError as error:
            raise BadInput(f"{name} is nested too deeply") from error
        except ValueError as error:
            if ended or len(buffer) - position > _MAX_ELEMENT:
                raise BadInput(f"{name} is cut off or broken after {buffer[:position][-40:]!r}") from error
            after = len(buffer)
        if after == len(buffer) and not ended:
            # Read as much again as there is, so that a long element is tried a few times only.
            block = stream.read(max(_BLOCK, len(buffer) - position))
            buffer, position, ended = buffer[position:] + block, 0, not block
            continue
        yield value
        position = after
        if position > _BLOCK:
            buffer, position = buffer[position:], 0


def _skipped(buffer: str, position: int) -> int:
    found = _SPACE_OR_COMMA.match(buffer, position)
    return found.end() if found else position


@contextmanager
def opened(path: Path, pattern: str) -> Iterator[list[tuple[str, TextIO]]]:
    """The text files whose names match ``pattern`` in a folder or a zip archive; a single file is taken as it is."""
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if re.fullmatch(pattern, file.name)]
        streams = [(file.name, file.open(encoding="utf-8-sig")) for file in files]
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if re.fullmatch(pattern, name.rpartition("/")[2]))
            inside = [(name, io.TextIOWrapper(archive.open(name), "utf-8-sig")) for name in names]
            yield list[tuple[str, TextIO]](inside)
            return
    else:
        streams = [(path.name, path.open(encoding="utf-8-sig"))]
    try:
        yield list[tuple[str, TextIO]](streams)
    finally:
        for _, stream in streams:
            stream.close()


def moment(value: Any) -> float | None:
    """Seconds since the epoch from seconds, milliseconds or an ISO date (UTC unless it says otherwise), else None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        seconds = value / 1000 if abs(value) > 1e11 else float(value)
        return seconds if abs(seconds) < 1e11 else None
    text = str(value).strip()[:64]
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except OverflowError:  # the first or the last day of the calendar, elsewhere
        return None
    except ValueError:
        try:
            return moment(float(text))
        except ValueError:
            return None


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one: exports hold null, or something else, in the place of many."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """A text or a number as a text that can be stored; empty for everything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return storable(str(value)).strip()


def as_json(value: Any) -> Any:
    """The value without the numbers that JSON has no words for (NaN, Infinity), which many programs write."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


def storable(text: str) -> str:
    """The text without what no database takes (lone surrogates, zero characters)."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
