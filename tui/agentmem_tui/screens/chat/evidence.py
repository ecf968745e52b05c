"""Why an answer is as it is: the panel beside the conversation, and the records that answers cite."""

from __future__ import annotations

from typing import Any

from textual import on

from agentmem_tui.conversation import AGENT, Entry
from agentmem_tui.screens.chat.part import ChatPart
from agentmem_tui.widgets.message import Answered, Bubble
from agentmem_tui.widgets.why import WhyPanel


class Evidence(ChatPart):
    """Reads how an answer came about when it is asked for; answers of this session bring it along."""

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
