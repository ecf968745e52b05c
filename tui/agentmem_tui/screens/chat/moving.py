"""Moving about in a thread: scrolling, from message to message, finding words; completing what is written."""

from __future__ import annotations

from textual import on
from textual.widgets import OptionList

from agentmem_tui.screens.chat.part import ChatPart
from agentmem_tui.widgets.composer import Completions, Composer, as_options
from agentmem_tui.widgets.findbar import FindBar


class Moving(ChatPart):
    """Where the user looks, and what the word under the cursor could become."""

    def __init__(self) -> None:
        super().__init__()
        self._found: list[int] = []  # messages that hold the words looked for, newest first
        self._at = 0

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
