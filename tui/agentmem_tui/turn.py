"""Follows one turn: events come on a thread, are gathered, and are shown in batches on the screen's own."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from agentmem import events
from agentmem_tui.conversation import AGENT, USER, Entry, part_id
from agentmem_tui.plaintext import one_line
from agentmem_tui.widgets.message import Answered

if TYPE_CHECKING:
    from agentmem_tui.screens.chat.part import ChatPart

_FRAME_S = 0.03  # how often the screen takes what came


class TurnFollower:
    """One turn on one screen. ``text`` is what the user said; empty when a turn is resumed."""

    def __init__(self, screen: ChatPart, text: str) -> None:
        self._screen = screen
        self._text = text
        self._came: deque[events.Event | BaseException | None] = deque()
        self._log: list[events.Event] = []
        self._started: events.TurnStarted | None = None
        self._bubble: Answered | None = None
        self._said: Entry | None = None
        self._timer: Any = None
        self._ended = False
        self._busy = False

    def begin(self, start: Callable[[], Iterator[events.Event]]) -> None:
        """Begin the turn on a thread of its own."""
        if self._text:
            self._said = Entry(USER, self._text)
            self._screen.call_later(self._screen.transcript.add, self._said)

        def run() -> None:
            try:
                for event in start():
                    self._came.append(event)
            except BaseException as error:  # a worker's end: handed to the screen
                self._came.append(error)
            self._came.append(None)

        threading.Thread(target=run, name="chat-turn", daemon=True).start()
        self._timer = self._screen.set_interval(_FRAME_S, self._drain)

    async def _drain(self) -> None:
        if self._busy or not self._came:
            return
        self._busy = True
        try:
            words: list[str] = []
            while self._came and not self._ended:
                event = self._came.popleft()
                if isinstance(event, events.Token):
                    words.append(event.text)
                    continue
                await self._write(words)
                words = []
                await self._take(event)
            await self._write(words)
        finally:
            self._busy = False

    async def _write(self, words: list[str]) -> None:
        if words:
            bubble = await self._answer()
            await bubble.write("".join(words))
            self._screen.status.busy = "writing …"

    async def _answer(self) -> Answered:
        if self._bubble is None:
            turn = self._started.turn if self._started is not None else ""
            at = self._started.at if self._started is not None else 0.0
            entry = Entry(AGENT, "", turn=turn, record_id=part_id(turn, "answer") if turn else "", at=at)
            bubble = await self._screen.transcript.add(entry)
            assert isinstance(bubble, Answered), "an entry of the agent is drawn as an answer"
            self._bubble = bubble
        return self._bubble

    async def _take(self, event: events.Event | BaseException | None) -> None:
        screen = self._screen
        if isinstance(event, events.Event):
            self._log.append(event)
        match event:
            case None:
                self._finish(None)
            case events.TurnStarted():
                await self._began(event)
            case events.Routed():
                screen.status.busy = f"asking {', '.join(event.memories) or 'no memory'} …"
            case events.Recalled(error=str()):
                await screen.note(f"memory '{event.memory}': {event.error}", "warning")
            case events.Composed():
                screen.status.busy = f"reading {len(event.hits)} records …"
            case events.ToolCalled():
                screen.status.busy = f"{event.name} …"
            case events.Notice():
                await screen.note(event.text, "warning" if event.level == "warning" else "note")
            case events.PendingApproval():
                await self._approval(event)
            case events.Written() if event.receipt.verb not in ("turn", "answer", "derive"):
                body = one_line(event.records[0].body, 100) if event.records else ""
                told = f"{event.what or event.receipt.verb}: {body}"
                await screen.note(told, "written", (("undo", "Undo  F9"),), receipt=event.receipt.id)
            case events.Answered():
                await self._answered(event.answer)
            case events.TurnFailed():
                await self._failed(event.error, event.kind, event.resumable)
            case BaseException():
                await self._failed(str(event), type(event).__name__, False)

    async def _began(self, event: events.TurnStarted) -> None:
        self._started = event
        if self._said is None:  # a turn that was cut off: what was asked is shown again
            self._said = Entry(USER, event.text)
            await self._screen.transcript.add(self._said)
        if self._said is not None:
            self._said.turn, self._said.at = event.turn, event.at
            self._said.record_id = "" if event.incognito else part_id(event.turn, "said")

    async def _approval(self, event: events.PendingApproval) -> None:
        entry_text = f"waits for your approval: {one_line(event.record.body, 300)}"
        bubble = await self._screen.note(
            entry_text, "approval", (("approve", "Approve"), ("refuse", "Refuse"), ("open", "Look"))
        )
        bubble.entry.record_id = event.change_id

    async def _answered(self, answer: events.Answer) -> None:
        bubble = await self._answer()
        bubble.entry.stopped = answer.stopped
        if answer.trace is None:
            bubble.entry.record_id = ""
        await bubble.finish(answer.text)
        self._screen.app.background(lambda: self._why(answer), self._show_why, name="why")
        self._finish(answer)

    def _why(self, answer: events.Answer) -> Any:
        """From the events of the turn, so that an incognito turn, of which nothing is kept, can tell why too."""
        from agentmem.trace import trace_of

        cost = answer.cost
        outcome = {
            "stopped": answer.stopped,
            "cited": [[citation.number, citation.record_id] for citation in answer.citations],
            "tokens_in": cost.tokens_in,
            "tokens_out": cost.tokens_out,
            "money": cost.money,
            "seconds": cost.seconds,
        }
        turn = {"id": answer.turn, "thread": answer.thread, "model": answer.model}
        asked: dict[str, Any] = {**turn, "session": None, "speaker": None, "namespace": []}
        return self._screen.app.desk.why_of(trace_of(asked, self._log, outcome))

    def _show_why(self, why: Any) -> None:
        if self._bubble is not None:
            self._bubble.entry.why = why
            self._bubble.about()
            self._screen.show_why(self._bubble.entry)

    async def _failed(self, error: str, kind: str, resumable: bool) -> None:
        if kind == "Cancelled":
            await self._screen.note("stopped", "note")
        else:
            buttons = (("resume", "Try again"), ("discard", "Drop it")) if resumable else ()
            await self._screen.note(error or kind, "error", buttons)
        if self._bubble is not None:
            await self._bubble.finish(self._bubble.entry.text)
        self._finish(None)

    def _finish(self, answer: events.Answer | None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            with contextlib.suppress(Exception):
                self._timer.stop()
        self._screen.turn_ended(answer)
