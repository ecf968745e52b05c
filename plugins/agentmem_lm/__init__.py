"""Local causal language models: loading, generating, mounting edits; as a chat model, as a memory; and the demo model.

Importing this package is light: torch and transformers are imported when a model is opened.
"""

from __future__ import annotations

from agentmem_lm.memory import LmMemory
from agentmem_lm.provider import LazyModel, LocalModels, demo_folder, open_model

__all__ = ["LazyModel", "LmMemory", "LocalModels", "demo_folder", "open_model"]
