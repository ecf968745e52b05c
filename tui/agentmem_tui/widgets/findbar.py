"""A line to find messages of the thread."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class FindBar(Horizontal):
    """Posts `Wanted` with the words and which way to go; hidden until it is asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "leave", "Close"),
        ("down", "next", "Older"),
        ("up", "previous", "Newer"),
    ]

    class Wanted(Message):
        """Go to the next (``by`` = 1, older), the previous (-1) or the first (0) message with these words."""

        def __init__(self, words: str, by: int) -> None:
            super().__init__()
            self.words = words
            self.by = by

    class Left(Message):
        """The bar was closed."""

    def __init__(self) -> None:
        super().__init__(id="find")
        self.display = False

    def compose(self) -> ComposeResult:
        yield Input(placeholder="find in this thread · Enter older · Esc closes", select_on_focus=False, compact=True)
        yield Label("", markup=False)

    def open(self) -> None:
        self.display = True
        self.query_one(Input).focus()

    def tell(self, text: str) -> None:
        self.query_one(Label).update(text)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Wanted(event.value, 0))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_next()

    def action_next(self) -> None:
        self.post_message(self.Wanted(self.query_one(Input).value, 1))

    def action_previous(self) -> None:
        self.post_message(self.Wanted(self.query_one(Input).value, -1))

    def action_leave(self) -> None:
        self.display = False
        self.post_message(self.Left())
