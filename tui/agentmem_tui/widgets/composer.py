"""The input: several lines, Enter sends, a history of what was said, completion of ``/commands`` and ``@files``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList, TextArea
from textual.widgets.option_list import Option

_MOST = 8  # completions shown at once


class Completions(OptionList):
    """What the word under the cursor could become; never has the focus."""

    can_focus = False


class Composer(TextArea):
    """Where the user writes. Posts `Submitted`; reads completions from what it is given."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,shift+enter,alt+enter", "newline", "New line", show=False),
    ]

    class Submitted(Message):
        """The user wants this sent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Completing(Message):
        """The list of completions changed; empty hides it."""

        def __init__(self, options: Sequence[tuple[str, str]]) -> None:
            super().__init__()
            self.options = tuple(options)

    class EditLast(Message):
        """The user asks to edit the last message (ctrl+up)."""

    def __init__(self, id: str = "composer") -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            tab_behavior="focus",
            highlight_cursor_line=False,
            placeholder="Ask, or tell me something · / commands · @ files",
        )
        self.said: list[str] = []  # earlier messages, oldest first
        self.commands: list[tuple[str, str]] = []
        self.find_paths: Callable[[str], list[str]] = lambda _: []
        self.completions: Completions | None = None
        self._place: int | None = None  # in the history; None while a new message is written
        self._draft = ""
        self._filled = ""  # the text that a completion or the history put here: it asks for no completions

    # ---- keys

    async def _on_key(self, event: events.Key) -> None:
        key = event.key
        listed = self.completions is not None and self.completions.display
        if key == "enter" and listed and self._chosen() and not self._is_complete():
            self._take()
        elif key == "enter":
            self._send()
        elif key == "tab" and listed:
            self._take()
        elif key in ("up", "down") and listed:
            assert self.completions is not None
            self.completions.action_cursor_up() if key == "up" else self.completions.action_cursor_down()
        elif key == "escape" and listed:
            self.post_message(self.Completing(()))
        elif key == "ctrl+up":
            self.post_message(self.EditLast())
        elif self._in_history(key):
            pass
        else:
            await super()._on_key(event)
            return
        event.prevent_default()
        event.stop()

    def action_newline(self) -> None:
        self.insert("\n")

    def _send(self) -> None:
        text = self.text.strip()
        if text:
            self.post_message(self.Completing(()))
            self.post_message(self.Submitted(text))

    def accept(self, text: str) -> None:
        """The message was taken: keep it in the history and be empty."""
        if not self.said or self.said[-1] != text:
            self.said.append(text)
        self._place, self._draft = None, ""
        self.load_text("")

    def fill(self, text: str) -> None:
        """Put a text here to be edited."""
        self._filled = text
        self.load_text(text)
        self.move_cursor(self.document.end)

    # ---- history

    def _in_history(self, key: str) -> bool:
        """Whether the key went to another message: up in the first line, down in the last one."""
        row = self.cursor_location[0]
        if key == "up" and row == 0:
            return self._older()
        return key == "down" and row == self.document.line_count - 1 and self._newer()

    def _older(self) -> bool:
        place = len(self.said) if self._place is None else self._place
        if place == 0:
            return False
        if self._place is None:
            self._draft = self.text
        self._place = place - 1
        self.fill(self.said[self._place])
        return True

    def _newer(self) -> bool:
        if self._place is None:
            return False
        self._place += 1
        if self._place >= len(self.said):
            self._place = None
            self.fill(self._draft)
        else:
            self.fill(self.said[self._place])
        return True

    # ---- completion

    def _on_text_area_changed(self, _: TextArea.Changed) -> None:
        if self.text and self.text == self._filled:
            self.post_message(self.Completing(()))
            return
        self._filled = ""
        self.post_message(self.Completing(self._options()))

    def _word(self) -> str:
        row, column = self.cursor_location
        return self.document.get_line(row)[:column].rsplit(" ", 1)[-1]

    def _options(self) -> list[tuple[str, str]]:
        text = self.text
        if text.startswith("/") and " " not in text and "\n" not in text:
            return [(f"/{name}", told) for name, told in self.commands if name.startswith(text[1:])]
        word = self._word()
        path = text.removeprefix("/ingest ") if text.startswith("/ingest ") and "\n" not in text else None
        if path is not None and not path.startswith("@"):
            return [(found, "") for found in self.find_paths(path)]
        if word.startswith("@"):
            return [(f"@{found}", "") for found in self.find_paths(word[1:])]
        return []

    def _chosen(self) -> str:
        if self.completions is None or self.completions.highlighted is None:
            return ""
        chosen = str(self.completions.get_option_at_index(self.completions.highlighted).id)
        # The list may be of what was written a moment ago: quick fingers and pastes overtake it.
        return chosen if any(word == chosen for word, _ in self._options()) else ""

    def _is_complete(self) -> bool:
        chosen = self._chosen()
        return not chosen or self.text.endswith(chosen)

    def _take(self) -> None:
        self.take(self._chosen())

    def take(self, chosen: str) -> None:
        """Complete the word under the cursor to ``chosen``."""
        if not chosen:
            return
        row, column = self.cursor_location
        line = self.document.get_line(row)[:column]
        start = 0 if chosen.startswith("/") and self.text.startswith("/") and " " not in line else line.rfind(" ") + 1
        self.replace(chosen + ("" if chosen.endswith("/") else " "), (row, start), (row, column))


def as_options(options: Sequence[tuple[str, str]]) -> list[Option]:
    """Completions as a list shows them: the word, then what it does."""
    wide = max((len(word) for word, _ in options), default=0)
    return [Option(f"{word.ljust(wide)}  {told}".rstrip().replace("[", "\\["), id=word) for word, told in options]
