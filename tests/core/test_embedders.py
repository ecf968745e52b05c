from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentmem.embed import EmbedderOptions, load_embedder
from agentmem.embed.transformer import EXPORT_FILE, MINILM, TransformerEmbedder
from agentmem.errors import BadInput, Missing, ModelError, UnknownName

NEVER = EmbedderOptions(export="never", threads=1)


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("torch")
    return load_embedder("minilm", tmp_path_factory.mktemp("cache"), NEVER)


def test_the_default_embedder_gives_unit_vectors_that_know_meaning(minilm: Any) -> None:
    vectors = minilm.embed(["The harbour office moved to Pier 4.", "Where is the port authority now?", "I like jam."])
    assert vectors.shape == (3, minilm.dim) == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert (minilm.model_id, minilm.backend) == (MINILM, "transformers")


def test_the_vector_of_a_text_is_bit_for_bit_the_same_whatever_is_embedded_with_it(minilm: Any) -> None:
    texts = ["short", "", "a rather longer text about harbours, cranes and ships " * 4, "短い文です", "short"]
    together = minilm.embed(texts)
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(minilm.embed([text])[0], row)


def test_texts_are_read_to_256_tokens_though_the_tokenizer_ships_with_128(minilm: Any) -> None:
    base = "word " * 150
    assert not np.allclose(minilm.embed([base])[0], minilm.embed([base + "harbour " * 50])[0], atol=1e-3)
    long = "word " * 300
    assert np.array_equal(minilm.embed([long])[0], minilm.embed([long + "harbour"])[0])
    assert minilm.count_tokens("word " * 300) == 300


@pytest.mark.slow
def test_the_export_equals_transformers_and_is_used_from_then_on(tmp_path: Path, minilm: Any) -> None:
    pytest.importorskip("onnxruntime")
    exported = load_embedder("minilm", tmp_path, EmbedderOptions(export="now", threads=2))
    texts = ["one", "two words here", "x " * 400]
    assert np.abs(exported.embed(texts) - minilm.embed(texts)).max() < 1e-5
    assert (tmp_path / MINILM / EXPORT_FILE).is_file()
    again = load_embedder("minilm", tmp_path, NEVER)
    assert np.array_equal(again.embed(texts), exported.embed(texts))
    assert isinstance(again, TransformerEmbedder)
    assert again.backend == "onnxruntime"


def test_without_torch_and_without_an_export_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentmem.embed.transformer.util.find_spec", lambda name: None)
    with pytest.raises(Missing, match="install the extra 'embed'"):
        load_embedder("minilm", tmp_path, NEVER).embed(["x"])


def test_a_failed_export_is_not_tried_again_with_the_same_tools(tmp_path: Path) -> None:
    from agentmem.embed import export

    source = tmp_path / "model"
    source.mkdir()
    with pytest.raises(ModelError):
        export.export(source, tmp_path / "cache")
    assert export.failed_before(tmp_path / "cache")
    assert not (tmp_path / "cache" / EXPORT_FILE).exists()


def test_a_setting_that_nothing_provides_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="installed: hash, hf, minilm, openai"):
        load_embedder("nosuch", tmp_path)
    for wrong in ("", "minilm:large", "hf:/nowhere", "hash:1", "openai", "openai:name@ftp://x"):
        with pytest.raises(BadInput):
            load_embedder(wrong, tmp_path)


def test_the_hash_embedder_is_deterministic_and_sees_shared_words(tmp_path: Path) -> None:
    embedder = load_embedder("hash:64", tmp_path)
    a, b, c, empty = embedder.embed(["red harbour crane", "The RED harbour", "something else", ""])
    assert embedder.dim == 64
    assert a @ b > a @ c
    assert np.isclose(np.linalg.norm(empty), 1.0)
    assert np.array_equal(load_embedder("hash:64", tmp_path).embed(["red harbour crane"])[0], a)


class _Server(BaseHTTPRequestHandler):
    failures = 0

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] == "broken":
            self.send_error(400, "no such model")
            return
        if _Server.failures:
            _Server.failures -= 1
            self.send_error(503)
            return
        rows = [{"index": i, "embedding": [3.0, float(len(t)), 0.0]} for i, t in enumerate(asked["input"])]
        body = json.dumps({"data": rows[::-1]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Server) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/v1"
        http.shutdown()
        thread.join()


def test_a_compatible_server_is_asked_in_order_and_again_when_it_is_busy(tmp_path: Path, server: str) -> None:
    embedder = load_embedder(f"openai:tiny@{server}", tmp_path)
    _Server.failures = 1
    vectors = embedder.embed(["abcd", "", "x" * 100])
    assert embedder.dim == 3
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    assert np.allclose(vectors[0], [0.6, 0.8, 0.0])


def test_a_server_that_refuses_is_quoted(tmp_path: Path, server: str) -> None:
    with pytest.raises(ModelError, match="400"):
        load_embedder(f"openai:broken@{server}", tmp_path).embed(["x"])


def test_openai_itself_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Missing, match="OPENAI_API_KEY"):
        load_embedder("openai:text-embedding-3-small", tmp_path).embed(["x"])


def test_naming_an_embedder_loads_no_model_library(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from agentmem.embed import load_embedder; "
        f"load_embedder('minilm', Path({str(tmp_path)!r})); "
        "assert not {'torch', 'transformers', 'onnxruntime', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
