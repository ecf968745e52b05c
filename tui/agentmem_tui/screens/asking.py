"""Small questions over a screen: a text to give, a choice to make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Label, Static, TextArea

from agentmem_tui.plaintext import clean


class AskText(ModalScreen[str | None]):
    """A text of one or more lines; None when the user leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel"),
        Binding("ctrl+s", "save", "Save", priority=True),
    ]

    def __init__(self, title: str, text: str = "", *, told: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._told = told

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title
            if self._told:
                yield Static(Content(clean(self._told)), classes="quiet")
            area = TextArea(self._text, soft_wrap=True, tab_behavior="focus", highlight_cursor_line=False)
            area.cursor_blink = False
            yield area
            with Horizontal(classes="buttons"):
                yield Button("Save  ctrl+s", name="save", variant="primary", compact=True)
                yield Button("Cancel  esc", name="leave", compact=True)

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def action_save(self) -> None:
        text = self.query_one(TextArea).text.strip()
        self.dismiss(text or None)

    def action_leave(self) -> None:
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_save() if event.button.name == "save" else self.action_leave()


class Choose(ModalScreen[str | None]):
    """One of some buttons, after a text that may be long; None when the user leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, text: str, choices: Sequence[tuple[str, str]], *, danger: bool = False) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._choices = choices
        self._danger = danger

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title
            with VerticalScroll(classes="told", can_focus=False):
                yield Label(Content(clean(self._text)))
            with Horizontal(classes="buttons"):
                for name, label in self._choices:
                    yield Button(label, name=name, variant="error" if self._danger else "primary", compact=True)
                yield Button("Cancel", name="", compact=True)

    def on_mount(self) -> None:
        buttons = self.query(Button)
        (buttons.last() if self._danger else buttons.first()).focus()

    def action_leave(self) -> None:
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.name or None)
