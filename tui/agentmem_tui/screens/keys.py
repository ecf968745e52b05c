"""The keys of the screen that one is on, and how to change them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

_GENERAL = (
    ("Enter", "sends"),
    ("Ctrl+J", "a new line; Shift+Enter too where the terminal knows it"),
    ("↑ ↓", "earlier messages, in the first and the last line"),
    ("Tab", "completes: / is a command, @ a file to quote or to read"),
    ("Esc", "stops a reply, closes what is open, back to the input"),
    ("Ctrl+C", "copies what is selected, else stops; twice leaves"),
    ("Ctrl+↑", "edits what you said last and sends it again"),
    ("Shift+Tab", "to the messages: c copy, e edit, w why, 1-9 open"),
)
_REMAP = 'Keys can be changed in agentmem.toml:\n[chat.keys]\nundo = "f9,ctrl+u"   # the names are in the last column'


class KeysScreen(ModalScreen[None]):
    """Lists keys, what they do, and the names by which they can be changed."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,f1,q,question_mark", "dismiss", "Back")]

    def __init__(self, keys: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "keys"
            dialog.border_subtitle = "Esc"
            with VerticalScroll(classes="told"):
                wide = max(len(key) for key, *_ in (*_GENERAL, *self._keys))
                yield from (self._line(key, told, "", wide) for key, told in _GENERAL)
                yield Static("on this screen", classes="title")
                yield from (self._line(key, told.ljust(28), name, wide) for key, told, name in self._keys)
                yield Static("")
                yield Static(Content(_REMAP), classes="quiet")

    def _line(self, key: str, told: str, name: str, wide: int) -> Static:
        told_and_name = Content.assemble(told, (f" {name}" if name else "", "dim"))
        return Static(Content.assemble((key.ljust(wide), "bold $primary"), "  ", told_and_name), classes="key")

    def on_click(self) -> None:
        self.dismiss(None)
