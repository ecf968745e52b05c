"""Everything that can go wrong for a caller, drawn as a tree.

AgentmemError
├── BadInput              an argument, setting or file is not what it should be
│   ├── UnknownName       no memory, model, router … of that name (lists what is installed)
│   └── NotFound          no record, change or receipt with that id
├── Refused               a rule of the journal forbids it; the sentence says what to do instead
│   └── Conflict          later changes stand in the way (``.later`` names them; ``cascade=True`` takes them too)
├── HomeBusy              another process owns what was asked for (``.pid``)
├── HomeDamaged           the files of the home do not fit together; ``agentmem doctor`` tells more
├── PluginError           a plugin broke its promise or failed (``.plugin``)
├── Missing               an optional part is not installed or not configured; the sentence says how to get it
├── ModelError            a chat model, local model or embedder failed
└── BudgetExceeded        a limit of steps, tokens, seconds or money was reached
"""

from __future__ import annotations

from collections.abc import Sequence


class AgentmemError(Exception):
    """The root of every error that this package raises on purpose; its text is one sentence with the remedy."""


class BadInput(AgentmemError, ValueError):
    """An argument, a setting or a file is not what it should be."""


class UnknownName(BadInput):
    """A plugin, setting or command was asked for by a name that nothing has."""


class NotFound(BadInput, LookupError):
    """No record, change or receipt has that id."""


class Refused(AgentmemError):
    """A rule forbids what was asked; nothing was changed."""


class Conflict(Refused):
    """Later changes stand in the way of an undo; ``later`` holds the ids of the receipts that made them."""

    def __init__(self, message: str, later: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.later = tuple(later)


class HomeBusy(AgentmemError):
    """Another process owns what was asked for; ``pid`` is its process id when it is known."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class HomeDamaged(AgentmemError):
    """The files of the home do not fit together."""


class PluginError(AgentmemError):
    """A plugin could not be loaded, broke its promise or failed; ``plugin`` is its name."""

    def __init__(self, message: str, plugin: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin


class Missing(AgentmemError):
    """An optional part is not installed or not configured; the sentence says how to get it."""


class ModelError(AgentmemError):
    """A chat model, a local model or an embedder failed."""


class BudgetExceeded(AgentmemError):
    """A limit of steps, tokens, seconds or money was reached."""
