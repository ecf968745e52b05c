"""Decides what is to be done about each file found: new, changed, moved, deleted, unchanged or skipped.

Only what is really gone counts as deleted: whatever lies in a folder that could not be looked into, or is left alone
now, keeps its records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from agentmem.ingest.known import KnownFile, file_key, root_key
from agentmem.ingest.readers import HEAD_BYTES, refusal
from agentmem.ingest.report import Outcome
from agentmem.ingest.walk import Found, LeftOut

_BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Item:
    """One file and what is to be done about it."""

    outcome: Outcome
    uri: str
    root: str = ""  # key of its root folder
    path: Path | None = None  # None: it is gone
    digest: str = ""
    size: int = 0
    known: KnownFile | None = None
    reason: str = ""  # why it is skipped
    detail: str = ""


class Search:
    """Takes what a walk yields, one entry after another, then judges all of it together."""

    def __init__(self, known: Mapping[str, KnownFile], recipe: str, max_bytes: int) -> None:
        self._known = known
        self._recipe = recipe
        self._max_bytes = max_bytes
        self._roots = {file.root for file in known.values()}
        self._places: dict[str, Path] = {}  # root key -> folder, as far as it has shown itself
        self._protected: set[Path] = set()  # folders whose known files stay, whatever was found
        self._folders: set[Path] = set()  # where anything was found
        self._met: set[str] = set()  # keys of known files that are still there
        self._items: list[Item] = []
        self._key = lru_cache(maxsize=4096)(root_key)

    def take(self, entry: Found | LeftOut) -> Item:
        """Judge one entry as far as it can be judged alone."""
        self._folders.add(entry.path.parent)
        item = self._left_out(entry) if isinstance(entry, LeftOut) else self._found(entry)
        self._items.append(item)
        return item

    def judged(self, paths: Sequence[Path | str]) -> list[Item]:
        """All items, with moved files recognised and those below the paths that are gone."""
        gone = {file.key: file for file in self._gone(paths)}
        lost = {file.digest: file for file in gone.values() if file.digest and file.recipe == self._recipe}
        there = {file.digest: file.uri for key, file in self._known.items() if key not in gone and key not in self._met}
        there |= {item.digest: item.uri for item in self._items if item.known is not None}
        items = []
        for item in self._items:
            if item.outcome is Outcome.NEW and item.digest in lost:
                source = lost.pop(item.digest)
                del gone[source.key]
                item = replace(item, outcome=Outcome.MOVED, known=source)
            elif item.outcome is Outcome.NEW and item.digest in there:
                reason, detail = "its content is that of another file", f"same as {there[item.digest]}"
                item = replace(item, outcome=Outcome.SKIPPED, reason=reason, detail=detail)
            if item.outcome is not Outcome.SKIPPED:
                there.setdefault(item.digest, item.uri)
            items.append(item)
        return items + [Item(Outcome.DELETED, file.uri, file.root, known=file) for file in gone.values()]

    def _found(self, entry: Found) -> Item:
        known = self._known_at(entry.path)
        uri, root = (known.uri, known.root) if known else (uri_of(entry.path, entry.root), self._key(entry.root))
        item = Item(Outcome.NEW, uri, root, entry.path, size=entry.size, known=known)
        if entry.size > self._max_bytes:
            reason = f"larger than {self._max_bytes / 2**20:,.0f} MiB"
            detail = f"{entry.size / 2**20:,.1f} MiB"
            return replace(item, outcome=Outcome.SKIPPED, reason=reason, detail=detail)
        try:
            digest, head = _digest(entry.path)
        except OSError as error:
            return replace(item, outcome=Outcome.SKIPPED, reason=(error.strerror or str(error)).lower())
        reason = refusal(entry.path, head)
        if not head and known is None:
            reason = "empty"
        if reason:
            return replace(item, outcome=Outcome.SKIPPED, reason=reason)
        if known is None:
            return replace(item, digest=digest)
        same = (known.digest, known.recipe) == (digest, self._recipe)
        return replace(item, digest=digest, outcome=Outcome.UNCHANGED if same else Outcome.CHANGED)

    def _left_out(self, entry: LeftOut) -> Item:
        known = None if entry.is_folder or not entry.exists else self._known_at(entry.path)
        if entry.is_folder:
            self._protected.add(entry.path)
        uri = known.uri if known else uri_of(entry.path, entry.root)
        return Item(Outcome.SKIPPED, uri + "/" * entry.is_folder, known=known, reason=entry.reason)

    def _known_at(self, path: Path) -> KnownFile | None:
        """The known file at this place, under whichever of the folders above it was ingested."""
        if not self._known:
            return None
        for folder in path.parents:
            root = self._key(folder)
            if root in self._roots:
                self._places[root] = folder
                known = self._known.get(file_key(root, uri_of(path, folder)))
                if known is not None:
                    self._met.add(known.key)
                    return known
        return None

    def _gone(self, paths: Sequence[Path | str]) -> Iterator[KnownFile]:
        """Known files that should lie below the paths but were not met.

        A path that is not there itself may be an unmounted disk: it only stands for a file of its own name.
        """
        given = [Path(path).expanduser().resolve() for path in paths]
        for path in given:
            self._places |= {self._key(folder): folder for folder in (path, *path.parents)}
        self._find_places(self._folders.union(given))
        folders = {path for path in given if path.is_dir()}
        files = {path for path in given if path.parent.is_dir()}
        for file in self._known.values():
            folder = self._places.get(file.root)
            if folder is None or file.key in self._met:
                continue
            place = folder / file.uri.partition("/")[2]
            above = set(place.parents)
            if (place in files or above & folders) and not above & self._protected:
                yield file

    def _find_places(self, folders: Iterable[Path]) -> None:
        """Where roots lie, or lay, of which no file was met: a folder within a folder, ingested by itself once."""
        lost = {
            (file.root, file.uri.partition("/")[0]) for file in self._known.values() if file.root not in self._places
        }
        for root, name in lost:
            place = next((folder / name for folder in folders if root_key(folder / name) == root), None)
            if place is not None:
                self._places[root] = place


def uri_of(path: Path, root: Path) -> str:
    """The path from the name of its root on, in characters that any database takes."""
    uri = path.relative_to(root).as_posix() if path != root else ""
    uri = f"{root.name or 'root'}/{uri}".rstrip("/")
    return uri.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _digest(path: Path) -> tuple[str, bytes]:
    """(SHA-256 of the content, its first bytes)."""
    digest = hashlib.sha256()
    head = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            head = head or block[:HEAD_BYTES]
            digest.update(block)
    return digest.hexdigest(), head
