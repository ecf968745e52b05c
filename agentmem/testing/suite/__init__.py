"""The contract of a memory as tests, one file for each kind of promise."""

from __future__ import annotations

from agentmem.testing.suite.deletes import Deletes
from agentmem.testing.suite.endurance import Endurance
from agentmem.testing.suite.manners import Manners
from agentmem.testing.suite.replay import Replay
from agentmem.testing.suite.roundtrip import RoundTrip
from agentmem.testing.suite.scopes import Scopes


class MemoryContract(RoundTrip, Deletes, Replay, Scopes, Manners, Endurance):
    """Subclass it with one fixture and run pytest:

        class TestNotes(MemoryContract):
            @pytest.fixture
            def memory_class(self):
                return NotesMemory

    Further fixtures (``memory_config``, ``memory_chat``, ``memory_local_model``) and class attributes (``budget_s``,
    ``deadline_s``, ``many``, ``kind``, ``answers_nothing``) are in `SuiteBase`.
    """


__all__ = ["MemoryContract"]
