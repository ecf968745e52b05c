"""What waits for approval, the edits of weights, and what the memories show of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static, TabbedContent, TabPane

from agentmem_tui.panelsdata import DECISIONS, Shown, as_rows, decisions, panels, table_of
from agentmem_tui.plaintext import clean
from agentmem_tui.screens.page import Page
from agentmem_tui.widgets.keybar import KeyBar
from agentmem_tui.widgets.recordtable import RecordTable, Row
from agentmem_tui.widgets.recordview import Looked, RecordView, look

if TYPE_CHECKING:
    from agentmem.panels import Table

_FIRST = "decisions"


class PluginPane(TabPane):
    """One panel of a plugin: sentences, then a table; a line to ask it for something where it takes that."""

    def __init__(self, shown: Shown) -> None:
        super().__init__(shown.title.replace("[", "\\["), id=f"panel-{shown.name}")
        self.shown = shown

    def compose(self) -> ComposeResult:
        if self.shown.asks:
            yield Input(placeholder=self.shown.asks, select_on_focus=False, compact=True)
        yield Static("asking …", classes="quiet lines")
        yield RecordTable(())

    def tell(self, table: Table) -> None:
        """Show what the panel gave."""
        columns, rows = as_rows(table)
        text = "\n".join(clean(line) for line in table.lines) or ("" if rows else "nothing yet")
        self.query_one(Static).update(Content(text))
        self.query_one(RecordTable).show(rows, columns)

    def fail(self, error: BaseException) -> None:
        """Say with the panel's name that it could not answer."""
        self.query_one(Static).update(Content(clean(str(error))))


class PanelsScreen(Page[None]):
    """Tabs: the core's decisions first, then one for each panel of a memory that this home uses."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "decide('approve')", "Approve", id="panels.approve"),
        Binding("r", "decide('refuse')", "Refuse", id="panels.refuse"),
        Binding("u", "roll_back", "Roll back", id="panels.undo"),
        Binding("tab,right", "tab(1)", "Next panel", id="panels.next"),
        Binding("shift+tab,left", "tab(-1)", "Previous panel", show=False),
    ]

    def compose(self) -> ComposeResult:
        with TabbedContent(initial=_FIRST), TabPane("approvals and weight edits", id=_FIRST):
            yield Static("", id="decisions-told", classes="quiet")
            with Horizontal(id="memory-columns"):
                yield RecordTable(DECISIONS)
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
        self.query_one(RecordTable).focus()
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
        waiting = sum(row.cells[0] == "pending" for row in rows)
        told = f"{waiting} change(s) wait for approval, {len(rows) - waiting} edit(s) of weights"
        self.query_one("#decisions-told", Static).update(told if rows else "Nothing waits; no weights were edited.")
        self.query_one(RecordTable).show(rows)

    def _chosen(self) -> str:
        return self.query_one(RecordTable).key() if self.query_one(TabbedContent).active == _FIRST else ""

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
        """Approve or refuse the change under the cursor."""
        change_id, desk = self._chosen(), self.app.desk
        if change_id:
            self._do(verb, lambda: getattr(desk.agent, verb)(change_id))

    def action_roll_back(self) -> None:
        """Take back the last change of the record under the cursor."""
        record_id, desk = self._chosen(), self.app.desk
        if record_id:
            self._do("roll back", lambda: desk.undo(desk.agent.history(record_id)[-1].receipt_id, cascade=True))

    def _do(self, verb: str, do: Any) -> None:
        def then(_: object) -> None:
            self.app.notify(f"{verb}: done; F9 takes it back")
            self.reload()
            self.app.chat.refresh_state()

        def failed(error: BaseException) -> None:
            self.app.notify(str(error), severity="warning", markup=False)

        self.app.background(do, then, failed=failed, name="decide")

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
        table = event.pane.query_one(RecordTable)
        self.call_after_refresh(table.focus)
        if isinstance(event.pane, PluginPane):
            self._ask(event.pane, "")

    @on(Input.Submitted)
    def _asked(self, event: Input.Submitted) -> None:
        event.stop()
        pane = event.input.parent
        if isinstance(pane, PluginPane):
            self._ask(pane, event.value.strip())

    def _ask(self, pane: PluginPane, text: str) -> None:
        desk = self.app.desk
        self.app.background(lambda: table_of(desk, pane.shown, text), pane.tell, failed=pane.fail, name="panel")
