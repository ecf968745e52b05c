"""Self-Notes keeps the contract of a memory."""

from __future__ import annotations

from typing import ClassVar

import pytest

from agentmem.contract import Memory
from agentmem.testing import MemoryContract
from agentmem_selfnotes import SelfNotesMemory


class TestSelfNotes(MemoryContract):
    kind: ClassVar[str | None] = "note"

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return SelfNotesMemory
