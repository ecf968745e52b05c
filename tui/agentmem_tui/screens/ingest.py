"""Reading files and folders in: progress, speed, time left, what was skipped, and a cancel that keeps whole files."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Button, Input, ProgressBar, Static

from agentmem_tui.attaching import complete_path
from agentmem_tui.plaintext import clean
from agentmem_tui.screens.page import Page
from agentmem_tui.widgets.keybar import KeyBar
from agentmem_tui.widgets.welcome import SAMPLE

_FRAME_S = 0.1


class _Paths(Suggester):
    """The first path that begins so."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        found = complete_path(value, 1) if value else []
        return found[0] if found else None


class IngestScreen(Page[Any]):
    """Reads what it is given, or asks for a path first. Dismissed with the report, None when nothing was read."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "start", "Read", priority=True, id="ingest.start")]

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self._path = path
        self._cancelled = threading.Event()
        self._reading = False
        self.report: Any = None  # once everything is read
        self._at = (0, 0, "", 0)  # files done, in all, which, bytes
        self._began = 0.0

    def compose(self) -> ComposeResult:
        yield Static("read files and folders", classes="heading")
        with Vertical(classes="page"):
            yield Input(
                self._path,
                placeholder="a file or a folder; → completes",
                suggester=_Paths(),
                select_on_focus=False,
                compact=True,
            )
            yield ProgressBar(show_eta=False)
            yield Static("What was read before and has not changed is left alone.", id="told", markup=False)
            with VerticalScroll(can_focus=True):
                yield Static("", id="report")
        with Horizontal(classes="toolbar"):
            yield Button("Read", name="start", variant="primary", compact=True)
            yield Button("The sample folder", name="sample", compact=True)
            yield Button("Cancel", name="leave", compact=True)
        yield KeyBar(("back", "ingest.start", "help"))

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.query_one(ProgressBar).display = False
        self.set_interval(_FRAME_S, self._tell)
        if self._path:
            self.action_start()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_start()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.name == "sample":
            self.query_one(Input).value = str(SAMPLE)
        await self.run_action("start" if event.button.name == "sample" else event.button.name or "leave")

    def action_start(self) -> None:
        """Read what the line names."""
        if self.report is not None:
            self.dismiss(self.report)
            return
        given = self.query_one(Input).value.strip()
        if self._reading or not given:
            return
        path = Path(given).expanduser()
        self._reading, self._began = True, time.monotonic()
        self._cancelled.clear()
        self.query_one(ProgressBar).display = True
        desk = self.app.desk

        def do() -> Any:
            from agentmem.ingesting import ingest

            home = desk.agent.home
            report = ingest(
                home, [path], namespace=desk.namespace, progress=self._heard, cancelled=self._cancelled.is_set
            )
            home.views.catch_up()
            return report

        self.app.background(do, self._done, failed=self._failed, name="ingest")

    def _heard(self, done: int, total: int, uri: str, size: int, *_: object) -> None:
        self._at = (done, total, str(uri), size)  # read by the screen at its own pace

    def _tell(self) -> None:
        if not self._reading:
            return
        done, total, uri, size = self._at
        seconds = max(time.monotonic() - self._began, 0.001)
        bar = self.query_one(ProgressBar)
        bar.update(total=total or None, progress=done)
        left = f", about {seconds / done * (total - done):.0f} s left" if done and total > done else ""
        speed = f"{size / 2**20 / seconds:.1f} MiB/s" if size else f"{done / seconds:.0f} files/s"
        stopping = "stopping after this file · " if self._cancelled.is_set() else ""
        indexing = "indexing …" if total and done >= total else clean(uri)
        self.query_one("#told", Static).update(
            Content(f"{stopping}{done:,} of {total or '?'} files · {speed}{left}\n{indexing}")
        )

    def _done(self, report: Any) -> None:
        self._reading, self.report = False, report
        bar = self.query_one(ProgressBar)
        bar.update(total=1, progress=1)
        told = report.summary()
        told += f"\n{report.seconds:.1f} s. Esc goes back to the conversation; there a button takes it back."
        self.query_one("#told", Static).update(Content(clean(told)))
        self.query_one("#report", Static).update(Content(clean(report.table(examples=20))))
        first = self.query(Button).first()
        first.label = "Done"

    def _failed(self, error: BaseException) -> None:
        self._reading = False
        self.query_one(ProgressBar).display = False
        self.query_one("#told", Static).update(Content(clean(f"{error}")))

    def action_leave(self) -> None:
        """Stop after the file that is being read; leave when nothing runs."""
        if self._reading:
            self._cancelled.set()
        else:
            self.dismiss(self.report)
