"""One message of the conversation: what was said, an answer with its citations, or a notice of the chat itself."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message as TextualMessage
from textual.widgets import Button, Markdown, Static
from textual.widgets.markdown import MarkdownStream

from agentmem_tui.conversation import AGENT, NOTICE, USER, Entry
from agentmem_tui.plaintext import cited_markdown, clean, moment


class Bubble(Vertical, can_focus=True):
    """What all messages share: focus, copying, opening what is cited."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="message.copy"),
        Binding("w,enter", "why", "Why", id="message.why"),
        Binding("e", "edit", "Edit and resend", id="message.edit"),
        *(Binding(str(n), f"cite({n})", f"Open [{n}]", show=False) for n in range(1, 10)),
        Binding("up,k", "screen.message(-1)", "Previous", show=False),
        Binding("down,j", "screen.message(1)", "Next", show=False),
    ]

    class Cited(TextualMessage):
        """Open what [number] of a turn's answer cites."""

        def __init__(self, turn: str, number: int) -> None:
            super().__init__()
            self.turn = turn
            self.number = number

    class WhyAsked(TextualMessage):
        """Show how this answer came about."""

        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    class EditAsked(TextualMessage):
        """Edit this message and send it again."""

        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    class UndoAsked(TextualMessage):
        """Take back the change that a notice tells of."""

        def __init__(self, receipt: str) -> None:
            super().__init__()
            self.receipt = receipt

    def __init__(self, entry: Entry) -> None:
        super().__init__(classes=f"bubble {entry.role}")
        self.entry = entry

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.entry.text)
        self.app.notify("copied")

    def action_why(self) -> None:
        if self.entry.turn:
            self.post_message(self.WhyAsked(self.entry))

    def action_edit(self) -> None:
        if self.entry.role == USER:
            self.post_message(self.EditAsked(self.entry))

    def action_cite(self, number: int) -> None:
        if self.entry.turn:
            self.post_message(self.Cited(self.entry.turn, number))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something here."""
        if action == "edit":
            return self.entry.role == USER
        if action in ("why", "cite"):
            return self.entry.role == AGENT
        return super().check_action(action, parameters)

    def mark(self, taken_back: str) -> None:
        """Show whether the message still counts."""
        self.entry.taken_back = taken_back
        self.set_class(bool(taken_back), "taken-back")


class Said(Bubble):
    """What the user said."""

    def compose(self) -> ComposeResult:
        yield Static(Content(clean(self.entry.text)), classes="text")

    def on_mount(self) -> None:
        self.mark(self.entry.taken_back)
        self.border_title = "you"
        self.border_subtitle = moment(self.entry.at)


class Answered(Bubble):
    """An answer, complete or still being written."""

    def compose(self) -> ComposeResult:
        yield Markdown(cited_markdown(self.entry.text), open_links=False)
        yield Static("", classes="about", markup=False)

    def on_mount(self) -> None:
        self._stream: MarkdownStream | None = None
        self.border_title = "agentmem"
        self.border_subtitle = moment(self.entry.at)
        self.mark(self.entry.taken_back)
        self.about()

    def mark(self, taken_back: str) -> None:
        super().mark(taken_back)
        self.about()

    def about(self, working: str = "") -> None:
        """The line below: what it is doing, or why it was cut short or no longer counts."""
        entry = self.entry
        parts = [working] if working else []
        parts += [f"cut short: {entry.stopped}"] if entry.stopped else []
        parts += [f"no longer counts: {entry.taken_back}"] if entry.taken_back else []
        if entry.why is not None and not working:
            cited = sum(hit.number is not None for hit in entry.why.hits)
            parts.append(
                f"{entry.why.seconds:.1f} s · {cited} cited · {', '.join(entry.why.asked) or 'no memory asked'}"
            )
        line = self.query_one(".about", Static)
        line.update(clean(" · ".join(parts)))
        line.display = bool(parts)

    async def write(self, text: str) -> None:
        """A piece of the answer as it comes."""
        self.entry.text += text
        if self._stream is None:
            self._stream = Markdown.get_stream(self.query_one(Markdown))
        await self._stream.write(cited_markdown(text))

    async def finish(self, text: str) -> None:
        """The answer is complete and reads ``text``."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.stop()
        self.entry.text = text
        wanted = cited_markdown(text)
        markdown = self.query_one(Markdown)
        if markdown.source != wanted:
            await markdown.update(wanted)
        self.about()

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        event.stop()
        kind, _, rest = event.href.partition(":")
        if kind == "cite" and rest.isdigit():
            self.action_cite(int(rest))
        elif kind in ("http", "https"):
            self.app.copy_to_clipboard(event.href)
            self.app.notify(f"copied: {clean(event.href)}", markup=False)


class Noted(Bubble):
    """A sentence of the chat itself, with a button where something can be done about it."""

    class Chosen(TextualMessage):
        """A button of the notice was pressed."""

        def __init__(self, entry: Entry, name: str) -> None:
            super().__init__()
            self.entry = entry
            self.name = name

    def __init__(self, entry: Entry, buttons: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(entry)
        self.add_class(entry.level)
        self._buttons = buttons

    def compose(self) -> ComposeResult:
        yield Static(Content(clean(self.entry.text)), classes="text")
        if self._buttons:
            with Horizontal(classes="buttons"):
                for name, label in self._buttons:
                    yield Button(label, name=name, compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.query_one(".buttons").display = False
        self.post_message(self.Chosen(self.entry, event.button.name or ""))


def bubble_of(entry: Entry) -> Bubble:
    """The widget for a message."""
    return {USER: Said, AGENT: Answered, NOTICE: Noted}[entry.role](entry)
