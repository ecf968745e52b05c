"""The conversation: asking, reading answers as they are written, seeing why, taking changes back."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Button, OptionList

from agentmem_tui.conversation import AGENT, NOTICE, USER, Entry
from agentmem_tui.desk import State, ThreadLine, complete_path
from agentmem_tui.screens.asking import AskText, Choose
from agentmem_tui.turn import TurnFollower
from agentmem_tui.widgets.composer import Completions, Composer, as_options
from agentmem_tui.widgets.findbar import FindBar
from agentmem_tui.widgets.keybar import KeyBar
from agentmem_tui.widgets.message import Answered, Bubble, Noted
from agentmem_tui.widgets.status import StatusLine
from agentmem_tui.widgets.threads import ThreadList, Threads
from agentmem_tui.widgets.transcript import Transcript
from agentmem_tui.widgets.welcome import SAMPLE, Welcome
from agentmem_tui.widgets.why import WhyPanel

if TYPE_CHECKING:
    from agentmem.events import Event
    from agentmem_tui.app import ChatApp

_COLLECT = (2_000, 20, 200)  # allocations to a pass over the youngest, and passes to one over the older
OWN_COMMANDS = {
    "new": "begin a new thread",
    "memory": "look into the memory (F4)",
    "panels": "what the memories show of themselves (F5)",
    "ingest": "PATH read a file or a folder, with progress (F6)",
    "settings": "models, memories, theme (F7)",
    "doctor": "check everything (F8)",
    "redo": "bring back what was taken back last (F10)",
    "find": "find messages of this thread (ctrl+f)",
    "copy": "copy the last answer",
    "rename": "TITLE name this thread",
    "delete": "delete this thread (can be undone)",
    "open": "N open what [N] of the last answer cites",
    "keys": "the keys of this screen (F1)",
}


Opened = tuple[list[Entry], State, list[ThreadLine], list[str], list[tuple[str, str]]]


class ChatScreen(Screen[None]):
    """The screen that one talks in."""

    app: ChatApp
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

    def __init__(self) -> None:
        super().__init__()
        self._turn: TurnFollower | None = None
        self._waiting: deque[str] = deque()  # said while a turn runs
        self._why_of: str = ""
        self._found: list[int] = []
        self._at = 0

    # ---- layout

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
        yield KeyBar(("help", "threads", "why", "memory", "panels", "ingest", "settings", "undo", "palette"))

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

        def do() -> Opened:
            desk.open()
            if self.app.new_thread:
                desk.new_thread()
            elif desk.thread == "main":
                desk.thread = desk.last_thread()
            return (
                desk.conversation(desk.thread),
                desk.state(),
                desk.threads(),
                desk.cut_off(desk.thread),
                desk.command_names(),
            )

        self.app.background(do, self._opened, failed=self._not_opened, name="open")

    async def _opened(self, found: Opened) -> None:
        entries, state, threads, cut_off, commands = found
        self.composer.commands = sorted({**dict(commands), **OWN_COMMANDS}.items())
        self.status.busy = ""
        await self._show_thread(entries, state, cut_off)
        self._show_state(state)
        self.query_one(Threads).show(threads, self.app.desk.thread)
        for fault in state.faults:
            await self.note(fault, "warning")
        # What is loaded by now stays: without this the collector's full passes pause the screen by a third of a second.
        # They are rare from here on; what they would find is collected when another thread is opened.
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        self._next()

    def _not_opened(self, error: BaseException) -> None:
        self.status.busy = "the home is not open"
        self.complain(error)

    async def _show_thread(self, entries: list[Entry], state: State, cut_off: Iterable[str]) -> None:
        await self.transcript.show(entries)
        gc.collect()
        self.composer.said = self.transcript.said()
        if not entries:
            await self.transcript.show_first(Welcome(state.model, state.records))
        for text in cut_off:
            entry = Entry(NOTICE, f"A turn was cut off: '{text[:200]}'", level="warning")
            await self.transcript.add(entry, (("resume", "Finish it"), ("discard", "Drop it")))

    def _show_state(self, state: State) -> None:
        desk = self.app.desk
        parts = [state.model, f"{state.records:,} records"]
        parts += [f"/{'/'.join(desk.namespace)}"] if desk.namespace else []
        parts += [f"{state.pending} to approve (F5)"] if state.pending else []
        parts += ["incognito"] if desk.incognito else []
        parts += [] if state.owner else ["shared with another process"]
        self.status.place = " · ".join(parts)

    # ---- asking

    @property
    def is_answering(self) -> bool:
        """Whether a reply is being written."""
        return self._turn is not None

    @on(Composer.Submitted)
    async def _submitted(self, event: Composer.Submitted) -> None:
        event.stop()
        text = event.text
        self.composer.accept(text)
        if text.startswith("/") and not text.startswith("//"):
            await self._command(text)
        else:
            self._waiting.append(text.removeprefix("/") if text.startswith("//") else text)
            self._next()

    @on(Button.Pressed, "#send")
    def _send_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if not self.stop():
            self.composer._send()
        self.composer.focus()

    def ask(self, text: str) -> None:
        """Ask as if the user had written it."""
        self._waiting.append(text)
        self._next()

    def _next(self) -> None:
        """Begin the next turn when nothing runs and the home is open."""
        if self._turn is None and self._waiting and self.app.desk.opened.is_set():
            text = self._waiting.popleft()
            self._begin(lambda: self.app.desk.stream(text), text)

    def _begin(self, start: Callable[[], Iterator[Event]], text: str = "") -> None:
        self._turn = TurnFollower(self, text)
        self.query_one("#send", Button).label = "Stop"
        self.status.busy = "thinking …"
        self._turn.begin(start)

    def turn_ended(self, answer: Any) -> None:
        """The turn is over: look again at what counts, show why, go on with what waits."""
        self._turn = None
        self.query_one("#send", Button).label = "Send"
        self.status.busy = ""
        self.refresh_state()
        if answer is not None:
            desk = self.app.desk
            self.app.background(lambda: desk.answered(answer), name="answered")
        self._next()

    def refresh_state(self) -> None:
        """Read the state, the threads and what became of the messages that are shown."""
        desk = self.app.desk
        ids = self.transcript.record_ids()

        def do() -> tuple[State, list[ThreadLine], dict[str, str], list[str]]:
            return desk.state(), desk.threads(), desk.standing(ids), desk.take_faults()

        async def then(found: tuple[State, list[ThreadLine], dict[str, str], list[str]]) -> None:
            state, threads, standing, faults = found
            self._show_state(state)
            self.query_one(Threads).show(threads, desk.thread)
            self.transcript.mark(standing)
            for fault in faults:
                await self.note(fault, "warning")

        self.app.background(do, then, name="state")

    def stop(self) -> bool:
        """Stop the reply that is being written; False when none is."""
        if self._turn is None:
            return False
        self.status.busy = "stopping …"
        desk = self.app.desk
        self.app.background(lambda: desk.agent.cancel(desk.thread), name="cancel")
        return True

    def action_back(self) -> None:
        if not self.stop():
            self.composer.focus()
            self.transcript.anchor()

    # ---- notices

    async def note(
        self, text: str, level: str = "note", buttons: tuple[tuple[str, str], ...] = (), receipt: str = ""
    ) -> Bubble:
        """A sentence of the chat itself, in the conversation."""
        return await self.transcript.add(Entry(NOTICE, text, level=level, receipt=receipt), buttons)

    def complain(self, error: BaseException) -> None:
        """An error in the conversation; what is no fault of the user's names its class."""
        from agentmem.errors import AgentmemError

        own = isinstance(error, AgentmemError)
        text = str(error) if own else f"{type(error).__name__}: {error}; 'agentmem doctor' may tell more"
        self.call_later(self.note, text, "error")

    @on(Noted.Chosen)
    async def _chosen(self, event: Noted.Chosen) -> None:
        event.stop()
        desk = self.app.desk
        match event.name:
            case "resume":
                self._begin(desk.stream_resumed)
            case "discard":
                self.app.background(lambda: desk.agent.resume(desk.thread, discard=True), name="discard")
            case "undo":
                self.undo(event.entry.receipt)
            case "redo":
                self.redo()
            case "approve" | "refuse" as verb:
                self._decide(verb, event.entry.record_id)
            case "open":
                self.app.open_record(event.entry.record_id)
        self.composer.focus()

    def _decide(self, verb: str, change_id: str) -> None:
        desk = self.app.desk

        def do() -> Any:
            return desk.agent.approve(change_id) if verb == "approve" else desk.agent.refuse(change_id)

        async def then(receipt: Any) -> None:
            await self.note(f"{verb}d".replace("refused", "refused: nothing changes"), receipt=receipt.id)
            self.refresh_state()

        self.app.background(do, then, name=verb)

    # ---- taking back

    def undo(self, receipt: str = "", *, cascade: bool = False) -> None:
        """Take a change back; when later ones stand in the way, ask."""
        from agentmem.errors import Conflict

        desk = self.app.desk

        async def then(found: tuple[Any, str]) -> None:
            await self.note(f"took back: {found[1]}", "undone", (("redo", "Redo  F10"),))
            self.app.notify(f"took back: {found[1]}", markup=False)
            self.refresh_state()

        def failed(error: BaseException) -> None:
            if isinstance(error, Conflict) and not cascade:
                self._ask_cascade(receipt, error)
            else:
                self.complain(error)
                self.app.notify(str(error), severity="warning", markup=False)

        self.app.background(lambda: desk.undo(receipt, cascade=cascade), then, failed=failed, name="undo")

    def _ask_cascade(self, receipt: str, error: BaseException) -> None:
        def chosen(name: str | None) -> None:
            if name:
                self.undo(receipt, cascade=True)

        self.app.push_screen(Choose("later changes stand in the way", str(error), [("all", "Take all back")]), chosen)

    def redo(self) -> None:
        """Bring back what was taken back last."""
        desk = self.app.desk

        async def then(found: tuple[Any, str]) -> None:
            await self.note(f"brought back: {found[1]}", "undone", (("undo", "Undo  F9"),))
            self.app.notify(f"brought back: {found[1]}", markup=False)
            self.refresh_state()

        self.app.background(desk.redo, then, name="redo")

    # ---- why, citations

    def action_toggle_why(self) -> None:
        panel = self.query_one(WhyPanel)
        panel.display = not panel.display
        if panel.display:
            focused = self.focused
            entry = focused.entry if isinstance(focused, Answered) else self.transcript.last(AGENT)
            self.show_why(entry)

    def show_why(self, entry: Entry | None) -> None:
        """Fill the panel, if it is there, with how an answer came about."""
        panel = self.query_one(WhyPanel)
        if entry is None or not panel.display or not entry.turn or panel.turn == entry.turn:
            return
        if entry.why is not None:
            self.call_later(panel.show, entry.why)
            return
        desk, turn = self.app.desk, entry.turn

        async def then(why: Any) -> None:
            entry.why = why
            await panel.show(why)

        self.app.background(lambda: desk.why(turn), then, name="why")

    @on(Bubble.WhyAsked)
    def _why_asked(self, event: Bubble.WhyAsked) -> None:
        event.stop()
        self.query_one(WhyPanel).display = True
        self.show_why(event.entry)

    def on_descendant_focus(self) -> None:
        if isinstance(self.focused, Answered):
            self.show_why(self.focused.entry)

    @on(Bubble.Cited)
    def _cited(self, event: Bubble.Cited) -> None:
        event.stop()
        self.open_citation(event.turn, event.number)

    def open_citation(self, turn: str, number: int) -> None:
        """Open the record that [number] of an answer cites."""
        answer = self.transcript.answer(turn)
        known = answer.entry.why if answer is not None else None
        desk = self.app.desk

        def then(why: Any) -> None:
            hit = None if why is None else why.hit(number)
            if hit is None:
                self.app.notify(f"[{number}] cites nothing here", severity="warning")
            elif hit.record is None:
                self.app.notify("the record was purged since", severity="warning")
            else:
                self.app.open_record(hit.record_id)

        self.app.background(lambda: known or desk.why(turn), then, name="cite")

    def action_open_first(self) -> None:
        entry = self.transcript.last(AGENT)
        if entry is not None and entry.turn:
            self.open_citation(entry.turn, 1)

    @on(WhyPanel.Opened)
    def _why_opened(self, event: WhyPanel.Opened) -> None:
        event.stop()
        self.app.open_record(event.record_id)

    # ---- moving about

    def action_message(self, by: int) -> None:
        self.transcript.step(by)

    def action_scroll(self, pages: int) -> None:
        if isinstance(self.focused, OptionList):
            (self.focused.action_page_up if pages < 0 else self.focused.action_page_down)()  # type: ignore[no-untyped-call]
            return
        self.transcript.release_anchor()
        self.transcript.scroll_relative(y=pages * max(1, self.transcript.size.height - 2), animate=False, force=True)

    def action_find(self) -> None:
        self.query_one(FindBar).open()

    @on(FindBar.Wanted)
    async def _find_wanted(self, event: FindBar.Wanted) -> None:
        event.stop()
        found_bar = self.query_one(FindBar)
        if len(event.words) < 2:
            found_bar.tell("")
            return
        if event.by == 0:
            self._found, self._at = self.transcript.find(event.words), 0
        elif self._found:
            self._at = (self._at + event.by) % len(self._found)
        found_bar.tell(f"{self._at + 1 if self._found else 0} of {len(self._found)}")
        if self._found:
            keep = self.focused
            await self.transcript.go_to(self._found[self._at])
            if keep is not None:
                self.call_after_refresh(keep.focus)

    @on(FindBar.Left)
    def _find_left(self, event: FindBar.Left) -> None:
        event.stop()
        self.composer.focus()

    # ---- completion

    @on(Composer.Completing)
    def _completing(self, event: Composer.Completing) -> None:
        event.stop()
        listed = self.query_one(Completions)
        if not event.options and not listed.display:
            return
        listed.display = bool(event.options)
        listed.clear_options()
        listed.add_options(as_options(event.options))
        listed.highlighted = 0 if event.options else None

    @on(OptionList.OptionSelected, "#completions")
    def _completed(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.composer.take(str(event.option.id))
        self.composer.focus()

    # ---- editing what was said

    @on(Composer.EditLast)
    def _edit_last(self, event: Composer.EditLast) -> None:
        event.stop()
        self._edit(self.transcript.last(USER))

    @on(Bubble.EditAsked)
    def _edit_asked(self, event: Bubble.EditAsked) -> None:
        event.stop()
        self._edit(event.entry)

    def _edit(self, entry: Entry | None) -> None:
        """Take an exchange back and put its words into the input, to be changed and sent again."""
        if entry is None or self._turn is not None:
            return
        self.composer.fill(entry.text)
        self.composer.focus()
        if entry.record_id and not entry.taken_back:
            desk, record_id = self.app.desk, entry.record_id

            def do() -> Any:
                return desk.undo(desk.said_receipt(record_id), cascade=True)

            async def then(_: object) -> None:
                await self.note("The exchange was taken back; change the text and send it again.", "undone")
                self.refresh_state()

            self.app.background(do, then, name="edit")

    # ---- threads

    def action_toggle_threads(self) -> None:
        panel = self.query_one(Threads)
        panel.display = not panel.display
        if panel.display:
            self.query_one(ThreadList).focus()
        else:
            self.composer.focus()

    def action_new_thread(self) -> None:
        if self._turn is None:
            self.app.desk.new_thread()
            self._reopen()

    def _reopen(self) -> None:
        """Show the thread where the desk is now."""
        desk = self.app.desk

        def do() -> Opened:
            return desk.conversation(desk.thread), desk.state(), desk.threads(), desk.cut_off(desk.thread), []

        async def then(found: Opened) -> None:
            entries, state, threads, cut_off, _ = found
            await self._show_thread(entries, state, cut_off)
            self._show_state(state)
            self.query_one(Threads).show(threads, desk.thread)
            self.composer.focus()

        self.app.background(do, then, name="thread")

    @on(Threads.Wanted)
    def _thread_wanted(self, event: Threads.Wanted) -> None:
        event.stop()
        if self._turn is not None:
            self.app.notify("a reply is being written; esc stops it", severity="warning")
            return
        match event.verb:
            case "new":
                self.action_new_thread()
            case "open":
                self.app.desk.thread = event.name
                self._reopen()
            case "rename":
                self._rename(event.name)
            case "delete":
                self._delete(event.name)

    def _rename(self, name: str, title: str = "") -> None:
        desk = self.app.desk

        def given(title: str | None) -> None:
            if title:
                self.app.background(
                    lambda: desk.rename_thread(name, title), lambda _: self.refresh_state(), name="rename"
                )

        if not name:
            return
        given(title) if title else self.app.push_screen(AskText("a title for this thread"), given)

    def _delete(self, name: str) -> None:
        desk = self.app.desk
        if not name:
            return

        async def then(receipt: Any) -> None:
            if desk.thread == name:
                desk.new_thread()
                self._reopen()
            else:
                self.refresh_state()
            self.app.notify(f"deleted {len(receipt.record_ids)} records; F9 takes it back")

        self.app.background(lambda: desk.delete_thread(name), then, name="delete")

    # ---- commands

    async def _command(self, line: str) -> None:
        name, _, rest = line.removeprefix("/").partition(" ")
        rest = rest.strip()
        match name:
            case "new":
                self.action_new_thread()
            case "find":
                self.action_find()
            case "redo":
                self.redo()
            case "undo":
                self.undo(rest)
            case "copy":
                entry = self.transcript.last(AGENT)
                self.app.copy_to_clipboard(entry.text if entry else "")
            case "rename":
                self._rename(self.app.desk.thread, rest)
            case "delete":
                self._delete(self.app.desk.thread)
            case "open" if rest.isdigit():
                entry = self.transcript.last(AGENT)
                if entry is not None:
                    self.open_citation(entry.turn, int(rest))
            case "why":
                self._why_asked(Bubble.WhyAsked(self.transcript.last(AGENT) or Entry(AGENT, "")))
            case "keys" | "memory" | "panels" | "settings" | "doctor":
                await self.app.run_action(f"app.{name}")
            case "ingest":
                self.ingest(rest)
            case "quit":
                await self.app.action_quit()
            case _:
                self._shared_command(line)

    def _shared_command(self, line: str) -> None:
        """A command that every chat surface has: its text is shown in the conversation."""
        desk = self.app.desk
        place = (desk.thread, desk.namespace)

        async def then(done: Any) -> None:
            if done.text:
                await self.note(done.text, "result")
            if done.resume:
                self._begin(desk.stream_resumed)
            if (desk.thread, desk.namespace) != place:
                self._reopen()
            else:
                self.refresh_state()

        self.app.background(lambda: desk.command(line), then, name="command")

    def ingest(self, path: str = "") -> None:
        """Read a file or folder, with progress."""
        from agentmem_tui.screens.ingest import IngestScreen

        self.app.push_screen(IngestScreen(path.removeprefix("@").strip()), self._ingested)

    async def _ingested(self, report: Any) -> None:
        if report is not None:
            buttons = (("undo", "Take it back"),) if report.receipt else ()
            await self.note(report.summary(), "result", buttons, receipt=report.receipt or "")
            self.refresh_state()
        self.composer.focus()

    @on(Welcome.Wanted)
    async def _welcome_wanted(self, event: Welcome.Wanted) -> None:
        event.stop()
        if event.verb == "sample":
            self.ingest(str(SAMPLE))
        elif event.verb == "ask":
            self.ask(event.text)
        else:
            await self.app.run_action("app.keys" if event.verb == "help" else "app.settings")
        self.composer.focus()

    def palette(self) -> Iterable[tuple[Callable[[], Any], str, str]]:
        """What the command palette offers: (action, title, what it does)."""
        app = self.app
        yield self.action_new_thread, "New thread", "Begin another conversation"
        yield self.action_find, "Find", "Find messages of this thread"
        yield self.undo, "Undo", "Take the last change of the memory back"
        yield self.redo, "Redo", "Bring back what was taken back last"
        for name in ("memory", "panels", "ingest", "settings", "doctor"):
            yield getattr(app, f"action_{name}"), name.capitalize(), OWN_COMMANDS[name]
