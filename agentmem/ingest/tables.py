"""Readers of data: CSV, TSV, JSON, JSON lines, notebooks. Every row or element becomes one line with its names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from agentmem.ingest.decoding import decode
from agentmem.ingest.document import CODE, PROSE, ROWS, Document, Section, Unreadable, whole

_MAX_CELL = 1_000_000  # characters
_MAX_DEPTH = 60


def read_csv(data: bytes, delimiter: str | None = None) -> Document:
    """One line a row: "name: Ada; city: London", or the plain values when the first row holds no names."""
    text, _ = decode(data)
    sample = text[:8192]
    if delimiter is None:
        try:
            delimiter = csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
        except csv.Error:
            delimiter = ","
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    lines: list[str] = []
    names: list[str] | None = None
    try:
        for number, row in enumerate(reader):
            if number == 0 and _are_names(row):
                names = [cell.strip() for cell in row]
            elif any(cell.strip() for cell in row):
                lines.append(_row(row, names))
    except csv.Error as error:
        raise Unreadable(f"row {reader.line_num:,} is no row of a table: {error}") from error
    if not lines and names:
        lines = [_row(names, None)]
    body = "\n".join(lines)
    return Document(body, whole(body, ROWS), "", "csv")


def _are_names(row: list[str]) -> bool:
    """A header: texts, all different, none a number."""
    cells = [cell.strip() for cell in row]
    return len(cells) > 1 and all(cells) and len(set(cells)) == len(cells) and not any(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _row(row: list[str], names: list[str] | None) -> str:
    cells = [" ".join(cell.split()) for cell in row]
    if names is None:
        return ", ".join(filter(None, cells))
    extra = [f"column {index + 1}" for index in range(len(names), len(cells))]
    return "; ".join(f"{name}: {cell}" for name, cell in zip([*names, *extra], cells, strict=False) if cell)


def read_json(data: bytes) -> Document:
    """Every element of a list, or every key of an object, becomes one line of "path: value" pairs."""
    text, _ = decode(data)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg} in line {error.lineno:,}, column {error.colno:,}") from error
    except RecursionError as error:
        raise Unreadable("nested too deeply to be read as JSON") from error
    if isinstance(value, dict) and {"cells", "nbformat"} <= value.keys():
        return _notebook(value)
    body = "\n".join(filter(None, _elements(value)))
    return Document(body, whole(body, ROWS), "", "json")


def read_jsonl(data: bytes) -> Document:
    """One line a record; lines that are not JSON are left out and counted."""
    text, _ = decode(data)
    lines: list[str] = []
    broken: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            lines.append(_pairs(json.loads(line)))
        except (json.JSONDecodeError, RecursionError):
            broken.append(number)
    if broken and not lines:
        raise Unreadable("not one line of it is JSON")
    body = "\n".join(filter(None, lines))
    notes = (f"{len(broken):,} lines are not JSON and were left out, the first is line {broken[0]:,}",)
    return Document(body, whole(body, ROWS), "", "json lines", notes if broken else ())


def _elements(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield from map(_pairs, value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, list) and inner and all(isinstance(item, dict) for item in inner):
                yield from (f"{key}: {_pairs(item)}" for item in inner)
            else:
                yield _pairs({key: inner})
    else:
        yield _pairs(value)


def _pairs(value: Any) -> str:
    return "; ".join(f"{path}: {leaf}" if path else leaf for path, leaf in _leaves(value, "", 0))


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth < _MAX_DEPTH and isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, list):
        if all(isinstance(item, str | int | float | bool) for item in value):
            if value:
                yield path, ", ".join(" ".join(str(item).split()) for item in value)
        else:
            for index, inner in enumerate(value):
                yield from _leaves(inner, f"{path}.{index + 1}" if path else str(index + 1), depth + 1)
    elif value is not None and value != "":
        leaf = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:_MAX_CELL]
        yield path, " ".join(leaf.split())


def _notebook(value: dict[str, Any]) -> Document:
    """The text and code cells of a Jupyter notebook, without their outputs."""
    parts: list[str] = []
    sections: list[Section] = []
    position = 0
    for cell in value["cells"] if isinstance(value["cells"], list) else ():
        source = cell.get("source", "") if isinstance(cell, dict) else ""
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        if source.strip():
            style = CODE if cell.get("cell_type") == "code" else PROSE
            sections.append(Section(position, position + len(source), style=style))
            parts.append(source + "\n\n")
            position += len(source) + 2
    return Document("".join(parts), tuple(sections), "", "notebook")
