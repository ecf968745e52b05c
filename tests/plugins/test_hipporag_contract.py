"""The graph memory keeps the contract of a memory, in both modes."""

from __future__ import annotations

import pytest

from agentmem.contract import Memory, MemoryConfig
from agentmem.testing import MemoryContract
from agentmem_hipporag import HippoRAGMemory
from agentmem_hipporag.config import HippoRAGConfig


class TestHippoRAG(MemoryContract):
    budget_s = 240.0  # SQLite and a small graph for some ninety stores; a busy machine takes its time

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return HippoRAGMemory


class TestHippoRAG2(MemoryContract):
    budget_s = 240.0

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return HippoRAGMemory

    @pytest.fixture
    def memory_config(self) -> MemoryConfig:
        return HippoRAGConfig(mode="hipporag2")
