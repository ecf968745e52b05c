"""The terminal chat: one app over one agent. Opens the agent behind the first paint, runs its verbs on threads.

It listens to events and calls verbs; which models and memories there are is none of its business.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen

from agentmem_tui import preferences
from agentmem_tui.desk import Desk
from agentmem_tui.screens.chat import ChatScreen
from agentmem_tui.themes import THEMES

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.cli.options import Options

T = TypeVar("T")
_AGAIN_S = 2.0  # a second ctrl+c within this time leaves
_CLOSING_S = 8.0  # how long leaving waits for what runs to be written down


class ChatApp(App[None]):
    """`ChatApp(options).run()`; ``agent`` takes the place of the one that the options describe."""

    TITLE = "agentmem"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-normal"), (160, "-wide")]  # noqa: RUF012  # as Textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "keys", "Keys", id="help"),
        Binding("f4", "memory", "Memory", id="memory"),
        Binding("f5", "panels", "Panels", id="panels"),
        Binding("f6", "ingest", "Ingest", id="ingest", priority=True),
        Binding("f7", "settings", "Settings", id="settings", priority=True),
        Binding("f8", "doctor", "Doctor", id="doctor", show=False),
        Binding("f9", "undo", "Undo", id="undo", priority=True),
        Binding("f10", "redo", "Redo", id="redo", show=False, priority=True),
        Binding("ctrl+p", "command_palette", "Palette", id="palette", show=False, priority=True),
        Binding("ctrl+q", "quit", "Quit", id="quit", show=False, priority=True),
        Binding("ctrl+c", "interrupt", "Copy, stop, leave", id="interrupt", show=False, system=True, priority=True),
    ]

    def __init__(
        self,
        options: Options,
        *,
        agent: Agent | None = None,
        incognito: bool = False,
        new_thread: bool = False,
    ) -> None:
        super().__init__()
        self.desk = Desk(options, incognito=incognito, agent=agent)
        self.new_thread = new_thread
        self.parting = ""  # a sentence for the terminal after the screen is gone
        self._preferences = preferences.read(self.desk.folder)
        self._interrupted = 0.0
        self._leaving = False

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        chosen = self._preferences.theme
        self.theme = chosen if chosen in self.available_themes else preferences.DARK
        if self._preferences.keys:
            self.set_keymap(dict(self._preferences.keys))
        self.push_screen(ChatScreen())
        if self._preferences.fault:
            self.notify(self._preferences.fault, severity="warning", markup=False)
        self.theme_changed_signal.subscribe(self, self._keep_theme)

    def on_unmount(self) -> None:
        self._leaving = True  # whatever is still on its way from a thread comes too late

    @property
    def chat(self) -> ChatScreen:
        """The conversation, below whatever is shown over it."""
        return next(screen for screen in self.screen_stack if isinstance(screen, ChatScreen))

    # ---- work on threads

    def background(
        self,
        do: Callable[[], T],
        then: Callable[[T], Any] | None = None,
        *,
        failed: Callable[[BaseException], Any] | None = None,
        name: str = "work",
    ) -> None:
        """Run ``do`` on a thread that nobody waits for at the end, and ``then`` with its result on the screen's own.

        Daemon threads, so that a plugin that hangs can never keep the chat from closing.
        """

        def run() -> None:
            try:
                result = do()
            except BaseException as error:  # a worker's end: handed to the screen
                self.hand_over(failed or self.complain, error)
            else:
                if then is not None:
                    self.hand_over(then, result)

        threading.Thread(target=run, name=f"chat-{name}", daemon=True).start()

    def hand_over(self, call: Callable[[Any], Any], value: Any) -> None:
        """From a thread: call with a value on the screen's own; nothing happens once the chat is being left."""
        if self._leaving or not self.is_running:
            return
        with contextlib.suppress(RuntimeError, CancelledError):  # the app has stopped meanwhile
            self.call_from_thread(self._arrive, call, value)  # type: ignore[arg-type]  # its types know no None

    async def _arrive(self, call: Callable[[Any], Any], value: Any) -> None:
        with contextlib.suppress(NoMatches):  # the screen that asked was left meanwhile
            result = call(value)
            if inspect.isawaitable(result):
                await result

    def complain(self, error: BaseException) -> None:
        """Show an error with its remedy in the conversation, where it can be read again."""
        self.chat.complain(error)

    # ---- actions of every screen

    def action_interrupt(self) -> None:
        """Copy what is selected; stop what runs; leave when pressed twice."""
        selected = self.screen.get_selected_text()
        if selected:
            self.copy_to_clipboard(selected)
            self.notify("copied")
            return
        if self.chat.stop():
            return
        now = time.monotonic()
        if now - self._interrupted < _AGAIN_S:
            self.call_later(self.action_quit)
            return
        self._interrupted = now
        self.notify("once more leaves the chat")

    async def action_quit(self) -> None:
        """Stop what runs, let it be written down, close the home, leave."""
        if self._leaving:
            return
        self._leaving = True
        closing = threading.Thread(target=self.desk.close, name="chat-close", daemon=True)
        closing.start()
        until = time.monotonic() + _CLOSING_S

        def wait() -> None:
            if not closing.is_alive():
                self.exit()
            elif time.monotonic() > until:
                self.parting = "agentmem: something did not stop in time; what was written is safe"
                self.exit()

        self.set_interval(0.02, wait)

    def action_undo(self, receipt: str = "") -> None:
        self.chat.undo(receipt)

    def action_redo(self) -> None:
        self.chat.redo()

    def _over(self, make: Callable[[], Screen[Any]]) -> None:
        """Show a screen over the conversation, instead of another one that is over it already."""
        while len(self.screen_stack) > 1 and not isinstance(self.screen, ChatScreen):
            self.pop_screen()
        self.push_screen(make())

    def action_keys(self) -> None:
        from agentmem_tui.screens.keys import KeysScreen
        from agentmem_tui.widgets.keybar import shown_key

        keys: list[tuple[str, str, str]] = []
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            row = (shown_key(self, binding), binding.description, binding.id or "")
            told = binding.description and (binding.id or binding.show)
            if enabled and told and row not in keys:
                keys.append(row)
        self.push_screen(KeysScreen(keys))

    def action_memory(self) -> None:
        from agentmem_tui.screens.memory import MemoryScreen

        self._over(MemoryScreen)

    def action_panels(self) -> None:
        from agentmem_tui.screens.panels import PanelsScreen

        self._over(PanelsScreen)

    def action_ingest(self) -> None:
        self.chat.ingest()

    def action_settings(self) -> None:
        from agentmem_tui.screens.settings import SettingsScreen

        self._over(SettingsScreen)

    def action_doctor(self) -> None:
        from agentmem_tui.screens.doctor import DoctorScreen

        self._over(DoctorScreen)

    def open_record(self, record_id: str) -> None:
        """Show a record in full."""
        from agentmem_tui.screens.record import RecordScreen

        self.push_screen(RecordScreen(record_id))

    def _keep_theme(self, _: object) -> None:
        chosen = self.theme
        if chosen != self._preferences.theme:
            self._preferences = preferences.Preferences(chosen, self._preferences.keys)
            if not self.desk.options.readonly:
                self.background(lambda: preferences.write(self.desk.folder, {"chat.theme": chosen}), name="theme")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the command palette offers beside Textual's own."""
        yield from super().get_system_commands(screen)
        for action, title, told in self.chat.palette():
            yield SystemCommand(title, told, action)
