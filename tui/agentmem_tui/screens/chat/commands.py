"""Slash commands, the palette, and the buttons of an empty thread: other doors to what the keys do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from textual import on

from agentmem_tui.conversation import AGENT, Entry
from agentmem_tui.screens.chat.changes import Changes
from agentmem_tui.screens.chat.evidence import Evidence
from agentmem_tui.screens.chat.moving import Moving
from agentmem_tui.screens.chat.threads import ThreadVerbs
from agentmem_tui.screens.chat.turns import Turns
from agentmem_tui.widgets.message import Bubble
from agentmem_tui.widgets.welcome import SAMPLE, Welcome

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


class Commands(Changes, Evidence, Moving, ThreadVerbs, Turns):
    """What can be written after a slash; what is not the screen's own goes to the commands that every chat has."""

    async def command(self, line: str) -> None:
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
                self.resume()
            if (desk.thread, desk.namespace) != place:
                self.reopen()
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
