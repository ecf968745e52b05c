"""The contract of a memory, and what is special about this one."""

from pathlib import Path

import pytest
from agentmem.testing import MemoryContract
from agentmem.testing.rig import Bench, Rig

from agentmem_notes import NotesMemory
from agentmem_notes.config import NotesConfig


class TestNotes(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[NotesMemory]:
        return NotesMemory


def test_records_below_the_least_overlap_are_left_out(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", Bench(NotesMemory, NotesConfig(least_overlap=0.6)))
    near = rig.remember("the harbour office moved to Pier 4")
    rig.remember("the bakery is closed")
    assert rig.ids("the harbour office") == [near]
    rig.close()
