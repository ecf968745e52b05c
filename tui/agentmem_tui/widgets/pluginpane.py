"""What one plugin shows of itself: sentences, then a table or a graph; a line to ask it where it takes that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static, TabPane

from agentmem_tui.panelsdata import Shown, as_rows
from agentmem_tui.plaintext import clean
from agentmem_tui.widgets.graphview import GraphView
from agentmem_tui.widgets.recordtable import RecordTable

if TYPE_CHECKING:
    from agentmem.panels import Graph, Table


class PluginPane(TabPane):
    """Posts `Asked` when the panel is to be asked; is told the answer by `tell` or `fail`."""

    class Asked(Message):
        """Ask the panel about ``text``, or for its table when that is empty."""

        def __init__(self, pane: PluginPane, text: str) -> None:
            super().__init__()
            self.pane = pane
            self.text = text

    def __init__(self, shown: Shown) -> None:
        super().__init__(shown.title.replace("[", "\\["), id=f"panel-{shown.name}")
        self.shown = shown
        self._trail: list[str] = []  # what was asked before, to walk back

    def compose(self) -> ComposeResult:
        if self.shown.asks:
            yield Input(placeholder=self.shown.asks, select_on_focus=False, compact=True)
        yield Static("asking …", classes="quiet lines", id="lines")
        yield RecordTable(())
        graph = GraphView()
        graph.display = False
        yield graph
        yield Static("", classes="quiet", id="about")

    # ---- what the panel says

    def tell(self, found: Table | Graph) -> None:
        """Show what the panel gave."""
        from agentmem.panels import Graph

        table, graph = self.query_one(RecordTable), self.query_one(GraphView)
        drawn = isinstance(found, Graph)
        held = table.has_focus or graph.has_focus
        table.display, graph.display = not drawn, drawn
        text = "\n".join(clean(line) for line in found.lines)
        if isinstance(found, Graph):
            graph.show(found)
            text += " · Enter walks there, Backspace back, o opens the record"
        else:
            columns, rows = as_rows(found)
            table.show(rows, columns)
            text = text or ("" if rows else "nothing yet")
            self.query_one("#about", Static).update("")
        self.query_one("#lines", Static).update(Content(text))
        if held:
            self.place().focus()

    def fail(self, error: BaseException) -> None:
        """Say with the panel's name that it could not answer."""
        self.query_one("#lines", Static).update(Content(clean(str(error))))

    def place(self) -> RecordTable | GraphView:
        """What is shown and takes the keys."""
        graph = self.query_one(GraphView)
        return graph if graph.display else self.query_one(RecordTable)

    # ---- asking it

    def ask(self, text: str) -> None:
        """Ask for a name, or with "" for the whole."""
        self._trail.append(text)
        self.post_message(self.Asked(self, text))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask(event.value.strip())
        self.place().focus()

    @on(RecordTable.Selected)
    def _selected(self, event: RecordTable.Selected) -> None:
        event.stop()
        table = self.query_one(RecordTable)
        if self.shown.asks and table.rows:
            self.ask(table.rows[table.cursor].cells[0])

    @on(RecordTable.Highlighted)
    def _moved(self, event: RecordTable.Highlighted) -> None:
        event.stop()

    @on(GraphView.Walked)
    def _walked(self, event: GraphView.Walked) -> None:
        event.stop()
        self.ask(event.name)

    @on(GraphView.Back)
    def _back(self, event: GraphView.Back) -> None:
        event.stop()
        self._trail = self._trail[:-1]
        self.post_message(self.Asked(self, self._trail[-1] if self._trail else ""))

    @on(GraphView.Highlighted)
    def _looked(self, event: GraphView.Highlighted) -> None:
        event.stop()
        told = event.edge.told if event.edge is not None else ""
        self.query_one("#about", Static).update(Content(clean(told)))
