"""The line that tells where one is and what goes on. Quiet: one line, never in the way."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from agentmem_tui.plaintext import clean


class StatusLine(Static):
    """``busy`` comes first while something runs; then the place."""

    busy: reactive[str] = reactive("")
    place: reactive[str] = reactive("")

    def __init__(self) -> None:
        super().__init__("", id="status", markup=False)

    def watch_busy(self) -> None:
        self._tell()

    def watch_place(self) -> None:
        self._tell()

    def _tell(self) -> None:
        parts = [part for part in (self.busy, self.place) if part]
        self.update(Content(clean(" · ".join(parts))))
        self.set_class(bool(self.busy), "busy")
