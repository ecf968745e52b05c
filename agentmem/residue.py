"""Searches the files of a home for text that should be gone: the last check of a purge. It removes nothing."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentmem.journal import Journal

_NEEDLE = 24  # characters; long enough not to be found by chance, short enough to survive being cut up


@dataclass(frozen=True, slots=True)
class Residue:
    """Where purged text still stands."""

    place: str
    sentence: str


def needles(text: str) -> list[str]:
    """Pieces of a text by which it can be recognised: its longest words and runs."""
    words = sorted(set(re.findall(r"\w{7,}", text)), key=lambda w: (-len(w), w))[:3]
    run = " ".join(text.split())
    start = max(0, (len(run) - _NEEDLE) // 2)
    middle = run[start : start + _NEEDLE]
    return [*([middle] if len(middle) >= 8 else []), *words]


def find_residue(folder: Path, bodies: Sequence[str], journal: Journal) -> list[Residue]:
    """Files and other records in which the most telling piece of a purged body still occurs.

    A piece that other records hold on purpose (a common phrase) is reported with those records, not as a fault.
    """
    found: list[Residue] = []
    for body in bodies:
        piece = next(iter(needles(body)), "")
        if not piece:
            continue
        quoting = journal.records_quoting(piece)
        if quoting:
            names = ", ".join(i[:12] for i in quoting[:5])
            sentence = f"{len(quoting)} other record(s) say the same words ({names}); purge them too"
            found.append(Residue("records", sentence))
            continue
        for path in _files_with(folder, piece):
            place = str(path.relative_to(folder))
            sentence = f"the file {place} still holds words of a purged record; run 'agentmem doctor'"
            found.append(Residue(place, sentence))
    return found


def _files_with(folder: Path, piece: str) -> Iterator[Path]:
    patterns = [piece.encode("utf-8"), piece.encode("utf-16-le"), piece.encode("utf-16-be")]
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.stat().st_size == 0:
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if any(content.find(pattern) >= 0 for pattern in patterns):
                yield path
