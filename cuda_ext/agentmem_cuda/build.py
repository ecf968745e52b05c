"""Compiles the native library with one direct compiler call per source; knows no tensor and loads nothing.

The library is built against torch's stable ABI (2.11 and later), so a build serves every later torch. It
lands in a cache keyed by what goes into it: the sources, the flags and the target.
`torch.utils.cpp_extension` is not used: it refuses to compile CUDA on a CPU wheel, and it ties the result
to one torch.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "csrc"
LIBRARY = "libagentmem_cuda.so"
TORCH_TARGET = "0x020b000000000000"  # 2.11: parallel_for and new_empty of the stable ABI
COMPILE_TIMEOUT_S = 600

_CXX_FLAGS = ("-std=c++20", "-fPIC", "-Wno-psabi", "-Wno-uninitialized", "-Wno-maybe-uninitialized")
_KERNEL_FLAGS = (*_CXX_FLAGS, "-O3", "-ffp-contract=fast", "-fno-math-errno")
_AVX512 = ("-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
_X86_LEVELS = {
    "cpu_avx2.cpp": ("-mavx2", "-mfma", "-mf16c"),
    "cpu_avx512.cpp": _AVX512,
    "cpu_avx512bf16.cpp": (*_AVX512, "-mavx512bf16"),
}
# Machine code for the two generations in use and PTX, from which a driver makes code for every later one.
CUDA_TARGETS = (
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_90,code=compute_90",
)
_NVCC_FLAGS = ("-std=c++20", "-O3", "-Xcompiler=-fPIC", "--expt-relaxed-constexpr")


class BuildError(RuntimeError):
    """The native library could not be built; the message says which command failed and how."""


@dataclass(frozen=True)
class Toolchain:
    """The compilers to use; ``nvcc`` is None for a library without CUDA kernels."""

    cxx: str
    nvcc: str | None

    @classmethod
    def find(cls, cuda: bool) -> Toolchain:
        """The compilers on the path (or ``CXX``). Raises BuildError when a needed one is missing."""
        cxx = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
        if cxx is None:
            raise BuildError("no C++ compiler found; install g++ (12 or later), or set CXX to one")
        nvcc = _find_nvcc() if cuda else None
        if cuda and nvcc is None:
            raise BuildError("no nvcc found; install the CUDA toolkit (12.4 or later), or build without CUDA")
        return cls(cxx, nvcc)


def _find_nvcc() -> str | None:
    return shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")


def is_x86() -> bool:
    """Whether this processor is one that the AVX sources can be compiled for."""
    return platform.machine().lower() in {"x86_64", "amd64"}


def source_hash() -> str:
    """A hash of the kernels' sources alone: what a kept measurement belongs to."""
    digest = hashlib.sha256()
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def build_key(cuda: bool) -> str:
    """The name of a build's folder: sources, flags, processor, and whether CUDA kernels are in it."""
    digest = hashlib.sha256(source_hash().encode())
    flags = (_KERNEL_FLAGS, sorted(_X86_LEVELS.items()), CUDA_TARGETS, _NVCC_FLAGS, TORCH_TARGET)
    digest.update(repr((flags, platform.machine())).encode())
    return f"{digest.hexdigest()[:16]}-{'cuda' if cuda else 'cpu'}"


def cache_root() -> Path:
    """Where builds are kept: ``AGENTMEM_CUDA_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("AGENTMEM_CUDA_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agentmem" / "cuda"


def library_path(cuda: bool, root: Path | None = None) -> Path:
    """Where the library of these sources lies once it is built."""
    return (root or cache_root()) / build_key(cuda) / LIBRARY


def build(cuda: bool = False, root: Path | None = None) -> Path:
    """Build the library unless it is there already, and return its path.

    Two processes may build at once: each works in its own folder and the finished file is moved into place
    whole. Raises BuildError.
    """
    target = library_path(cuda, root)
    if target.exists():
        return target
    tools = Toolchain.find(cuda)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = _compile_and_link(tools, Path(folder))
            os.replace(made, target)
    except OSError as error:
        raise BuildError(f"cannot write the build cache {target.parent}: {error}") from error
    return target


def _torch_folder() -> Path:
    import torch

    return Path(torch.__file__).parent


def _compile_and_link(tools: Toolchain, folder: Path) -> Path:
    commands = list(_compile_commands(tools, folder))
    with ThreadPoolExecutor(max_workers=min(len(commands), os.cpu_count() or 1)) as pool:
        list(pool.map(_run, commands))
    made = folder / LIBRARY
    objects = [str(folder / f"{Path(c[-3]).name}.o") for c in commands]
    # libtorch, not libtorch_cpu alone: through it the CUDA stream symbol is found where torch has CUDA.
    link = [tools.cxx, "-shared", "-o", str(made), *objects, f"-L{_torch_folder() / 'lib'}", "-ltorch"]
    link += ["-ltorch_cpu", "-lc10"]
    if tools.nvcc:
        link += [f"-L{toolkit_of(tools.nvcc) / 'lib64'}", "-lcudart_static", "-ldl", "-lrt", "-lpthread"]
    _run(link)
    return made


def toolkit_of(nvcc: str) -> Path:
    """The folder of the CUDA toolkit, as nvcc tells it: what is on the path may be a link, or a script around it."""
    try:
        told = subprocess.run(
            [nvcc, "--dryrun", "-x", "cu", os.devnull], capture_output=True, text=True, timeout=60, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{nvcc} did not run: {error}") from error
    for line in told.splitlines():
        if line.startswith("#$ TOP="):
            return Path(os.path.normpath(line.removeprefix("#$ TOP=").strip()))
    return Path(nvcc).resolve().parent.parent


def _compile_commands(tools: Toolchain, folder: Path) -> list[list[str]]:
    torch_include = f"-I{_torch_folder() / 'include'}"
    target = f"-DTORCH_TARGET_VERSION={TORCH_TARGET}"
    x86 = ("-DPKM_X86",) if is_x86() else ()

    def cxx(source: str, *flags: str) -> list[str]:
        return [tools.cxx, *flags, "-c", str(SOURCES / source), "-o", str(folder / f"{source}.o")]

    commands = [cxx("cpu_portable.cpp", *_KERNEL_FLAGS, *x86)]
    if is_x86():
        commands += [cxx(source, *_KERNEL_FLAGS, *x86, *flags) for source, flags in _X86_LEVELS.items()]
    commands.append(cxx("cpu_binding.cpp", *_CXX_FLAGS, "-O2", *x86, target, torch_include))
    if tools.nvcc:
        commands.append(cxx("cuda_binding.cpp", *_CXX_FLAGS, "-O2", target, torch_include))
        commands.append(nvcc_command(tools.nvcc, folder / "cuda_kernels.cu.o"))
    return commands


def nvcc_command(nvcc: str, out: Path, *extra: str) -> list[str]:
    """The command that compiles the CUDA kernels to an object; ``-Xptxas -v`` as an extra shows registers
    and spills.
    """
    source = str(SOURCES / "cuda_kernels.cu")
    return [nvcc, *_NVCC_FLAGS, *CUDA_TARGETS, *extra, "-c", source, "-o", str(out)]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} did not run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise BuildError(f"{command[0]} failed with status {done.returncode}:\n{' '.join(command)}\n{said}")
