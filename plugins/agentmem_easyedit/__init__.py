"""EasyEdit's algorithms as memories: each under the requests, the admission and the undo of every weight edit here.

Nothing of EasyEdit is imported until an edit is made; without it these memories say how to get it.
"""

from __future__ import annotations

from typing import Any

from agentmem_easyedit.memory import ALGORITHMS, EasyEditMemory, memory_class

__all__ = ["ALGORITHMS", "EasyEditMemory"]


def __getattr__(name: str) -> Any:
    """The memory of one algorithm, by its name with underscores: what the entry points `easyedit:<NAME>` load."""
    for algorithm in ALGORITHMS:
        if algorithm.replace("-", "_") == name:
            return memory_class(algorithm)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
