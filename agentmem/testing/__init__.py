"""What a memory's author needs to test it: the contract as a suite, and stand-ins for all that a memory is given.

Needs pytest and nothing else. Known here: the contract and its records. Unknown: the journal's files, every plugin.
"""

from __future__ import annotations

import pytest

# The suite's assertions are read by people who have never seen it, so pytest shall explain them like their own.
pytest.register_assert_rewrite("agentmem.testing.suite", "agentmem.testing.others")

from agentmem.embed.hashed import HashedEmbedder as HashEmbedder  # noqa: E402 (assertions are rewritten at import)
from agentmem.testing.fakes import (  # noqa: E402
    CountingBudget,
    ScriptedChat,
    SeededIds,
    SettableClock,
    scripted_json,
)
from agentmem.testing.guards import Snapshot, files_with, guarded  # noqa: E402
from agentmem.testing.others import ExtractorContract, PanelContract, RouterContract  # noqa: E402
from agentmem.testing.rig import Bench, Rig  # noqa: E402
from agentmem.testing.suite import MemoryContract  # noqa: E402
from agentmem.testing.witness import Broken, Witness  # noqa: E402

__all__ = [
    "Bench",
    "Broken",
    "CountingBudget",
    "ExtractorContract",
    "HashEmbedder",
    "MemoryContract",
    "PanelContract",
    "Rig",
    "RouterContract",
    "ScriptedChat",
    "SeededIds",
    "SettableClock",
    "Snapshot",
    "Witness",
    "files_with",
    "guarded",
    "scripted_json",
]
