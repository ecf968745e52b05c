"""Finds the files below given paths and says what it leaves alone and why. Reads folders, never a file's content.

Links are not followed: a link within a folder leads to what is found anyway, one that leads out of it may lead to
things that nobody meant to give away, and loops are impossible without them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentmem.ingest.ignore import Rule, is_ignored, rules_of

LEFT_ALONE = {
    "node_modules": "packages of Node, not this project's own",
    "__pycache__": "compiled Python",
    "__MACOSX": "metadata of macOS",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files are wanted. ``max_bytes`` bounds the memory that one file can take."""

    max_bytes: int = 32 * 1024 * 1024
    hidden: bool = False  # also what begins with a dot
    ignore_files: bool = True  # heed .gitignore and .agentmemignore


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file below ``root``, the folder that was given (or that holds the file that was given)."""

    path: Path
    root: Path
    size: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that is not read, and why. ``exists`` is False when there is nothing in that place."""

    path: Path
    root: Path
    reason: str
    exists: bool = True
    is_folder: bool = False


def walk(paths: Sequence[Path | str], selection: Selection) -> Iterator[Found | LeftOut]:
    """Every file below the paths, once, in the order of names; what is left out comes with its reason."""
    seen: set[Path] = set()
    for given in paths:
        path = Path(given).expanduser()
        try:
            path = path.resolve(strict=True)
            mode = path.stat().st_mode
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            yield LeftOut(Path(os.path.abspath(path)), path.parent, _sentence(error), exists=False)
            continue
        inside = _below(path, selection) if stat.S_ISDIR(mode) else _single(path, mode)
        for entry in inside:
            if entry.path not in seen:
                seen.add(entry.path)
                yield entry


def _single(path: Path, mode: int) -> Iterator[Found | LeftOut]:
    if stat.S_ISREG(mode):
        yield Found(path, path.parent, path.stat().st_size)
    else:
        yield LeftOut(path, path.parent, "not a regular file")


def _below(root: Path, selection: Selection) -> Iterator[Found | LeftOut]:
    pending: list[tuple[Path, tuple[tuple[str, tuple[Rule, ...]], ...]]] = [(root, ())]
    while pending:
        folder, levels = pending.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield LeftOut(folder, root, _sentence(error), is_folder=True)
            continue
        if folder != root and any(entry.name == "pyvenv.cfg" for entry in entries):
            yield LeftOut(folder, root, "a Python virtual environment", is_folder=True)
            continue
        if selection.ignore_files:
            prefix = "" if folder == root else folder.relative_to(root).as_posix() + "/"
            levels = (*levels, (prefix, rules_of(folder)))
        subfolders = []
        for entry in entries:
            seen = _judged(entry, root, selection, levels)
            if seen is None:
                subfolders.append((Path(entry.path), levels))
            else:
                yield seen
        pending += reversed(subfolders)


def _judged(
    entry: os.DirEntry[str], root: Path, selection: Selection, levels: tuple[tuple[str, tuple[Rule, ...]], ...]
) -> Found | LeftOut | None:
    """A file, a refusal, or None for a folder to enter."""
    path = Path(entry.path)
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError as error:
        return LeftOut(path, root, _sentence(error))
    is_folder = stat.S_ISDIR(info.st_mode)
    reason = ""
    if entry.name.startswith(".") and not selection.hidden:
        reason = "hidden"
    elif stat.S_ISLNK(info.st_mode):
        reason = "a link; give its target itself to have it read"
    elif is_folder and entry.name in LEFT_ALONE:
        reason = LEFT_ALONE[entry.name]
    elif levels and is_ignored(path.relative_to(root).as_posix(), is_folder, levels):
        reason = "listed in an ignore file"
    elif not is_folder and not stat.S_ISREG(info.st_mode):
        reason = "not a regular file"
    if reason:
        return LeftOut(path, root, reason, is_folder=is_folder)
    return None if is_folder else Found(path, root, info.st_size)


def _sentence(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()
