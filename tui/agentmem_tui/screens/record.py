"""One record over the screen: read it, correct it, take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Static

from agentmem_tui.acting import RecordActions
from agentmem_tui.screens.page import Page
from agentmem_tui.widgets.keybar import KeyBar
from agentmem_tui.widgets.recordview import Looked, RecordView, look

if TYPE_CHECKING:
    from agentmem_tui.app import ChatApp

_BUTTONS = (
    ("correct", "Correct"),
    ("retract", "Retract"),
    ("archive", "Archive"),
    ("restore", "Restore"),
    ("purge", "Purge"),
    ("undo", "Undo change"),
    ("leave", "Back"),
)


class RecordScreen(RecordActions, Page[None]):
    """Shows one record; relatives open in its place."""

    app: ChatApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "correct", "Correct", id="record.correct"),
        Binding("x", "retract", "Retract", id="record.retract"),
        Binding("a", "archive", "Archive", id="record.archive"),
        Binding("s", "restore", "Restore", id="record.restore"),
        Binding("p", "purge", "Purge", id="record.purge"),
        Binding("u", "undo_change", "Undo this", id="record.undo"),
        Binding("y", "copy", "Copy", id="record.copy"),
        Binding("up,k", "app.focus_previous", show=False),
        Binding("down,j", "app.focus_next", show=False),
    ]

    def __init__(self, record_id: str, as_of: float | None = None) -> None:
        super().__init__()
        self._record_id = record_id
        self._as_of = as_of

    def compose(self) -> ComposeResult:
        yield Static("record", classes="heading", id="heading", markup=False)
        yield RecordView()
        with Horizontal(classes="toolbar"):
            for name, label in _BUTTONS:
                yield Button(label, name=name, compact=True)
        yield KeyBar(
            (
                "back",
                "record.correct",
                "record.retract",
                "record.archive",
                "record.undo",
                "record.copy",
                "undo",
                "help",
            ),
            ("undo",),
        )

    def on_mount(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Read the record again."""
        desk, record_id, as_of = self.app.desk, self._record_id, self._as_of

        def do() -> Looked:
            return look(desk.agent, record_id, as_of=as_of)

        self.app.background(do, self._show, failed=self._gone, name="look")

    async def _show(self, looked: Any) -> None:
        heading = "record" if looked.record is None else f"{looked.record.kind} · {looked.record.status.value}"
        self.query_one("#heading", Static).update(heading)
        await self.query_one(RecordView).show(looked)

    def _gone(self, error: BaseException) -> None:
        self.app.notify(str(error), severity="warning", markup=False)
        self.dismiss(None)

    def record_id(self) -> str:
        return self._record_id

    def view(self) -> RecordView:
        return self.query_one(RecordView)

    def changed(self) -> None:
        self.reload()
        self.app.chat.refresh_state()

    @on(RecordView.Opened)
    def _opened(self, event: RecordView.Opened) -> None:
        event.stop()
        self._record_id, self._as_of = event.record_id, None
        self.reload()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = event.button.name or ""
        await self.run_action("undo_change" if name == "undo" else name)
