"""The suite is green for a memory that keeps its promises."""

from __future__ import annotations

import pytest
from keyword_memory import KeywordMemory

from agentmem.contract import Memory
from agentmem.testing import MemoryContract


class TestKeyword(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return KeywordMemory
