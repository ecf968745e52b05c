"""The conversation as it scrolls: a window of mounted messages over a thread of any length.

Every mounted message costs time at each key press, so only some are mounted; others come when one scrolls to them.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget

from agentmem_tui.conversation import AGENT, USER, Entry
from agentmem_tui.widgets.message import Answered, Bubble, Noted, bubble_of

_FIRST = 12  # messages mounted when a thread is opened
_STEP = 6  # more of them when one scrolls to an end; few, so that scrolling never pauses
_MOST = 48


class Transcript(VerticalScroll, can_focus=False):
    """The messages of one thread."""

    class Scrolled(Message):
        """The user looks elsewhere than at the end."""

    def __init__(self) -> None:
        super().__init__(id="transcript")
        self.entries: list[Entry] = []
        self._begin = 0  # of the mounted window in `entries`
        self._end = 0
        self._loading = False

    # ---- whole threads

    async def show(self, entries: Iterable[Entry]) -> None:
        """Show another thread, at its end."""
        self._loading = True
        await self.remove_children()
        self.entries = list(entries)
        self._end = len(self.entries)
        self._begin = max(0, self._end - _FIRST)
        await self.mount_all(bubble_of(entry) for entry in self.entries[self._begin : self._end])
        self.anchor()
        self.call_after_refresh(self._settled)

    def _settled(self) -> None:
        self.scroll_end(animate=False)
        self._loading = False

    async def show_first(self, widget: Widget) -> None:
        """Something to read before anything is said."""
        await self.remove_children(".welcome")
        await self.mount(widget)

    # ---- one message more

    async def add(self, entry: Entry, buttons: tuple[tuple[str, str], ...] = ()) -> Bubble:
        """A new message at the end; the view follows."""
        await self.remove_children(".welcome")
        if self._end < len(self.entries):
            await self.show(self.entries)
        self.entries.append(entry)
        self._end = len(self.entries)
        bubble = Noted(entry, buttons) if buttons else bubble_of(entry)
        await self.mount(bubble)
        await self._trim_top()
        self.anchor()
        return bubble

    async def _trim_top(self) -> None:
        bubbles = self.bubbles()
        if len(bubbles) > _MOST + _STEP:
            await self.remove_children(bubbles[:_STEP])
            self._begin += _STEP

    # ---- the window

    def bubbles(self) -> list[Bubble]:
        return [child for child in self.children if isinstance(child, Bubble)]

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._loading or not self.is_mounted:
            return
        if new_value <= 2 and new_value < old_value and self._begin > 0:
            self._loading = True
            self.call_later(self._earlier)
        elif new_value > old_value and self._end < len(self.entries) and new_value >= self.max_scroll_y - 2:
            self._loading = True
            self.call_later(self._later)

    async def _earlier(self) -> None:
        """Mount what came before, keep what the user looks at where it is, drop as much at the end."""
        bubbles = self.bubbles()
        first = bubbles[0] if bubbles else None
        begin = max(0, self._begin - _STEP)
        await self.mount_all([bubble_of(e) for e in self.entries[begin : self._begin]], before=first)
        self._begin = begin
        if len(bubbles) + _STEP > _MOST:
            await self.remove_children(bubbles[-_STEP:])
            self._end -= _STEP
        self.call_after_refresh(self._keep, first)

    async def _later(self) -> None:
        bubbles = self.bubbles()
        end = min(len(self.entries), self._end + _STEP)
        last = bubbles[-1] if bubbles else None
        await self.mount_all([bubble_of(e) for e in self.entries[self._end : end]], after=last)
        self._end = end
        if len(bubbles) + _STEP > _MOST:
            await self.remove_children(bubbles[:_STEP])
            self._begin += _STEP
        self.call_after_refresh(self._keep, last, False)

    def _keep(self, bubble: Bubble | None, top: bool = True) -> None:
        if bubble is not None and bubble.is_mounted:
            self.scroll_to_widget(bubble, animate=False, top=top, force=True)
        self._loading = False

    async def go_to(self, index: int) -> None:
        """Show the message at ``index`` of the thread, wherever it is, and focus it."""
        if not self._begin <= index < self._end:
            self._loading = True
            await self.remove_children()
            self._begin = max(0, index - _FIRST // 2)
            self._end = min(len(self.entries), self._begin + _FIRST)
            await self.mount_all(bubble_of(entry) for entry in self.entries[self._begin : self._end])
            self.call_after_refresh(self._unlock)
        bubble = self.bubbles()[index - self._begin]
        self.release_anchor()
        bubble.focus()
        self.call_after_refresh(self.scroll_to_widget, bubble, animate=False, top=True, force=True)

    def _unlock(self) -> None:
        self._loading = False

    # ---- finding messages

    def find(self, words: str) -> list[int]:
        """Indices of the messages that hold the words, newest first."""
        wanted = words.casefold()
        found = [i for i, entry in enumerate(self.entries) if wanted in entry.text.casefold()]
        return found[::-1]

    def step(self, by: int) -> None:
        """Focus the next or previous message."""
        bubbles = self.bubbles()
        if not bubbles:
            return
        focused = self.screen.focused
        place = bubbles.index(focused) + by if isinstance(focused, Bubble) and focused in bubbles else len(bubbles) - 1
        self.release_anchor()
        bubbles[min(max(place, 0), len(bubbles) - 1)].focus()

    def last(self, role: str) -> Entry | None:
        return next((entry for entry in reversed(self.entries) if entry.role == role), None)

    def answer(self, turn: str) -> Answered | None:
        return next((b for b in self.query(Answered) if b.entry.turn == turn), None)

    def record_ids(self) -> list[str]:
        """Of the messages that are mounted."""
        return [bubble.entry.record_id for bubble in self.bubbles() if bubble.entry.record_id]

    def mark(self, standing: dict[str, str]) -> None:
        """Show which messages no longer count."""
        for entry in self.entries:
            if entry.record_id in standing:
                entry.taken_back = standing[entry.record_id]
        for bubble in self.bubbles():
            if bubble.entry.record_id in standing:
                bubble.mark(standing[bubble.entry.record_id])

    def said(self) -> list[str]:
        """What the user said, oldest first."""
        return [entry.text for entry in self.entries if entry.role == USER]

    def answers(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.role == AGENT]
