"""Where what can be made again is kept, shared by all homes of a user."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """AGENTMEM_CACHE, else ``agentmem`` in the user's cache folder; not created here."""
    if given := os.environ.get("AGENTMEM_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "agentmem"
