"""Notices what a memory may not do while it works: open connections, or write outside its own folder.

Python's audit events show every file and socket that Python code opens; compiled extensions do not raise them, so
the folders around a memory are compared as well (`Snapshot`). An audit hook cannot be removed: there is one, and it
does nothing while no guard is set. A guard refuses connections and only notes writes, since a memory that swallows
the error would go unnoticed otherwise.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CONNECTS = {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}
_CHANGES_PATHS = {
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
}
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class ConnectionForbidden(OSError):
    """A connection was attempted while a guard was set."""


@dataclass(eq=False)
class Guard:
    """What was noticed: ``connections`` and ``writes`` outside ``allowed``, in order, without repetition."""

    allowed: tuple[str, ...]
    connections: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)

    def note_connection(self, event: str, args: Sequence[Any]) -> None:
        if event in ("socket.connect", "socket.bind") and isinstance(args[1], (str, bytes)):
            return  # a Unix socket stays on this machine
        what = f"{event.removeprefix('socket.')} {args[-1] if event.startswith('socket.get') else args[1]!r}"
        if what not in self.connections:
            self.connections.append(what)
        raise ConnectionForbidden(f"no connection is allowed here: {what}")

    def note_write(self, path: Any) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # a file descriptor that is open already
        full = os.path.realpath(os.fsdecode(path))
        if full.startswith(("/dev/", "/proc/")) or "__pycache__" in full:
            return
        if any(full == root or full.startswith(root + os.sep) for root in self.allowed):
            return
        if full not in self.writes:
            self.writes.append(full)


class _Watch:
    """The one audit hook of this process and the guard that it reports to."""

    def __init__(self) -> None:
        self.set: list[Guard] = []  # the last one counts
        self.installed = False

    def install(self) -> None:
        if not self.installed:
            sys.addaudithook(self)
            self.installed = True

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        try:
            guard = self.set[-1]
        except IndexError:
            return
        if event == "open":
            path, mode, flags = args
            writes = bool(flags & _WRITE_FLAGS) if mode is None else any(letter in mode for letter in "wax+")
            if writes and path is not None:
                guard.note_write(path)
        elif event == "sqlite3.connect":
            name = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
            if name and not name.startswith(":memory:") and "mode=ro" not in name and "mode=memory" not in name:
                guard.note_write(name.removeprefix("file:").split("?")[0])
        elif event in _CHANGES_PATHS:
            at = args[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else None  # shutil.rmtree names files so
            for place in _CHANGES_PATHS[event]:
                guard.note_write(_below(at, args[place]))
        elif event in _CONNECTS:
            guard.note_connection(event, args)


def _below(dir_fd: Any, path: Any) -> Any:
    """A path given relative to an open folder, made absolute where the system tells that folder's name."""
    if not isinstance(dir_fd, int) or dir_fd < 0 or not isinstance(path, (str, bytes)):
        return path
    try:
        return os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), os.fsdecode(path))
    except OSError:
        return path


_WATCH = _Watch()


@contextmanager
def guarded(*allowed: Path) -> Iterator[Guard]:
    """Watch this process until the end of the block; writes below ``allowed`` are not noted.

    Guards do not nest: the inner one stands alone until it ends. Threads may set and take off theirs in any order.
    """
    guard = Guard(tuple(os.path.realpath(path) for path in allowed))
    _WATCH.install()
    _WATCH.set.append(guard)
    try:
        yield guard
    finally:
        take_off(guard)


def take_off(guard: Guard) -> None:
    """End a guard from outside its block: the block of a memory that hangs never ends."""
    if guard in _WATCH.set:
        _WATCH.set.remove(guard)


@dataclass(frozen=True)
class Snapshot:
    """The files below a folder with the hash of their content."""

    files: dict[str, str]

    @classmethod
    def of(cls, root: Path, *, without: Sequence[Path] = ()) -> Snapshot:
        skipped = {path.resolve() for path in without}
        files = {}
        for folder, names, leaves in os.walk(root):
            names[:] = [name for name in names if (Path(folder) / name).resolve() not in skipped]
            for leaf in leaves:
                path = Path(folder) / leaf
                # SQLite makes these two even when it only reads.
                if not leaf.endswith(("-wal", "-shm")) and path.resolve() not in skipped:
                    files[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(files)

    def difference(self, later: Snapshot) -> list[str]:
        """The files that were added, removed or changed, with which of the three."""
        names = sorted(self.files.keys() | later.files.keys())
        return [
            f"{name} ({'added' if name not in self.files else 'removed' if name not in later.files else 'changed'})"
            for name in names
            if self.files.get(name) != later.files.get(name)
        ]


def files_with(root: Path, needle: str) -> list[str]:
    """The files below ``root`` whose bytes (or name) hold ``needle`` in UTF-8 or UTF-16, in any case."""
    forms = [
        text.encode(code)
        for text in {needle, needle.lower(), needle.upper()}
        for code in ("utf-8", "utf-16-le", "utf-16-be")
    ]
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and (needle in path.name or any(form in path.read_bytes() for form in forms)):
            found.append(str(path.relative_to(root)))
    return found
