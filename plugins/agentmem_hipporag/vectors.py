"""Rows of float32 in one growing file, mapped when read: the dense side of the graph, exact and bounded in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_BLOCK = 65_536


class VectorFile:
    """Append-only rows of one width. A row is written before anything refers to it, so a crash leaves spare rows."""

    def __init__(self, path: Path, dim: int) -> None:
        self.path = path
        self.dim = dim
        self._mapped: Vectors | None = None

    def write(self, first: int, vectors: Vectors) -> None:
        """Put rows at their place; rows beyond the end make the file longer."""
        assert vectors.shape[1] == self.dim, f"vectors of {vectors.shape[1]} numbers in a file of {self.dim}"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
            file.seek(first * self.dim * 4)
            file.write(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
        self._mapped = None

    def rows(self) -> Vectors:
        """(n, dim), mapped."""
        if self._mapped is None:
            if not self.path.exists() or not self.path.stat().st_size:
                return np.zeros((0, self.dim), dtype=np.float32)
            n = self.path.stat().st_size // (4 * self.dim)
            self._mapped = np.memmap(self.path, dtype=np.float32, mode="r", shape=(n, self.dim))
        return self._mapped

    def exact(self, vector: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The same in double precision, rounded to nine digits: equal vectors are equally near wherever they lie."""
        products = np.asarray(self.rows()[rows], dtype=np.float64) @ vector.astype(np.float64)
        return np.asarray(np.round(products, 9))

    def similarities(self, vector: Vectors, rows: NDArray[np.int64]) -> Vectors:
        """Inner products of `vector` (dim,) with some rows (sorted), in blocks so that little is copied."""
        every = self.rows()
        if len(rows) == len(every):
            return np.asarray(every @ vector)
        if len(rows) * 2 > len(every):
            return np.asarray(every @ vector)[rows]
        out = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), _BLOCK):
            out[start : start + _BLOCK] = every[rows[start : start + _BLOCK]] @ vector
        return out
