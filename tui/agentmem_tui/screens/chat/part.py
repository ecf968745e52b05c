"""What all parts of the conversation screen share: the widgets in it, notices, and the turn that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from agentmem_tui.conversation import NOTICE, Entry
from agentmem_tui.widgets.composer import Composer
from agentmem_tui.widgets.message import Bubble
from agentmem_tui.widgets.status import StatusLine
from agentmem_tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentmem.events import Event
    from agentmem_tui.app import ChatApp


class ChatPart(Screen[None]):
    """One part; what it leaves open, another part does."""

    app: ChatApp
    transcript: Transcript
    composer: Composer
    status: StatusLine

    @property
    def is_answering(self) -> bool:
        """Whether a reply is being written."""
        raise NotImplementedError

    def begin(self, start: Callable[[], Iterator[Event]], text: str = "") -> None:
        """Begin a turn; ``text`` is what the user said, empty when one is resumed."""
        raise NotImplementedError

    def turn_ended(self, answer: Any) -> None:
        """The turn is over, with an answer or None."""
        raise NotImplementedError

    def show_why(self, entry: Entry | None) -> None:
        """Fill the panel, if it is there, with how an answer came about."""
        raise NotImplementedError

    def resume(self) -> None:
        """Finish what was cut off."""
        raise NotImplementedError

    def reopen(self) -> None:
        """Show the thread where the desk is now."""
        raise NotImplementedError

    def refresh_state(self) -> None:
        """Read the state, the threads and what became of the messages that are shown."""
        raise NotImplementedError

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
