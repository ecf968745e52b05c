"""HiAgent keeps the contract of a memory."""

from __future__ import annotations

from typing import ClassVar

import pytest

from agentmem.contract import Memory
from agentmem.testing import MemoryContract
from agentmem_hiagent import HiAgentMemory


class TestHiAgent(MemoryContract):
    kind: ClassVar[str | None] = "subgoal"

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return HiAgentMemory
