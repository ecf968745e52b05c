"""A file of float32 rows, read through a memory map and written in place. Who owns a row is said elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agentmem.contract import Vectors

_FIRST_ROWS = 1024
_AT_ONCE = 8192


class RowFile:
    """Rows of one length, (capacity, dim). Writes are visible to every reader at once and durable after `sync`."""

    def __init__(self, path: Path, dim: int, *, readonly: bool = False) -> None:
        self._dim, self._bytes = dim, dim * 4
        self._fd = os.open(path, os.O_RDONLY if readonly else os.O_RDWR | os.O_CREAT, 0o600)
        self._map: Vectors = np.zeros((0, dim), np.float32)
        self._path = path
        self.remap()

    @property
    def rows(self) -> Vectors:
        """(capacity, dim); rows that nobody owns hold zeros or rubbish. A view of the file, not a copy."""
        return self._map

    def remap(self) -> None:
        """Map the file as long as it is now (another process may have made it longer)."""
        capacity = os.fstat(self._fd).st_size // self._bytes
        if capacity != len(self._map):
            self._map = np.memmap(self._path, np.float32, "r", shape=(capacity, self._dim))

    def write(self, places: Sequence[int], vectors: Vectors) -> None:
        """Put vectors (len(places), dim) into rows, lengthening the file as needed."""
        if not len(places):
            return
        self._reserve(max(places) + 1)
        flat = np.ascontiguousarray(vectors, np.float32)
        start = 0
        for stop in range(1, len(places) + 1):  # runs of neighbouring rows in one call
            if stop == len(places) or places[stop] != places[stop - 1] + 1:
                self._put(places[start], flat[start:stop].tobytes())
                start = stop

    def clear(self, places: Sequence[int]) -> None:
        """Overwrite rows with zeros."""
        empty = bytes(self._bytes)
        for place in places:
            if place < len(self._map):
                self._put(place, empty)

    def clear_all_but(self, owned: Sequence[int]) -> None:
        """Overwrite whatever is left in rows that are not in ``owned``."""
        kept = np.zeros(len(self._map), bool)
        kept[[place for place in owned if place < len(kept)]] = True
        for start in range(0, len(kept), _AT_ONCE):
            part = np.flatnonzero(~kept[start : start + _AT_ONCE]) + start
            self.clear(part[self._map[part].any(axis=1)].tolist())

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._map = np.zeros((0, self._dim), np.float32)

    def _reserve(self, rows: int) -> None:
        if rows > len(self._map):
            capacity = max(rows, _FIRST_ROWS, len(self._map) + len(self._map) // 2)
            os.ftruncate(self._fd, capacity * self._bytes)
            self.remap()

    def _put(self, place: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            done += os.pwrite(self._fd, data[done:], place * self._bytes + done)
