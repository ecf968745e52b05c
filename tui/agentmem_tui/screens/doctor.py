"""Everything about the home and its surroundings that could be wrong, each with its remedy."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from agentmem_tui.plaintext import clean
from agentmem_tui.screens.page import Page
from agentmem_tui.widgets.keybar import KeyBar

_MARKS = {"ok": "✓", "note": "·", "warning": "!", "error": "✗"}


class DoctorScreen(Page[None]):
    """Runs ``agentmem doctor`` on a thread and shows its lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Check again", id="doctor.again"),
        Binding("m", "mend", "Mend", id="doctor.mend"),
    ]

    def compose(self) -> ComposeResult:
        yield Static("doctor", classes="heading")
        with VerticalScroll(classes="page", id="lines"):
            yield Static("checking …", classes="quiet")
        with Horizontal(classes="toolbar"):
            yield Button("Check again", name="again", compact=True)
            yield Button("Mend what can be mended", name="mend", compact=True)
            yield Button("Back", name="leave", compact=True)
        yield KeyBar(("back", "doctor.again", "doctor.mend", "help"))

    def on_mount(self) -> None:
        self.query_one("#lines").focus()
        self.action_again()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        await self.run_action(event.button.name or "leave")

    def action_again(self) -> None:
        self._examine(fix=False)

    def action_mend(self) -> None:
        self._examine(fix=True)

    def _examine(self, *, fix: bool) -> None:
        desk = self.app.desk

        def do() -> Any:
            from agentmem.doctor import examine

            return examine(desk.options, fix=fix)

        self.app.background(do, self._show, failed=self._failed, name="doctor")

    async def _show(self, lines: Any) -> None:
        place = self.query_one("#lines")
        await place.remove_children()
        shown = []
        for line in lines:
            remedy = f"\n  → {line.remedy}" if line.remedy else ""
            text = clean(f"{_MARKS.get(line.level, '·')} {line.text}{remedy}")
            shown.append(Static(Content(text), classes=f"doctor-{line.level}"))
        await place.mount_all(shown)

    def _failed(self, error: BaseException) -> None:
        self.app.notify(str(error), severity="error", markup=False)
