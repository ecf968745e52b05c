"""Byte strings too large for a row (weight deltas), as files named by their hash beside the database."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from agentmem.errors import HomeDamaged


class BlobStore:
    """Content-addressed files: written whole and durable before the transaction that refers to them commits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def write(self, data: bytes) -> str:
        """Keep ``data``; returns its sha256. Writing the same bytes again does nothing."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{digest}.{os.getpid()}.part")
        with open(draft, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        _sync_folder(path.parent)
        return digest

    def read(self, digest: str) -> bytes:
        """The bytes; HomeDamaged when the file is missing or is not what its name says."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise HomeDamaged(
                f"blob {digest[:12]}… is missing; restore a backup or purge the edit that uses it"
            ) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise HomeDamaged(f"blob {digest[:12]}… is damaged; restore a backup or purge the edit that uses it")
        return data

    def digests(self) -> set[str]:
        return {p.name for p in self.folder.glob("??/*") if len(p.name) == 64}

    def remove(self, digests: Iterable[str]) -> None:
        for digest in digests:
            self.path(digest).unlink(missing_ok=True)

    def collect(self, used: Iterable[str], *, older_than_s: float = 600.0) -> int:
        """Remove what nothing in ``used`` names and a crash left half written; returns how many files.

        Young files stay: another process may be about to commit the change that refers to them.
        """
        keep = set(used)
        removed = 0
        for path in self.folder.glob("??/*"):
            if path.name not in keep and time.time() - path.stat().st_mtime >= older_than_s:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
