"""Asking: what is said waits its turn, one reply runs at a time and can be stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from textual import on
from textual.widgets import Button

from agentmem_tui.screens.chat.part import ChatPart
from agentmem_tui.turn import TurnFollower
from agentmem_tui.widgets.composer import Composer

if TYPE_CHECKING:
    from agentmem.events import Event


class Turns(ChatPart):
    """Begins turns and knows which one runs."""

    def __init__(self) -> None:
        super().__init__()
        self._turn: TurnFollower | None = None
        self._waiting: deque[str] = deque()  # said while a turn runs
        self._resuming = False

    async def command(self, line: str) -> None:
        """Carry out a slash command."""
        raise NotImplementedError

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
            await self.command(text)
        else:
            self._waiting.append(text.removeprefix("/") if text.startswith("//") else text)
            self.go_on()

    @on(Button.Pressed, "#send")
    def _send_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if not self.stop():
            self.composer._send()
        self.composer.focus()

    def ask(self, text: str) -> None:
        """Ask as if the user had written it."""
        self._waiting.append(text)
        self.go_on()

    def go_on(self) -> None:
        """Begin the next turn when nothing runs and the home is open."""
        if self._turn is None and self._waiting and self.app.desk.opened.is_set():
            text = self._waiting.popleft()
            self.begin(lambda: self.app.desk.stream(text), text)

    def begin(self, start: Callable[[], Iterator[Event]], text: str = "") -> None:
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
        desk = self.app.desk
        if answer is not None:
            self.app.background(lambda: desk.answered(answer), name="answered")
        resuming, self._resuming = self._resuming, False
        if resuming and answer is not None and not answer.stopped:
            self.app.background(desk.cut_off, self._go_on_resuming, name="cut-off")
        else:
            self.go_on()

    def resume(self) -> None:
        """Finish the turns of this thread that were cut off, one after another."""
        self._resuming = True
        self.begin(self.app.desk.stream_resumed)

    def _go_on_resuming(self, left: list[str]) -> None:
        if left and not self.is_answering:
            self.resume()
        else:
            self.go_on()

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
