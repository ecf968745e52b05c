"""Verbs of conversation: asking, streaming, acting with tools, cancelling and resuming turns, summing sessions up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from agentmem.verbs.handle import Handle
from agentmem.verbs.twins import twin

if TYPE_CHECKING:
    from agentmem.acting import Ended
    from agentmem.agent import Agent
    from agentmem.conversation import Loop
    from agentmem.events import Answer
    from agentmem.events import Event as LoopEvent
    from agentmem.records import Receipt


class TalkingVerbs(Handle):
    """Ask, and get answers that rest on the memories."""

    @property
    @abstractmethod
    def loop(self) -> Loop:
        """The conversation of this home."""

    @property
    def graph(self) -> Any:
        """The compiled LangGraph graph, to embed in one's own; in the agent's namespace unless told another."""
        graph = self.loop.graph
        return graph.with_config(configurable={"namespace": list(self.namespace)}) if self.namespace else graph

    def ask(self, text: str, **keywords: Any) -> Answer:
        """Answer from the memories, with citations, and write the exchange down."""
        return self.loop.ask(text, **self._turn(keywords))

    def stream(self, text: str, **keywords: Any) -> Iterator[LoopEvent]:
        """Like `ask`, as events: what was asked, what came, tokens, what was written."""
        return self.loop.stream(text, **self._turn(keywords))

    async def aask(self, text: str, **keywords: Any) -> Answer:
        """The async twin of `ask`; cancelling the task cancels the turn."""
        return await self.loop.aask(text, **self._turn(keywords))

    def astream(self, text: str, **keywords: Any) -> AsyncIterator[LoopEvent]:
        """The async twin of `stream`."""
        return self.loop.astream(text, **self._turn(keywords))

    def act(
        self,
        task: str = "",
        *,
        tools: Sequence[Any] = (),
        environment: Any = None,
        name: str | None = None,
        model: Any = None,
        limits: Any = None,
        namespace: Sequence[str] | str | None = None,
    ) -> Ended:
        """Let a model call LangChain tools, or move in an environment, until it is done or a limit ends it.

        Every step is a record; the same ``name`` goes on with that run, also after the process was killed. ``model``
        is a LangChain chat model or a function from messages to a reply; by default the agent's own.
        """
        from agentmem.acting_model import act

        return act(
            cast("Agent", self),
            task,
            tools=tools,
            environment=environment,
            name=name or self.home.new_id(),
            model=model,
            limits=limits,
            namespace=self._scope(namespace),
        )

    def cancel(self, thread: str | None = None) -> int:
        """Stop the turn that runs on the thread; what was said so far is kept."""
        return self.loop.cancel(thread or self.thread)

    def resume(self, thread: str | None = None, *, discard: bool = False) -> Answer | None:
        """Finish a turn that was cut off (its process died), or discard it."""
        return self.loop.resume(thread or self.thread, discard=discard)

    def summarise(self, session: str | None = None, *, namespace: Sequence[str] | str | None = None) -> list[Receipt]:
        """Have the chat model summarise the sessions that are due, or one; a receipt for each summary.

        Also done by itself when a session is over (section ``[summaries]``). A summary derives from its turns, so it
        goes when one of them changes, and is due again; `agentmem.sessions.look` tells what is due and why not.
        """
        from agentmem.summarising import summarise

        return summarise(self.home, self._scope(namespace), session=session)

    def _turn(self, keywords: dict[str, Any]) -> dict[str, Any]:
        keywords["namespace"] = self._scope(keywords.get("namespace"))
        keywords["thread"] = keywords.get("thread") or self.thread
        return keywords

    # ---- async twins

    aact = twin(act)
    aresume = twin(resume)
    asummarise = twin(summarise)
