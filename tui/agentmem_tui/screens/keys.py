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

_GENERAL = """\
Enter sends · Ctrl+J or Shift+Enter begins a new line · ↑ ↓ earlier messages · Tab completes
Esc stops a reply, closes what is open, goes back to the input · Ctrl+C copies what is selected, stops, twice leaves
/ begins a command · @ names a file: its text goes along, a folder or long file is read into the memory
Shift+Tab goes to the messages: c copies, e edits and resends, w tells why, 1-9 open what is cited
Keys can be changed in agentmem.toml:  [chat.keys]  undo = "f9,ctrl+u"  (names are in the last column)"""


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
                yield Static(_GENERAL, markup=False)
                yield Static("")
                wide = max((len(key) for key, _, _ in self._keys), default=0)
                lines = [f"{key.ljust(wide)}  {told.ljust(24)} {name}".rstrip() for key, told, name in self._keys]
                yield Static(Content("\n".join(lines)))

    def on_click(self) -> None:
        self.dismiss(None)
