"""Who owns the views of a home: one process, by a file lock that the kernel drops when the process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Ownership:
    """An exclusive lock on a home. The PID in the file is only for messages; the lock itself decides."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "owner.lock"
        self._fd: int | None = None
        self._pid = 0

    @property
    def held(self) -> bool:
        return self._fd is not None and self._pid == os.getpid()

    def take(self) -> bool:
        """Take the lock if nobody has it; True when this process owns the home."""
        if self.held:
            return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd, self._pid = fd, os.getpid()
        return True

    def owner(self) -> int | None:
        """The PID of the process that refused us the lock."""
        try:
            return int(self._path.read_text().strip() or 0) or None
        except (FileNotFoundError, ValueError):
            return None

    def release(self) -> None:
        if self._fd is not None and self._pid == os.getpid():
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
        self._fd = None
