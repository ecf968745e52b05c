"""A deterministic embedder without a model: texts that share words are near. For tests and for trying things out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from agentmem.contract import Embedder, Vectors
from agentmem.embed import EmbedderOptions
from agentmem.errors import BadInput

_WORD = re.compile(r"\w+")


def hashed(rest: str, cache_dir: Path, options: EmbedderOptions) -> Embedder:
    """``hash`` or ``hash:DIM``."""
    if rest and not (rest.isdigit() and 2 <= int(rest) <= 8192):
        raise BadInput(f"'hash:{rest}' is not right; give a dimension between 2 and 8192, as in 'hash:384'")
    return HashedEmbedder(int(rest or 256))


class HashedEmbedder:
    """The sum of one random direction per word, drawn from the word's hash, scaled to length one."""

    def __init__(self, dim: int = 256) -> None:
        self.dim = dim
        self.model_id = f"hash-{dim}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        out = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in _WORD.findall(text.casefold()) or ["\0"]:
                row += _direction(word, self.dim)
            row /= np.linalg.norm(row) or 1.0
        return out

    def count_tokens(self, text: str) -> int:
        return len(_WORD.findall(text))


@lru_cache(maxsize=50_000)
def _direction(word: str, dim: int) -> Vectors:
    seed = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed, "big")).standard_normal(dim).astype(np.float32)
