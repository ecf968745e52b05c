"""What a plugin shows in the terminal chat: a table or a graph of plain text. How it is drawn is the chat's business.

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


@dataclass(frozen=True, slots=True)
class Edge:
    """A neighbour of the name in the middle: how they belong together, how strongly, and what says so."""

    name: str
    label: str = ""  # the relation, in a word or two; "" for mere company
    weight: float = 1.0  # only compared with the other edges
    told: str = ""  # a sentence for whoever asks
    record_id: str = ""  # of the record that says so
    further: tuple[str, ...] = ()  # other names that the neighbour leads to


@dataclass(frozen=True, slots=True)
class Graph:
    """The neighbourhood of one name, the strongest edges first. Whoever walks to a neighbour asks about its name."""

    centre: str
    edges: tuple[Edge, ...] = ()
    lines: tuple[str, ...] = ()


class Panel(Protocol):
    """Reads a home and returns what to show; it is called with a deadline and writes nothing."""

    title: ClassVar[str]

    def table(self, home: Home, namespace: Namespace) -> Table: ...


class AskingPanel(Panel, Protocol):
    """A panel that can also be asked about something that the user writes, such as a name in a graph.

    The first cell of a row of its table is such a text, too: a row can be opened.
    """

    asks: ClassVar[str]  # what to write, in words: "a name"

    def about(self, home: Home, namespace: Namespace, text: str) -> Table | Graph: ...
