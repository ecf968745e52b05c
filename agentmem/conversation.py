"""Turns as their users hold them: ask, stream, cancel, resume, with an async twin for each.

A turn runs on a thread of its own, so that whoever listens can leave at any moment. Turns on one thread of
conversation run one after another. What happens inside a turn is told in `agentmem.graph`.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem import events
from agentmem.budget import TurnBudget
from agentmem.errors import AgentmemError, BadInput, NotFound
from agentmem.graph import Graph
from agentmem.records import Event as MemoryEvent
from agentmem.records import Namespace
from agentmem.state import new_turn
from agentmem.summarising import Summariser
from agentmem.turns import Lanes, Turn

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.checkpoints import OpenTurn, TurnStore

_THREADS = 256  # whose sessions end with the loop; what is left out of a busy server is due at its next idle time
_LEAVE_S = 5.0  # how long a listener that leaves waits for the turn to be written down


class Loop:
    """The conversation of one agent. Thread-safe."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._home = agent.home
        self._main = Graph(agent)
        self._lanes = Lanes()
        self._lock = threading.Lock()
        self._graph: Any = None
        self._kept: Any = None
        self._store: TurnStore | None = None
        self._workers: dict[str, threading.Thread] = {}
        self.session = uuid.uuid4().hex[:12]  # turns without a session of their own are of this one
        self._spoken: set[Namespace] = set()  # where this session has turns
        self._sessions: dict[tuple[Namespace, str], str] = {}  # of the threads last spoken in
        self._summariser = Summariser(self._home)

    def close(self) -> None:
        """Cancel what runs, wait for it to be written down, end the sessions, and let go of the checkpoints."""
        self.cancel()
        for worker in list(self._workers.values()):
            worker.join(_LEAVE_S)
        try:
            for namespace in self._spoken:
                self._tell_ended(self.session, namespace)
            self._summariser.close([(*place, session) for place, session in self._sessions.items()])
        finally:  # whoever waits for a model may interrupt it
            self._spoken.clear()
            if self._store is not None:
                self._store.close()
                self._store = None

    @property
    def graph(self) -> Any:
        """The compiled graph without a checkpointer, to embed in one's own: ``messages`` in, the answer's message out.

        ``configurable`` may hold thread_id, namespace, session, speaker, incognito; events come by the custom stream.
        """
        with self._lock:
            if self._graph is None:
                self._graph = self._main.build().compile()
            return self._graph

    @property
    def model_name(self) -> str:
        return self._main.responder.name

    # ---- asking

    def ask(self, text: str, **keywords: Any) -> events.Answer:
        """Answer from the memories and write the exchange down. Keywords as for `stream`."""
        return self._answer(self._asked(text, **keywords), resumed=False)

    def stream(
        self,
        text: str,
        *,
        namespace: Namespace = (),
        thread: str = "main",
        session: str | None = None,
        speaker: str | None = None,
        incognito: bool = False,
        at: float | None = None,
        as_of: float | None = None,
        memory: str | Sequence[str] | None = None,
        k: int | None = None,
    ) -> Iterator[events.Event]:
        """The same as events, from TurnStarted to Answered or TurnFailed. Closing the iterator cancels the turn.

        ``incognito`` writes nothing; ``at`` is when it was said (world time); ``as_of`` asks the memory of an earlier
        time; ``memory`` names who is asked instead of the router's choice. The turn begins with this call.
        """
        asked = self._asked(
            text,
            namespace=namespace,
            thread=thread,
            session=session,
            speaker=speaker,
            incognito=incognito,
            at=at,
            as_of=as_of,
            memory=memory,
            k=k,
        )
        return self._listen(asked, resumed=False)

    async def aask(self, text: str, **keywords: Any) -> events.Answer:
        """The async twin of `ask`; cancelling the task cancels the turn."""
        last: events.Event | None = None
        async for event in self.astream(text, **keywords):
            last = event
        return self._ended(last)

    async def astream(self, text: str, **keywords: Any) -> AsyncIterator[events.Event]:
        """The async twin of `stream`."""
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[events.Event | None] = asyncio.Queue()

        def sink(event: events.Event | None) -> None:
            with contextlib.suppress(RuntimeError):  # the event loop may have closed before the turn ended
                loop.call_soon_threadsafe(told.put_nowait, event)

        turn = self._launch(self._asked(text, **keywords), sink, resumed=False)
        try:
            while (event := await told.get()) is not None:
                yield event
        finally:
            turn.cancelled.set()
            self._lanes.wake()

    def _asked(
        self, text: str, *, memory: str | Sequence[str] | None = None, k: int | None = None, **keywords: Any
    ) -> dict[str, Any]:
        if not text.strip():
            raise BadInput("there is nothing to answer in an empty message")
        names = (memory,) if isinstance(memory, str) else memory
        for name in names or ():
            self._home.views[name]  # an unknown name is refused before the turn begins
        keywords["session"] = keywords.get("session") or self.session
        if keywords.get("at") is None:
            keywords["at"] = self._home.clock.now()
        keywords.setdefault("thread", "main")
        asked = new_turn(text, memories=names, k=self._home.settings.k if k is None else k, **keywords)
        asked["model"] = self.model_name
        asked["incognito"] = asked["incognito"] or self._home.readonly
        return asked

    # ---- running turns

    def running(self, thread: str | None = None) -> list[str]:
        """Ids of the turns that run or wait."""
        return [turn.id for turn in self._lanes.turns(thread)]

    def cancel(self, thread: str | None = None) -> int:
        """Stop the turns of a thread (or all); what was said so far is kept. Returns how many that were."""
        turns = self._lanes.turns(thread)
        for turn in turns:
            turn.cancelled.set()
        self._lanes.wake()
        return len(turns)

    # ---- turns that were cut off

    def cut_off(self, thread: str | None = None) -> list[OpenTurn]:
        """Turns that began and neither ended nor run any more (their process died), oldest first."""
        if self._home.readonly or not self._path().exists():
            return []
        return [turn for turn in self._turn_store().open_turns(thread) if not turn.is_running]

    def resume(self, thread: str, *, discard: bool = False) -> events.Answer | None:
        """Finish the oldest turn of the thread that was cut off, from where it was; or discard all of them.

        What its tools wrote before stands, with receipts; nothing is written twice. Raises NotFound when there is none.
        """
        if discard:
            found = self._require_cut_off(thread)
            for turn in found:
                self._turn_store().end(turn.id)
            return None
        return self._answer(self._first_cut_off(thread), resumed=True)

    def stream_resumed(self, thread: str) -> Iterator[events.Event]:
        """Like `resume`, as events."""
        return self._listen(self._first_cut_off(thread), resumed=True)

    def _first_cut_off(self, thread: str) -> dict[str, Any]:
        return dict(self._require_cut_off(thread)[0].start)

    def _require_cut_off(self, thread: str) -> list[OpenTurn]:
        found = self.cut_off(thread)
        if not found:
            raise NotFound(f"no turn of thread '{thread}' was cut off; there is nothing to resume or discard")
        return found

    def end_session(self, session: str, *, namespace: Namespace = ()) -> None:
        """Tell the memories that a session is over, so that they may tidy up, and have it summarised meanwhile."""
        self._tell_ended(session, namespace)
        threads = [thread for thread, _, _ in self._home.journal.records.threads(namespace=namespace)]
        self._summariser.start([(namespace, thread, session) for thread in threads])

    def _tell_ended(self, session: str, namespace: Namespace) -> None:
        self._home.observe(MemoryEvent(kind="session_end", namespace=namespace, data={"session": session}))
        self._home.maintain("session")

    def _note_session(self, asked: Mapping[str, Any]) -> None:
        """A new session of a thread ends the one before; the first of all may follow one of an earlier process."""
        namespace, thread, session = tuple(asked["namespace"]), asked["thread"], asked["session"]
        if session == self.session:
            self._spoken.add(namespace)
        with self._lock:
            is_first, before = not self._sessions, self._sessions.pop((namespace, thread), None)
            self._sessions[namespace, thread] = session
            if len(self._sessions) > _THREADS:
                del self._sessions[next(iter(self._sessions))]
        if is_first or before not in (None, session):
            self._summariser.start()

    # ---- one turn

    def _listen(self, asked: Mapping[str, Any], *, resumed: bool) -> Iterator[events.Event]:
        told: queue.SimpleQueue[events.Event | None] = queue.SimpleQueue()
        turn = self._launch(asked, told.put, resumed=resumed)

        def listen() -> Iterator[events.Event]:
            try:
                while (event := told.get()) is not None:
                    yield event
            finally:
                self._leave(turn)

        return listen()

    def _answer(self, asked: Mapping[str, Any], *, resumed: bool) -> events.Answer:
        """Run a turn for its answer alone: whoever waits is not woken by every event."""
        last: list[events.Event] = []
        over = threading.Event()

        def sink(event: events.Event | None) -> None:
            if event is None:
                over.set()
            else:
                last[:] = [event]

        turn = self._launch(asked, sink, resumed=resumed)
        try:
            over.wait()
        finally:
            self._leave(turn)
        return self._ended(last[0] if last else None)

    def _leave(self, turn: Turn) -> None:
        """Nobody listens to the turn any more; it ends if it has not, and is written down."""
        turn.cancelled.set()
        self._lanes.wake()
        worker = self._workers.get(turn.id)
        if worker is not None:
            worker.join(_LEAVE_S)

    def _launch(self, asked: Mapping[str, Any], sink: Callable[[events.Event | None], None], *, resumed: bool) -> Turn:
        budget = TurnBudget(self._home.settings.budget, self._main.responder.ledger)
        turn = Turn(asked["id"], asked["thread"], budget, sink=sink, resumed=resumed)
        self._lanes.enter(turn)
        name = f"agentmem-turn-{turn.id[:8]}"
        worker = threading.Thread(target=self._work, args=(turn, asked, resumed), name=name, daemon=True)
        self._workers[turn.id] = worker
        worker.start()
        return turn

    def _work(self, turn: Turn, asked: Mapping[str, Any], resumed: bool) -> None:
        """Run one turn to its end; everything that goes wrong becomes its last event."""
        assert turn.sink is not None, "a turn that is launched has a listener"
        kept = not asked["incognito"]
        begun = False
        try:
            self._lanes.wait(turn)
            self._begin(turn, asked, resumed)
            begun = kept
            self._run(turn, asked, resumed)
            assert turn.answer is not None, "write_back is the last node of every path"
            if kept:
                self._turn_store().end(turn.id)
                self._note_session(asked)
            self._tell(turn, events.Answered, answer=turn.answer)
        except BaseException as error:  # the worker's end: handed to whoever asked
            if begun and self._store is not None:
                self._store.release(turn.id)
            sentence = str(error) if isinstance(error, AgentmemError) else f"{type(error).__name__}: {error}"
            kind = type(error).__name__
            self._tell(turn, events.TurnFailed, error=sentence, kind=kind, resumable=begun, cause=error)
        finally:
            self._main.turns.pop(turn.id, None)
            self._lanes.leave(turn)
            self._workers.pop(turn.id, None)
            turn.sink(None)

    def _begin(self, turn: Turn, asked: Mapping[str, Any], resumed: bool) -> None:
        self._main.turns[turn.id] = turn
        self._tell(
            turn,
            events.TurnStarted,
            text=asked["text"],
            namespace=tuple(asked["namespace"]),
            session=asked["session"],
            speaker=asked["speaker"],
            model=self.model_name,
            incognito=asked["incognito"],
            resumed=resumed,
        )
        if asked["redacted"]:
            self._tell(turn, events.Notice, text=asked["redacted"], level="warning")
        if asked["incognito"]:
            return
        if not resumed and (cut := self.cut_off(turn.thread)):
            text = f"{len(cut)} earlier turn(s) of this thread were cut off; resume or discard them"
            self._tell(turn, events.Notice, text=text)
        self._turn_store().begin(turn.id, turn.thread, asked)
        self._agent.flush_edits()

    def _run(self, turn: Turn, asked: Mapping[str, Any], resumed: bool) -> None:
        from langsmith.run_helpers import tracing_context

        limit = 4 * self._home.settings.budget.steps + 20  # above what the budget of steps allows
        # memories answer on threads of their own; one of LangGraph's is enough to wait for them
        config: dict[str, Any] = {
            "configurable": {"thread_id": turn.id},
            "recursion_limit": limit,
            "max_concurrency": 1,
        }
        with tracing_context(enabled=False):
            if asked["incognito"]:
                self.graph.invoke({"turn": asked}, config)
                return
            graph = self._keeping()
            begun = resumed and bool(graph.get_state(config).values.get("turn"))
            # "sync": no tool is called, and nothing written, before the reply that says so is kept
            graph.invoke(None if begun else {"turn": asked}, config, durability="sync")
            if turn.answer is None:  # it was cut off after its last step: what is written is found, not written again
                turn.answer = self._main.finished(turn, graph.get_state(config).values)

    def _tell(self, turn: Turn, what: type[events.Event], /, **told: Any) -> None:
        self._main.emit(turn, what, **told)

    def _ended(self, last: events.Event | None) -> events.Answer:
        if isinstance(last, events.Answered):
            return last.answer
        assert isinstance(last, events.TurnFailed), "a turn ends with Answered or TurnFailed"
        raise last.cause or AgentmemError(last.error)

    # ---- checkpoints

    def _path(self) -> Path:
        return self._home.folder / "turns.db"

    def _turn_store(self) -> TurnStore:
        from agentmem.checkpoints import TurnStore, what_cannot_be_asked_again

        with self._lock:
            if self._store is None:
                now = self._home.clock.now
                self._store = TurnStore(self._path(), now=now, worth=what_cannot_be_asked_again)
            return self._store

    def _keeping(self) -> Any:
        store = self._turn_store()
        with self._lock:
            if self._kept is None:
                self._kept = self._main.build().compile(checkpointer=store.saver)
            return self._kept
