"""The conversation: asking, reading answers as they are written, seeing why, taking changes back."""

from __future__ import annotations

import gc
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button

from agentmem_tui.attaching import complete_path
from agentmem_tui.conversation import AGENT, NOTICE, Entry
from agentmem_tui.desk import Opened, State
from agentmem_tui.plaintext import one_line
from agentmem_tui.screens.chat.commands import OWN_COMMANDS, Commands
from agentmem_tui.threadbook import ThreadLine
from agentmem_tui.widgets.composer import Completions, Composer
from agentmem_tui.widgets.findbar import FindBar
from agentmem_tui.widgets.keybar import KeyBar
from agentmem_tui.widgets.status import StatusLine
from agentmem_tui.widgets.threads import Threads
from agentmem_tui.widgets.transcript import Transcript
from agentmem_tui.widgets.welcome import Welcome
from agentmem_tui.widgets.why import WhyPanel

_COLLECT = (2_000, 20, 200)  # allocations to a pass over the youngest, and passes to one over the older


class ChatScreen(Commands):
    """The screen that one talks in: its layout, and what it shows when a thread is opened."""

    AUTO_FOCUS = "#composer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "toggle_threads", "Threads", id="threads", priority=True),
        Binding("f3", "toggle_why", "Why", id="why", priority=True),
        Binding("escape", "back", "Stop, or back to the input", show=False, id="stop"),
        Binding("ctrl+n", "new_thread", "New thread", show=False, id="new"),
        Binding("ctrl+f", "find", "Find", show=False, id="find", priority=True),
        Binding("ctrl+o", "open_first", "Open what the last answer cites", show=False, id="open"),
        Binding("shift+tab", "message(0)", "To the messages", show=False),
        Binding("pageup,ctrl+pageup", "scroll(-1)", "Scroll", show=False, priority=True),
        Binding("pagedown,ctrl+pagedown", "scroll(1)", "Scroll", show=False, priority=True),
        Binding("question_mark", "app.keys", "Keys", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Horizontal(id="columns"):
            yield Threads()
            with Vertical(id="middle"):
                yield Transcript()
                yield FindBar()
                yield Completions(id="completions")
                with Horizontal(id="writing"):
                    yield Composer()
                    yield Button("Send", id="send", compact=True)
            yield WhyPanel()
        yield StatusLine()
        yield KeyBar(
            ("help", "threads", "why", "memory", "panels", "ingest", "settings", "undo", "palette"),
            ("settings", "ingest"),
        )

    def on_mount(self) -> None:
        self.transcript = self.query_one(Transcript)
        self.composer = self.query_one(Composer)
        self.status = self.query_one(StatusLine)
        self.composer.completions = self.query_one(Completions)
        self.composer.completions.display = False
        self.composer.find_paths = complete_path
        self.composer.commands = sorted(OWN_COMMANDS.items())
        self.status.busy = "opening the home …"
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        desk = self.app.desk

        def do() -> tuple[Opened, list[tuple[str, str]]]:
            desk.open()
            if self.app.new_thread:
                desk.new_thread()
            elif desk.thread == "main":
                desk.thread = desk.last_thread()
            return desk.opened_thread(), desk.command_names()

        self.app.background(do, self._opened, failed=self._not_opened, name="open")

    async def _opened(self, found: tuple[Opened, list[tuple[str, str]]]) -> None:
        opened, commands = found
        self.composer.commands = sorted({**dict(commands), **OWN_COMMANDS}.items())
        self.status.busy = ""
        await self._show_thread(opened)
        for fault in opened.state.faults:
            await self.note(fault, "warning")
        # What is loaded by now stays: without this the collector's full passes pause the screen by a third of a second.
        # They are rare from here on; what they would find is collected when another thread is opened.
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        self.go_on()

    def _not_opened(self, error: BaseException) -> None:
        self.status.busy = "the home is not open"
        self.complain(error)

    async def _show_thread(self, opened: Opened) -> None:
        await self.transcript.show(opened.entries)
        gc.collect()
        self.composer.said = self.transcript.said()
        if not opened.entries:
            await self.transcript.show_first(Welcome(opened.state.model, opened.state.records))
        if opened.cut_off:
            cut = ", ".join(f"'{one_line(text, 160)}'" for text in opened.cut_off)
            told = "A turn was cut off" if len(opened.cut_off) == 1 else f"{len(opened.cut_off)} turns were cut off"
            it = "it" if len(opened.cut_off) == 1 else "them"
            entry = Entry(NOTICE, f"{told}: {cut}", level="warning")
            await self.transcript.add(entry, (("resume", f"Finish {it}"), ("discard", f"Drop {it}")))
        self._show_state(opened.state)
        self.query_one(Threads).show(opened.threads, self.app.desk.thread)
        panel = self.query_one(WhyPanel)
        await panel.show_nothing()
        self.show_why(self.transcript.last(AGENT))

    def _show_state(self, state: State) -> None:
        desk = self.app.desk
        parts = [state.model, f"{state.records:,} records"]
        parts += [f"/{'/'.join(desk.namespace)}"] if desk.namespace else []
        parts += [f"{state.pending} to approve (F5)"] if state.pending else []
        parts += ["incognito"] if desk.incognito else []
        parts += [] if state.owner else ["shared with another process"]
        self.status.place = " · ".join(parts)

    def reopen(self) -> None:
        """Show the thread where the desk is now."""

        async def then(opened: Opened) -> None:
            await self._show_thread(opened)
            self.composer.focus()

        self.app.background(self.app.desk.opened_thread, then, name="thread")

    def refresh_state(self) -> None:
        """Read the state, the threads and what became of the messages that are shown."""
        desk = self.app.desk
        ids = self.transcript.record_ids()

        def do() -> tuple[State, list[ThreadLine], dict[str, str], list[str]]:
            return desk.state(), desk.book.lines(), desk.book.standing(ids), desk.take_faults()

        async def then(found: tuple[State, list[ThreadLine], dict[str, str], list[str]]) -> None:
            state, threads, standing, faults = found
            self._show_state(state)
            self.query_one(Threads).show(threads, desk.thread)
            self.transcript.mark(standing)
            for fault in faults:
                await self.note(fault, "warning")

        self.app.background(do, then, name="state")
