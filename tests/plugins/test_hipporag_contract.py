"""The graph memory keeps the contract of a memory, in both modes."""

from __future__ import annotations

import pytest

from agentmem.contract import Memory, MemoryConfig
from agentmem.testing import MemoryContract
from agentmem_hipporag import HippoRAGMemory
from agentmem_hipporag.config import HippoRAGConfig


class TestHippoRAG(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return HippoRAGMemory


class TestHippoRAG2(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return HippoRAGMemory

    @pytest.fixture
    def memory_config(self) -> MemoryConfig:
        return HippoRAGConfig(mode="hipporag2")
