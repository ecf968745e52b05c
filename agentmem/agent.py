"""The agent as its users hold it: one object with the verbs of memory and of conversation.

Verbs that write return a receipt; a receipt can be undone. The verbs are in `agentmem.verbs`, by what they are for.
Here is how an agent is opened, shared within a process, and closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agentmem import opening
from agentmem.contract import ChatModel, Clock, Embedder, LocalModel, Memory
from agentmem.home import Home
from agentmem.reading import Reading
from agentmem.records import Namespace
from agentmem.settings import Settings, read_settings
from agentmem.verbs.handle import namespace_from
from agentmem.verbs.talking import TalkingVerbs
from agentmem.verbs.weights import WeightVerbs
from agentmem.verbs.whole import HomeVerbs

if TYPE_CHECKING:
    from agentmem.conversation import Loop

DEFAULT_HOME = "~/.agentmem"


class Agent(HomeVerbs, WeightVerbs, TalkingVerbs):
    """An agent with a home. Open it with `Agent.open`; close it, or use it as a context manager."""

    def __init__(self, home: Home, *, namespace: Namespace = (), thread: str = "main") -> None:
        self.home = home
        self.namespace = namespace
        self.thread = thread
        self._reading = Reading(home)
        self._loop: Loop | None = None
        self._users = 1

    @classmethod
    def open(
        cls,
        home: str | Path = DEFAULT_HOME,
        *,
        namespace: Sequence[str] | str = (),
        thread: str = "main",
        readonly: bool = False,
        settings: Sequence[str] = (),
        plugins: Mapping[str, type[Memory]] | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        embedder: Embedder | str | None = None,
        chat: ChatModel | None = None,
        local_model: LocalModel | str | None = None,
        **keywords: Any,
    ) -> Agent:
        """Open or create a home.

        ``keywords`` are settings (``model="extractive"``, ``memories=("chroma", "bm25")``, ``k=5``) or sections of
        memories (``hipporag={"mode": "hipporag2"}``); ``settings`` are assignments as in ``--set``. Given objects
        (``embedder``, ``chat``, ``local_model``, ``plugins``) take the place of what the settings name. A home that
        this process has open already is shared.
        """
        folder = Path(home).expanduser().resolve()
        with _OPEN_LOCK:
            shared = _OPEN.get(folder)
            if shared is not None and shared.home.readonly == readonly:
                shared._users += 1
                return _Shared(shared, namespace=namespace_from(namespace), thread=thread)
            if isinstance(embedder, str):
                keywords["embedder"], embedder = embedder, None
            if isinstance(local_model, str):
                keywords["local_model"], local_model = local_model, None
            chosen = opening.completed(read_settings(folder, keywords, settings))
            budget = opening.budget(chosen, folder, clock, readonly=readonly)
            weights = local_model if local_model is not None else opening.local_model(chosen)
            opened = Home.open(
                folder,
                chosen,
                memories=plugins,
                clock=clock,
                seed=seed,
                embedder=embedder,
                chat=opening.chat_model(chosen, chat, weights, budget),
                local_model=weights,
                budget=budget,
                erasers=(opening.turn_eraser(folder),),
                readonly=readonly,
            )
            agent = cls(opened, namespace=namespace_from(namespace), thread=thread)
            _OPEN[folder] = agent
            return agent

    @classmethod
    async def aopen(cls, home: str | Path = DEFAULT_HOME, **keywords: Any) -> Agent:
        """The async twin of `open`: ``async with await Agent.aopen(...) as agent``."""
        return await asyncio.to_thread(cls.open, home, **keywords)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def close(self) -> None:
        """Bring the memories up to date and let go of the home (when the last one who shares it closes)."""
        with _OPEN_LOCK:
            self._users -= 1
            if self._users > 0:
                return
            _OPEN.pop(self.home.folder, None)
        try:
            if self._loop is not None:
                self._loop.close()
        finally:
            self.home.close()

    async def aclose(self) -> None:
        """The async twin of `close`."""
        await asyncio.to_thread(self.close)

    @property
    def settings(self) -> Settings:
        return self.home.settings

    @property
    def loop(self) -> Loop:
        """The conversation, made at its first use."""
        if self._loop is None:
            from agentmem.conversation import Loop

            self._loop = Loop(self)
        return self._loop


class _Shared(Agent):
    """Another handle on an agent that this process has open, with a namespace and thread of its own."""

    def __init__(self, first: Agent, *, namespace: Namespace, thread: str) -> None:
        super().__init__(first.home, namespace=namespace, thread=thread)
        self._first = first
        self._closed = False

    @property
    def loop(self) -> Loop:
        return self._first.loop

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._first.close()


_OPEN: dict[Path, Agent] = {}  # homes that this process has open: a second open shares the first
_OPEN_LOCK = threading.RLock()
