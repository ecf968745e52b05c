"""Turns a sentence encoder into ONNX, once, in the user's cache: ``python -m agentmem.embed.export [SOURCE TARGET]``.

The file appears whole or not at all, and only after its vectors were compared with those of transformers. Without
arguments it exports the default model into the default cache (for installers and images).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from agentmem.embed.transformer import EXPORT_FILE, FAILED_FILE, MINILM, _minilm_folder
from agentmem.errors import AgentmemError, ModelError

_TOLERANCE = 1e-5  # of a vector's component; seen: 3e-7
_LENGTHS = (2, 3, 17, 64, 256)
_TOOLS = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")


def export(source: Path, target: Path) -> Path:
    """Export the encoder in ``source``; returns the file. Waits when another process is at it. Takes some 12 s of CPU.

    Raises ModelError when the exported model's vectors differ, and remembers it so that it is not tried at every start.
    """
    target.mkdir(parents=True, exist_ok=True)
    file = target / EXPORT_FILE
    with _alone(target / "export.lock"):
        if file.is_file():
            return file
        try:
            with tempfile.TemporaryDirectory(dir=target, prefix="making-") as folder:
                made = Path(folder) / EXPORT_FILE
                _write(source, made)
                shutil.copyfile(source / "tokenizer.json", Path(folder) / "tokenizer.json")
                os.replace(Path(folder) / "tokenizer.json", target / "tokenizer.json")
                with made.open("rb") as stream:
                    os.fsync(stream.fileno())
                os.replace(made, file)
        except Exception as error:  # whatever the exporter raises: the slower path goes on, and this is not tried again
            (target / FAILED_FILE).write_text(json.dumps({"tools": _tools(), "error": str(error)[:2000]}))
            if isinstance(error, AgentmemError):
                raise
            raise ModelError(f"{source.name} could not be exported to ONNX: {error}") from error
        (target / FAILED_FILE).unlink(missing_ok=True)
    return file


def failed_before(target: Path) -> bool:
    """Whether these very versions of the tools have failed at it already."""
    try:
        noted = json.loads((target / FAILED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(noted.get("tools") == _tools())


def _write(source: Path, file: Path) -> None:
    import onnxruntime
    import torch

    from agentmem.embed.encoder import read_encoder

    encoder = read_encoder(source)
    generator = torch.Generator().manual_seed(0)
    vocabulary = int(encoder.transformer.config.vocab_size)

    def sample(batch: int, seq: int) -> torch.Tensor:
        return torch.randint(0, vocabulary, (batch, seq), generator=generator)

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the exporter's remarks on itself
        dynamic = {"input_ids": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
        program = torch.onnx.export(
            encoder,
            (sample(3, 17),),
            dynamo=True,
            dynamic_shapes=dynamic,
            input_names=["input_ids"],
            output_names=["vector"],
            verbose=False,
        )
        assert program is not None, "torch.onnx.export(dynamo=True) returns a program"
        program.save(str(file))
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        for seq in _LENGTHS:
            ids = sample(1, seq)
            ours = session.run(None, {"input_ids": ids.numpy()})[0]
            gap = float(np.abs(ours - encoder(ids).numpy()).max())
            if not gap <= _TOLERANCE:
                raise ModelError(f"the export of {source.name} differs by {gap:.1e} at {seq} tokens; it is not used")


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # freed by the system when its owner dies
        yield


def _tools() -> dict[str, str]:
    found = {}
    for name in _TOOLS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def main(arguments: list[str]) -> int:
    from agentmem.embed.cache import default_cache

    os.nice(10)
    try:
        if arguments:
            source, target = map(Path, arguments)
        else:
            source, target = _minilm_folder(), default_cache() / MINILM
        export(source, target)
    except AgentmemError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
