"""Finds, builds and loads the native library once per process; knows no op and no tensor.

Loading registers kernels under the ops that `ops` has defined. Until then, or when there is no compiler, or
when it is switched off, the same ops run in plain torch. `status` tells which, and why.
"""

from __future__ import annotations

import ctypes
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from agentmem_cuda import build

Mode = Literal["auto", "off", "require"]
_MODES: tuple[Mode, ...] = ("auto", "off", "require")


@dataclass(frozen=True)
class Status:
    """What the lookup runs on. ``path`` is ``native`` or ``torch``; ``reason`` says why it is not native."""

    path: Literal["native", "torch", "undecided"]
    reason: str
    library: Path | None = None
    cpu_level: str | None = None
    has_cuda_kernels: bool = False


class _Loader:
    """The state of one process: decided once, at first use, under a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.status = Status("undecided", "not used yet")
        self.mode: Mode | None = None
        self.handle: ctypes.CDLL | None = None


_loader = _Loader()


def use_native(mode: Mode) -> None:
    """Choose before the first lookup: ``auto`` builds and loads if it can, ``off`` stays in torch,
    ``require`` raises.

    Without a call, ``AGENTMEM_CUDA_NATIVE`` decides, else ``auto``. Raises ValueError for another word and
    RuntimeError once the library is loaded, because kernels cannot be unloaded.
    """
    if mode not in _MODES:
        raise ValueError(f"native mode {mode!r} is not one of {', '.join(_MODES)}")
    with _loader.lock:
        if _loader.status.path == "native" and mode == "off":
            raise RuntimeError("the native lookup is loaded already; switch it off before the first lookup")
        _loader.mode = mode
        if _loader.status.path == "torch":
            _loader.status = Status("undecided", "not used yet")


def ensure() -> Status:
    """Decide at first use which path runs, building the library if need be; cheap afterwards."""
    if _loader.status.path == "undecided":
        with _loader.lock:
            if _loader.status.path == "undecided":
                _loader.status = _decide()
    return _loader.status


def status() -> Status:
    """What runs now, without building or loading anything."""
    return _loader.status


def load(path: Path) -> Status:
    """Load a built library into this process. Raises OSError with the linker's reason."""
    torch.ops.load_library(str(path))
    handle = ctypes.CDLL(str(path))
    handle.agentmem_cuda_cpu_level.restype = ctypes.c_char_p
    handle.agentmem_cuda_choose_cpu_level.argtypes = [ctypes.c_char_p]
    _loader.handle = handle
    level = handle.agentmem_cuda_cpu_level().decode()
    return Status("native", "", path, level, hasattr(handle, "agentmem_cuda_has_cuda"))


def choose_cpu_level(name: str) -> None:
    """Run the CPU kernels of a lower instruction level (``portable``, ``avx2``, ``avx512``, ``avx512bf16``).

    For tests and measurements. Raises ValueError when the processor or the build lacks it.
    """
    if ensure().path != "native" or _loader.handle is None:
        raise ValueError(f"no native library is loaded ({_loader.status.reason}), so no level can be chosen")
    if not _loader.handle.agentmem_cuda_choose_cpu_level(name.encode()):
        raise ValueError(f"this processor has no level {name!r}; the best is {_loader.status.cpu_level}")


def _mode() -> Mode:
    if _loader.mode is not None:
        return _loader.mode
    named = os.environ.get("AGENTMEM_CUDA_NATIVE", "auto")
    for mode in _MODES:
        if named == mode:
            return mode
    raise ValueError(f"AGENTMEM_CUDA_NATIVE is {named!r} and must be one of {', '.join(_MODES)}")


def _decide() -> Status:
    mode = _mode()
    if mode == "off":
        return Status("torch", "switched off by AGENTMEM_CUDA_NATIVE or use_native('off')")
    try:
        return load(_library())
    except (build.BuildError, OSError) as error:
        if mode == "require":
            raise
        return Status("torch", f"the native library could not be used: {error}")


def _library() -> Path:
    """A build with CUDA kernels where they are needed, or where one is there already; else the CPU
    kernels.
    """
    if torch.version.cuda is not None:
        try:
            return build.build(cuda=True)
        except build.BuildError:
            return build.build(cuda=False)
    with_cuda = build.library_path(cuda=True)
    return with_cuda if with_cuda.exists() else build.build(cuda=False)
