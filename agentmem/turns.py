"""Turns while they run: who may run on a thread now, how a turn is cancelled, and iterators that cannot hang a turn.

Knows nothing of memories, graphs and models.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from agentmem.budget import TurnBudget
from agentmem.errors import AgentmemError
from agentmem.events import Answer, Event
from agentmem.records import Hit, Recall, Receipt, Record
from agentmem.router import Route, Situation
from agentmem.views import Asked

T = TypeVar("T")
_AHEAD = 256  # items that may wait for whoever listens
_POLL_S = 0.05  # how soon a cancel is noticed while nothing comes


class Cancelled(AgentmemError):
    """The user stopped the turn."""


class TooSlow(AgentmemError):
    """Nothing more came in time."""


@dataclass(eq=False)
class Turn:
    """What of a running turn is not kept in its checkpoints."""

    id: str
    thread: str
    budget: TurnBudget
    cancelled: threading.Event = field(default_factory=threading.Event)
    log: list[Event] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    answer: Answer | None = None
    resumed: bool = False
    recalled: dict[str, Recall] = field(default_factory=dict)  # by memory, what this process was told
    probed: dict[str, Recall] = field(default_factory=dict)  # asked by the router to decide
    asked: Asked | None = None  # what this process has asked besides
    route: Route | None = None  # where this process sent the question, and what that was decided by
    situation: Situation | None = None
    hits: list[Hit] | None = None  # the evidence, when this process composed it
    before: list[Record] | None = None  # the thread's turns before this one, newest first
    sink: Callable[[Event | None], None] | None = None

    def stop_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("stopped by the user")


class Lanes:
    """One lane a thread: turns on the same thread run one after another, in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lanes: dict[str, deque[Turn]] = {}

    def enter(self, turn: Turn) -> None:
        """Take a place in the lane; called in the order in which turns shall run."""
        with self._changed:
            self._lanes.setdefault(turn.thread, deque()).append(turn)

    def wait(self, turn: Turn) -> None:
        """Wait until it is this turn's time; raises Cancelled when it is cancelled before."""
        with self._changed:
            while self._lanes[turn.thread][0] is not turn:
                turn.stop_if_cancelled()
                self._changed.wait(1.0)
            turn.stop_if_cancelled()

    def leave(self, turn: Turn) -> None:
        with self._changed:
            lane = self._lanes.get(turn.thread)
            if lane is not None and turn in lane:
                lane.remove(turn)
                if not lane:
                    del self._lanes[turn.thread]
            self._changed.notify_all()

    def turns(self, thread: str | None = None) -> list[Turn]:
        """The turns that run or wait, of one thread or of all."""
        with self._changed:
            lanes = self._lanes.values() if thread is None else [self._lanes.get(thread, deque())]
            return [turn for lane in lanes for turn in lane]

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def pumped(make: Callable[[], Iterator[T]], turn: Turn) -> Iterator[T]:
    """The items of ``make()``, which runs on a thread of its own.

    Raises TooSlow when the turn's seconds are used up and Cancelled when it is cancelled;
    the thread is left behind then and closes its iterator at its next item.
    """
    items: queue.SimpleQueue[tuple[str, T | BaseException | None]] = queue.SimpleQueue()
    abandoned = threading.Event()

    def offer(kind: str, value: T | BaseException | None) -> bool:
        while not abandoned.is_set():
            if items.qsize() < _AHEAD:
                items.put((kind, value))
                return True
            time.sleep(0.005)
        return False

    def run() -> None:
        iterator: Iterator[T] | None = None
        try:
            iterator = make()
            for item in iterator:
                if not offer("item", item):
                    break
            offer("end", None)
        except BaseException as error:  # handed over, whatever it is
            offer("error", error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name=f"agentmem-model-{turn.id[:8]}", daemon=True).start()
    try:
        while True:
            turn.stop_if_cancelled()
            left = turn.budget.seconds_left
            if left <= 0:
                raise TooSlow(f"the limit of {turn.budget.limits.seconds:g} seconds is reached (budget.seconds)")
            try:
                kind, value = items.get(timeout=min(left, _POLL_S))
            except queue.Empty:
                continue
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(value, BaseException), "an error travels as an exception"
                raise value
            yield value  # type: ignore[misc]  # an item, by its kind
    finally:
        abandoned.set()
