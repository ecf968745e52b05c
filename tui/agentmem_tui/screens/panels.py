"""What waits for approval, the edits of weights, and what the memories show of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static, TabbedContent, TabPane

from agentmem_tui.panelsdata import DECISIONS, QUEUED, Shown, ask_panel, decisions, panels
from agentmem_tui.screens.page import Page
from agentmem_tui.widgets.graphview import GraphView
from agentmem_tui.widgets.keybar import KeyBar
from agentmem_tui.widgets.pluginpane import PluginPane
from agentmem_tui.widgets.recordtable import RecordTable, Row
from agentmem_tui.widgets.recordview import Looked, RecordView, look

_FIRST = "decisions"


class PanelsScreen(Page[None]):
    """Tabs: the core's decisions first, then one for each panel of a memory that this home uses."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "decide('approve')", "Approve", id="panels.approve"),
        Binding("r", "decide('refuse')", "Refuse", id="panels.refuse"),
        Binding("u", "roll_back", "Roll back", id="panels.undo"),
        Binding("tab,right", "tab(1)", "Next panel", id="panels.next"),
        Binding("shift+tab,left", "tab(-1)", "Previous panel", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._table = RecordTable(DECISIONS)  # of what waits and of edits; panes have tables of their own

    def compose(self) -> ComposeResult:
        with TabbedContent(initial=_FIRST), TabPane("approvals and weight edits", id=_FIRST):
            yield Static("", id="decisions-told", classes="quiet")
            with Horizontal(id="memory-columns"):
                yield self._table
                with Vertical(id="record-side"):
                    yield RecordView()
            with Horizontal(classes="toolbar"):
                yield Button("Approve", name="approve", compact=True)
                yield Button("Refuse", name="refuse", compact=True)
                yield Button("Roll back", name="roll_back", compact=True)
                yield Button("Back", name="leave", compact=True)
        yield KeyBar(("back", "panels.approve", "panels.refuse", "panels.undo", "panels.next", "undo", "help"))

    def on_mount(self) -> None:
        desk = self.app.desk
        self._table.focus()
        self.reload()
        self.app.background(lambda: panels(desk), self._offer, name="panels")

    async def _offer(self, found: tuple[list[Shown], list[str]]) -> None:
        shown, faults = found
        for fault in faults:
            self.app.notify(fault, severity="warning", markup=False)
        for one in shown:
            await self.query_one(TabbedContent).add_pane(PluginPane(one))

    # ---- decisions

    def reload(self) -> None:
        """Read what waits and what was edited again."""
        desk = self.app.desk
        self.app.background(lambda: decisions(desk), self._show, name="decisions")

    def _show(self, rows: list[Row]) -> None:
        counts = Counter(row.cells[0] for row in rows)
        waiting, asked = counts["pending"], counts[QUEUED]
        edits = len(rows) - waiting - asked
        told = [f"{waiting} change{'s wait' if waiting != 1 else ' waits'} for approval"]
        told += [f"{asked} to be computed"] if asked else []
        told += [f"{edits} edit{'s' if edits != 1 else ''} of weights"]
        self._tell(" · ".join(told) if rows else "Nothing waits; no weights were edited.")
        self._table.show(rows)

    def _tell(self, text: str) -> None:
        self.query_one("#decisions-told", Static).update(text)

    def _chosen(self) -> str:
        return self._table.key() if self.query_one(TabbedContent).active == _FIRST else ""

    @on(RecordTable.Highlighted)
    def _highlighted(self, event: RecordTable.Highlighted) -> None:
        event.stop()
        record_id, desk = self._chosen(), self.app.desk
        view = self.query_one(RecordView)
        if not record_id:
            return

        def do() -> Looked:
            return look(desk.agent, record_id)

        async def then(looked: Looked) -> None:
            if self.is_mounted and self._chosen() == record_id:
                await view.show(looked)

        self.app.background(do, then, name="look")

    @on(RecordTable.Selected)
    def _selected(self, event: RecordTable.Selected) -> None:
        event.stop()
        if self._chosen():
            self.app.open_record(event.key)

    @on(RecordView.Opened)
    def _relative(self, event: RecordView.Opened) -> None:
        event.stop()
        self.app.open_record(event.record_id)

    def action_decide(self, verb: str) -> None:
        """Approve or refuse the change under the cursor; an edit that was approved is computed at once."""
        change_id, desk = self._chosen(), self.app.desk
        if change_id:
            done = {"approve": "approved", "refuse": "refused: nothing changes"}[verb]
            follow = self._compute if verb == "approve" else None
            self._do(done, lambda: getattr(desk.agent, verb)(change_id), follow)

    def _compute(self) -> None:
        desk = self.app.desk

        def do() -> bool:
            return desk.computes_edits(self._computing)

        self.app.background(do, lambda found: self._changed() if found else None, failed=self._refused, name="edit")

    def _computing(self) -> None:
        """From a thread, before the edits are computed."""
        self.app.hand_over(self._tell, "computing the edit and examining it …")

    def action_roll_back(self) -> None:
        """Take back the last change of the record under the cursor."""
        record_id, desk = self._chosen(), self.app.desk
        if record_id:
            self._do("taken back", lambda: desk.undo(desk.agent.history(record_id)[-1].receipt_id, cascade=True))

    def _do(self, done: str, do: Callable[[], Any], follow: Callable[[], None] | None = None) -> None:
        def then(_: object) -> None:
            self.app.notify(f"{done}; F9 takes it back")
            self._changed()
            if follow is not None:
                follow()

        self.app.background(do, then, failed=self._refused, name="decide")

    def _changed(self) -> None:
        self.reload()
        self.app.chat.refresh_state()

    def _refused(self, error: BaseException) -> None:
        self.app.notify(str(error), severity="warning", timeout=10, markup=False)
        self.reload()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = event.button.name or "leave"
        await self.run_action(f"decide('{name}')" if name in ("approve", "refuse") else name)

    # ---- panels of plugins

    def action_tab(self, by: int) -> None:
        """The next or the previous panel."""
        tabbed = self.query_one(TabbedContent)
        ids = [pane.id or "" for pane in tabbed.query(TabPane)]
        tabbed.active = ids[(ids.index(tabbed.active) + by) % len(ids)]

    @on(TabbedContent.TabActivated)
    def _activated(self, event: TabbedContent.TabActivated) -> None:
        event.stop()
        pane = event.pane
        if isinstance(pane, PluginPane):
            self.call_after_refresh(lambda: pane.place().focus())
            pane.ask("")
        else:
            self.call_after_refresh(self._table.focus)

    @on(PluginPane.Asked)
    def _ask(self, event: PluginPane.Asked) -> None:
        event.stop()
        desk, pane, text = self.app.desk, event.pane, event.text
        self.app.background(lambda: ask_panel(desk, pane.shown, text), pane.tell, failed=pane.fail, name="panel")

    @on(GraphView.Opened)
    def _opened(self, event: GraphView.Opened) -> None:
        event.stop()
        self.app.open_record(event.record_id)
