"""Embedders behind an OpenAI-compatible server (Ollama, vLLM, llama.cpp, OpenAI itself): ``openai:NAME[@URL]``.

Plain HTTP by the standard library: importing a vendor's client takes longer than most calls. Nothing is sent before the
first text is embedded.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agentmem.contract import Embedder, Vectors
from agentmem.embed import EmbedderOptions
from agentmem.errors import BadInput, Missing, ModelError

OPENAI_URL = "https://api.openai.com/v1"
_BATCH = 64
_ATTEMPTS = 4
_WORTH_ANOTHER_TRY = frozenset({408, 409, 429, 500, 502, 503, 504})


def openai(rest: str, cache_dir: Path, options: EmbedderOptions) -> Embedder:
    """``NAME`` or ``NAME@URL``; without a URL the setting base_url, else OpenAI's."""
    name, _, url = rest.partition("@")
    if not name:
        raise BadInput("the embedder openai needs a model: 'openai:NAME' or 'openai:NAME@http://host:port/v1'")
    address = (url or options.base_url or OPENAI_URL).rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise BadInput(f"'{address}' is no address of a server; it should begin with http:// or https://")
    return CompatibleEmbedder(name, address, options)


class CompatibleEmbedder:
    """Asks ``POST {url}/embeddings``. The dimension is learnt from the first answer."""

    def __init__(self, name: str, url: str, options: EmbedderOptions) -> None:
        self._name, self._url, self._options = name, url, options
        self._dim: int | None = None
        self.model_id = f"openai-{name}"

    @property
    def dim(self) -> int:
        if self._dim is None:
            self._dim = self.embed(["dimension"]).shape[1]
        return self._dim

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(len(texts), dim). Raises ModelError when the server fails, Missing without a key for OpenAI."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        parts = [self._ask(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        vectors = np.concatenate(parts)
        self._dim = int(vectors.shape[1])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        out: Vectors = vectors / np.maximum(lengths, 1e-12)
        return out

    def count_tokens(self, text: str) -> int:
        """An estimate (four characters a token): the server's tokenizer is not known."""
        return (len(text) + 3) // 4

    def _ask(self, texts: Sequence[str]) -> Vectors:
        # servers refuse an empty text; a blank stands for it
        body = json.dumps({"model": self._name, "input": [text or " " for text in texts]}).encode()
        headers = {"Content-Type": "application/json"}
        key = os.environ.get(self._options.api_key_env)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        elif self._url == OPENAI_URL:
            raise Missing(
                f"the embedder openai:{self._name} needs a key in the environment variable {self._options.api_key_env}"
            )
        answer = self._post(urllib.request.Request(f"{self._url}/embeddings", body, headers, method="POST"))
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{self._url} answered something else than embeddings: {str(answer)[:200]}") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
            raise ModelError(f"{self._url} answered {vectors.shape} for {len(texts)} texts")
        return vectors

    def _post(self, request: urllib.request.Request) -> Any:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with urllib.request.urlopen(request, timeout=self._options.timeout_s) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                said = error.read().decode("utf-8", "replace")[:200]
                if error.code not in _WORTH_ANOTHER_TRY or attempt == _ATTEMPTS:
                    raise ModelError(
                        f"{self._url} refused to embed with '{self._name}': {error.code} {said}"
                    ) from error
            except (OSError, ValueError) as error:
                if attempt == _ATTEMPTS:
                    raise ModelError(
                        f"no answer from {self._url}: {error}; check the address and that the server runs"
                    ) from error
            time.sleep(0.2 * 2**attempt)
        raise AssertionError("every attempt returns or raises")
