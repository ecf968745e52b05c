"""Where what can be made again is kept, shared by all homes of a user."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """``agentmem`` below AGENTMEM_CACHE, else below the user's cache folder; not created here."""
    base = os.environ.get("AGENTMEM_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(base or "~/.cache").expanduser() / "agentmem"
