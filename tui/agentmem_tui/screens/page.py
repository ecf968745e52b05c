"""What all screens over the conversation share: Esc goes back, keys at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

if TYPE_CHECKING:
    from agentmem_tui.app import ChatApp

R = TypeVar("R")


class Page(Screen[R]):
    """A screen that is left with Esc."""

    app: ChatApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="back"),
        Binding("question_mark", "app.keys", "Keys", show=False),
    ]

    def action_leave(self) -> None:
        self.dismiss(None)
