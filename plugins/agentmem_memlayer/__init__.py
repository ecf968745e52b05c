"""The memory `memlayer`: facts written into rows of a product-key memory layer, and taken back bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentmem_memlayer.memory import MemlayerMemory

__all__ = ["MemlayerMemory"]


def __getattr__(name: str) -> object:
    """The class, imported at its first use: it brings torch."""
    if name == "MemlayerMemory":
        from agentmem_memlayer.memory import MemlayerMemory

        return MemlayerMemory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
