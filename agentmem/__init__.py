"""agentmem: memory for agents that can be seen, corrected and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentmem.agent import Agent as Agent

__version__ = "0.1.0"
__all__ = ["Agent", "__version__"]


def __getattr__(name: str) -> Any:
    """`agentmem.Agent` is imported at its first use, so that ``import agentmem`` costs next to nothing."""
    if name == "Agent":
        from agentmem.agent import Agent

        return Agent
    raise AttributeError(f"module 'agentmem' has no attribute '{name}'")
