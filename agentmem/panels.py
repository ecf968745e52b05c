"""What a plugin shows in the terminal chat: a table of plain text. How it is drawn is the terminal's business.

A panel is a class without constructor arguments, found through the entry points ``agentmem.panels``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from agentmem.records import Namespace

if TYPE_CHECKING:
    from agentmem.home import Home


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under their columns, with sentences before them; both may be empty."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


class Panel(Protocol):
    """Reads a home and returns what to show; it is called with a deadline and writes nothing."""

    title: ClassVar[str]

    def table(self, home: Home, namespace: Namespace) -> Table: ...


class AskingPanel(Panel, Protocol):
    """A panel that can also be asked about something that the user writes, such as a name in a graph."""

    asks: ClassVar[str]  # what to write, in words: "a name"

    def about(self, home: Home, namespace: Namespace, text: str) -> Table: ...
