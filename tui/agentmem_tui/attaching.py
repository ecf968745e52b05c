"""Files named in a message: ``@notes.md`` goes along with it, a folder or a long file is read into the memory first."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_NAMED = re.compile(r"(?:^|(?<=\s))@(\S+)")
_QUOTED = 8_000  # letters of a file that a message may carry


def with_files(text: str, ingest: Callable[[Path], str]) -> tuple[str, list[str]]:
    """The message with the texts of short files behind it, and sentences about what was read.

    ``ingest`` reads what is too long for a message and says what came of it. A word that names no file stays as it is.
    """
    quoted: list[str] = []
    notes: list[str] = []
    for name in dict.fromkeys(_NAMED.findall(text)):
        path = Path(name.rstrip(".,;:!?")).expanduser()
        if not path.exists():
            continue
        words = _short_text(path)
        if words is None:
            notes.append(f"read {path} into the memory: {ingest(path)}")
        else:
            quoted.append(f"\n\n{path.name}:\n```\n{words.rstrip()}\n```")
    return text + "".join(quoted), notes


def _short_text(path: Path) -> str | None:
    """The text of a file that fits into a message; None for folders, long files and what is no text."""
    if path.is_dir() or path.stat().st_size > 4 * _QUOTED:
        return None
    try:
        words = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None  # a document in another format: the readers of the ingestion know what to do
    return words if len(words) <= _QUOTED else None


def complete_path(beginning: str, limit: int = 50) -> list[str]:
    """Paths that begin with ``beginning``; folders end with a slash."""
    path = Path(beginning).expanduser()
    folder, stem = (path, "") if beginning.endswith("/") or not beginning else (path.parent, path.name)
    head = beginning[: len(beginning) - len(stem)]
    out = []
    try:
        for child in sorted(folder.iterdir(), key=lambda p: (not p.is_dir(), p.name.lower())):
            if child.name.startswith(stem) and (stem.startswith(".") or not child.name.startswith(".")):
                out.append(f"{head}{child.name}{'/' if child.is_dir() else ''}")
            if len(out) >= limit:
                break
    except OSError:
        return []  # no such folder, or not ours to read: nothing to complete
    return out
