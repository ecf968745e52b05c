"""Everything that is remembered, in one table: search, filter, read, correct, take back, at any time."""

from __future__ import annotations

import gc
import threading
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Button, Input, Label, Select

from agentmem_tui.acting import RecordActions
from agentmem_tui.memorylist import (
    CHANGES,
    FOUND,
    PERIODS,
    RECORDS,
    Choices,
    Wanted,
    changes,
    choices,
    listed,
    parse_as_of,
)
from agentmem_tui.screens.asking import AskText
from agentmem_tui.screens.page import Page
from agentmem_tui.widgets.keybar import KeyBar
from agentmem_tui.widgets.recordtable import RecordTable, Row
from agentmem_tui.widgets.recordview import Looked, RecordView, look

if TYPE_CHECKING:
    from agentmem_tui.app import ChatApp

_TYPING_S = 0.15  # how long typing must rest before memories are asked
_LOOKING_S = 0.08  # how long the cursor must rest before a record is read
_STATUSES = ("active", "pending", "superseded", "retracted", "archived", "absent")
_ANY = "any"


class MemoryScreen(RecordActions, Page[None]):
    """The table on the left, the record under the cursor on the right where there is room."""

    app: ChatApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash,ctrl+f", "search", "Search", id="memory.search"),
        Binding("n", "add", "Add", id="memory.add"),
        Binding("h", "changes", "Changes", id="memory.changes"),
        Binding("e", "correct", "Correct", id="record.correct"),
        Binding("x", "retract", "Retract", id="record.retract"),
        Binding("a", "archive", "Archive", id="record.archive"),
        Binding("s", "restore", "Restore", id="record.restore"),
        Binding("p", "purge", "Purge", id="record.purge"),
        Binding("u", "undo_change", "Undo this", id="record.undo"),
        Binding("y", "copy", "Copy", id="record.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._stop = threading.Event()  # of the listing that is under way
        self._typing: Timer | None = None
        self._looking: Timer | None = None
        self._changes = False

    def compose(self) -> ComposeResult:
        with Horizontal(classes="toolbar"):
            yield Input(placeholder="search as you type", id="words", select_on_focus=False, compact=True)
            yield Input(placeholder="as of 2026-01-31", id="as_of", select_on_focus=False, compact=True)
            yield Label("", id="count")
        with Horizontal(classes="toolbar"):
            for name, prompt in (
                ("kind", "kind"),
                ("status", "status"),
                ("namespace", "namespace"),
                ("memory", "memory"),
            ):
                yield Select([(f"{prompt}: any", _ANY)], id=name, allow_blank=False, compact=True)
            yield Select([(period, period) for period in PERIODS], id="period", allow_blank=False, compact=True)
        with Horizontal(id="memory-columns"):
            yield RecordTable(RECORDS)
            with Vertical(id="record-side"):
                yield RecordView()
        with Horizontal(classes="toolbar"):
            for name, label in (
                ("open", "Open"),
                ("correct", "Correct"),
                ("retract", "Retract"),
                ("archive", "Archive"),
                ("restore", "Restore"),
                ("purge", "Purge"),
                ("undo_change", "Undo"),
                ("add", "Add"),
                ("changes", "Changes"),
                ("leave", "Back"),
            ):
                yield Button(label, name=name, compact=True)
        yield KeyBar(
            ("back", "memory.search", "memory.add", "memory.changes", "record.correct", "record.undo", "undo", "help"),
            ("undo",),
        )

    def on_mount(self) -> None:
        self.query_one(RecordTable).focus()
        self._options("status", _STATUSES, "active")
        self.app.background(lambda: choices(self.app.desk), self._offer, name="choices")
        self.reload()

    def on_unmount(self) -> None:
        self._stop.set()

    # ---- filters

    def _offer(self, found: Choices) -> None:
        self._options("kind", found.kinds)
        self._options("namespace", found.namespaces)
        self._options("memory", found.memories)

    def _options(self, name: str, values: tuple[str, ...], value: str = _ANY) -> None:
        select = self.query_one(f"#{name}", Select)
        with self.prevent(Select.Changed):
            select.set_options([(f"{name}: any", _ANY), *((value, value) for value in values)])
            select.value = value

    def _wanted(self) -> Wanted:
        chosen = {}
        for name in ("kind", "status", "namespace", "memory"):
            value = str(self.query_one(f"#{name}", Select).value)
            chosen[name] = "" if value == _ANY else value
        try:
            as_of = parse_as_of(self.query_one("#as_of", Input).value)
        except ValueError:
            as_of = None  # still being written
        period = str(self.query_one("#period", Select).value)
        return Wanted(self.query_one("#words", Input).value, period=period, as_of=as_of, **chosen)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING_S, self.reload)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(RecordTable).focus()

    @on(Select.Changed)
    def _filtered(self, event: Select.Changed) -> None:
        event.stop()
        self.reload()

    def action_leave(self) -> None:
        """From what is written back to the table, from the table to the conversation."""
        if isinstance(self.focused, Input):
            self.focused.value = ""
            self.query_one(RecordTable).focus()
        else:
            super().action_leave()

    def action_search(self) -> None:
        self.query_one("#words", Input).focus()

    # ---- the table

    def reload(self) -> None:
        """List anew; a listing that is under way is left."""
        self._stop.set()
        stop = self._stop = threading.Event()
        table, desk = self.query_one(RecordTable), self.app.desk
        if self._changes:
            self.app.background(
                lambda: changes(desk),
                lambda rows: self._show(stop, rows, first=True),
                failed=self._refused,
                name="list",
            )
            return
        wanted = self._wanted()

        def do() -> None:
            first = True
            for page in listed(desk, wanted):
                if stop.is_set():
                    return
                self.app.hand_over(partial(self._show, stop, first=first), page)
                first = False
            gc.freeze()  # rows stay as long as the screen: the collector need not look at them at each full pass

        table.columns = FOUND if wanted.words.strip() and wanted.status in ("", "active") else RECORDS
        self.app.background(do, failed=self._refused, name="list")

    def _show(self, stop: threading.Event, rows: list[Row], *, first: bool) -> None:
        if stop.is_set() or not self.is_mounted:
            return
        table = self.query_one(RecordTable)
        if first:
            table.show(rows, CHANGES if self._changes else table.columns)
        else:
            table.extend(rows)
        self.query_one("#count", Label).update(f"{len(table.rows):,}")

    @on(RecordTable.Highlighted)
    def _highlighted(self, event: RecordTable.Highlighted) -> None:
        event.stop()
        if self._looking is not None:
            self._looking.stop()
        self._looking = self.set_timer(_LOOKING_S, self._look)

    def _look(self) -> None:
        record_id, desk = self.record_id(), self.app.desk
        view = self.view()
        if not record_id:
            self.call_later(view.show, None)
            return
        as_of = None if self._changes else self._wanted().as_of

        def do() -> Looked:
            return look(desk.agent, record_id, as_of=as_of)

        async def then(looked: Looked) -> None:
            if self.is_mounted and self.record_id() == record_id:
                await view.show(looked)

        self.app.background(do, then, failed=self._refused, name="look")

    @on(RecordTable.Selected)
    def _selected(self, event: RecordTable.Selected) -> None:
        event.stop()
        self._open()

    def _open(self) -> None:
        from agentmem_tui.screens.record import RecordScreen

        record_id = self.record_id()
        if record_id:
            self.app.push_screen(RecordScreen(record_id, self._wanted().as_of), lambda _: self.reload())

    @on(RecordView.Opened)
    def _relative(self, event: RecordView.Opened) -> None:
        event.stop()
        self.app.open_record(event.record_id)

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = event.button.name or ""
        if name == "open":
            self._open()
        else:
            await self.run_action(name)

    # ---- what is done

    def record_id(self) -> str:
        key = self.query_one(RecordTable).key()
        if self._changes and key:
            touched = self.app.desk.agent.home.journal.records.records_of(key)
            return touched[0] if touched else ""
        return key

    def view(self) -> RecordView:
        return self.query_one(RecordView)

    def changed(self) -> None:
        self.reload()
        self.app.chat.refresh_state()

    def action_changes(self) -> None:
        """Show the changes instead of the records, and back."""
        self._changes = not self._changes
        self.reload()
        self.query_one(RecordTable).focus()

    def action_undo_change(self) -> None:
        """Take back the change under the cursor, or the last change of the record."""
        key = self.query_one(RecordTable).key()
        if self._changes:
            if key:
                self.undo_receipt(key)
        elif self._side_is_shown() and self._shows(key):
            super().action_undo_change()
        elif key:
            desk = self.app.desk
            self.app.background(
                lambda: desk.agent.history(key)[-1].receipt_id, self.undo_receipt, failed=self._refused, name="undo"
            )

    def _shows(self, record_id: str) -> bool:
        """Whether the side shows this record already: it is read on a thread and may still show the one before."""
        looked = self.view().looked
        return looked is not None and looked.record is not None and looked.record.id == record_id

    def _side_is_shown(self) -> bool:
        return bool(self.query_one("#record-side").display)

    def action_add(self) -> None:
        """Write a fact down by hand."""

        def given(text: str | None) -> None:
            if text:
                desk = self.app.desk
                self._do("remember", lambda: desk.agent.remember(text, namespace=desk.namespace))

        self.app.push_screen(AskText("add a fact", told="One sentence in full, as it should be recalled."), given)
