"""``python -m agentmem_cuda build | status``: build the native lookup ahead of its first use, or see what
runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agentmem_cuda import build, native


def main(argv: list[str]) -> int:
    """Run one sub-command; 0 only on success."""
    parser = argparse.ArgumentParser(prog="python -m agentmem_cuda", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="compile the library into the cache")
    building.add_argument("--cuda", action="store_true", help="with the CUDA kernels (needs nvcc, not a GPU)")
    building.add_argument("--into", type=Path, help="another cache folder")
    commands.add_parser("status", help="load the library and say what runs")
    arguments = parser.parse_args(argv)
    if arguments.command == "build":
        try:
            print(build.build(arguments.cuda, arguments.into))
        except build.BuildError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    found = native.ensure()
    if found.path == "native":
        cuda = "with" if found.has_cuda_kernels else "without"
        print(f"native: {found.library} ({found.cpu_level}, {cuda} CUDA kernels)")
    else:
        print(f"plain torch: {found.reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
