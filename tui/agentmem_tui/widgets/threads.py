"""The sidebar of threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, OptionList
from textual.widgets.option_list import Option

from agentmem_tui.plaintext import clean
from agentmem_tui.threadbook import ThreadLine


class ThreadList(OptionList):
    """The threads; keys act on the highlighted one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", id="thread.new"),
        Binding("r", "rename", "Rename", id="thread.rename"),
        Binding("d,delete", "delete", "Delete", id="thread.delete"),
    ]

    def action_new(self) -> None:
        self.post_message(Threads.Wanted("new", ""))

    def action_rename(self) -> None:
        self.post_message(Threads.Wanted("rename", self.chosen()))

    def action_delete(self) -> None:
        self.post_message(Threads.Wanted("delete", self.chosen()))

    def chosen(self) -> str:
        return "" if self.highlighted is None else str(self.get_option_at_index(self.highlighted).id)


class Threads(Vertical):
    """Posts `Wanted` with "open", "new", "rename" or "delete"."""

    class Wanted(Message):
        def __init__(self, verb: str, name: str) -> None:
            super().__init__()
            self.verb = verb
            self.name = name

    def __init__(self) -> None:
        super().__init__(id="threads")
        self.border_title = "threads"

    def compose(self) -> ComposeResult:
        yield ThreadList()
        with Horizontal(classes="buttons"):
            yield Button("New", name="new", compact=True)
            yield Button("Rename", name="rename", compact=True)
            yield Button("Delete", name="delete", compact=True)

    def show(self, lines: Sequence[ThreadLine], current: str) -> None:
        """Show these threads with the current one highlighted."""
        listed = self.query_one(ThreadList)
        listed.clear_options()
        options = []
        for line in lines:
            mark = "▸ " if line.name == current else "  "
            title = clean(line.title).replace("[", "\\[")
            options.append(Option(f"{mark}{title}", id=line.name))
        listed.add_options(options)
        place = next((i for i, line in enumerate(lines) if line.name == current), None)
        listed.highlighted = place

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Wanted("open", str(event.option.id)))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = event.button.name or ""
        self.post_message(self.Wanted(name, self.query_one(ThreadList).chosen()))
