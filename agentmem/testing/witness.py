"""Watches one memory from inside its own class: every verb runs under the guards, and broken promises are written down.

`watched(memory_class)` is a subclass, so the memory behaves as it always does and whatever calls it (the real core
included) needs to know nothing. What it notices is kept in a `Witness` that lives as long as the test.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agentmem.contract import Context, Memory, MemoryConfig
from agentmem.errors import AgentmemError
from agentmem.records import Change, Event, Hit, Proposal, Query, Recall, Record
from agentmem.testing.fakes import ScriptedChat
from agentmem.testing.guards import Guard, guarded, take_off

T = TypeVar("T")


_PATIENCE_S = 60.0  # for verbs that nobody waits for: apply, rebuild, purge


class Broken(AssertionError):
    """A memory broke a promise of the contract; the text names it."""


@dataclass
class Witness:
    """What a memory did against the contract, as sentences, and how long it took."""

    deadline_s: float = 5.0
    connections: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    mutations: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    hung: str = ""
    guards: list[Guard] = field(default_factory=list)  # of the verbs that run now

    def take_off_guards(self) -> None:
        """Watch no longer, not even the thread that hangs: whatever runs next in this process is not this memory."""
        for guard in list(self.guards):
            take_off(guard)

    def run(self, verb: str, work: Callable[[], T], *, timed: bool = True) -> T:
        """Run a verb on a thread of its own, as the core does; raises Broken when it hangs or fails.

        A thread that hangs is left behind: Python cannot end it.
        """
        if self.hung:
            raise Broken(self.hung)
        outcome: list[T] = []
        failure: list[BaseException] = []

        def target() -> None:
            try:
                outcome.append(work())
            except BaseException as error:  # whatever a plugin raises is what is being tested
                failure.append(error)

        thread = threading.Thread(target=target, name=f"memory-{verb}", daemon=True)
        start = time.monotonic()
        thread.start()
        limit = self.deadline_s if verb == "recall" else max(_PATIENCE_S, self.deadline_s)
        if not _came_back(thread, limit):
            self.hung = f"hangs in {verb}: no answer within its deadline of {limit:g} s"
            raise Broken(self.hung)
        if timed:
            self.seconds.setdefault(verb, []).append(time.monotonic() - start)
        if failure:
            error = failure[0]
            if isinstance(error, Broken):
                raise error
            if isinstance(error, AgentmemError):
                raise Broken(f"{verb} fails on valid input: {type(error).__name__}: {error}") from error
            raise Broken(
                f"raises an untyped error in {verb}: {type(error).__name__}: {error} (raise an AgentmemError instead)"
            ) from error
        return outcome[0]


def _came_back(thread: threading.Thread, limit_s: float) -> bool:
    """Whether a thread ends in time; one that is at work all the while gets six times as long, for busy machines."""
    end = time.monotonic() + 6 * limit_s
    thread.join(limit_s)
    before = _cpu_s(thread)
    while thread.is_alive() and time.monotonic() < end:
        thread.join(1.0)
        now = _cpu_s(thread)
        if now - before < 0.005:
            break
        before = now
    return not thread.is_alive()


def _cpu_s(thread: threading.Thread) -> float:
    """Seconds of processor time that a thread has had; 0 where the system does not tell."""
    try:
        numbers = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def core_paths(data_dir: Path) -> list[Path]:
    """What the core itself writes in the home while a memory reads records and vectors through its context."""
    home = data_dir.parent.parent
    return [home / name for name in ("journal.db", "vectors", "blobs")]


def watched(memory_class: type[Memory], witness: Witness, settings: MemoryConfig | None = None) -> type[Memory]:
    """A subclass of ``memory_class`` that reports to ``witness``; ``settings`` take the place of the home's."""

    class Watched(memory_class):  # type: ignore[misc, valid-type]
        def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
            with self._watch(context, "construction"):
                super().__init__(context, settings if settings is not None else config)

        def apply(self, changes: Sequence[Change]) -> None:
            kept = copy.deepcopy(list(changes))
            with self._watch(self.context, "apply", no_chat=True):
                super().apply(changes)
            if list(changes) != kept:
                witness.mutations.append(_first_difference(kept, changes))

        def recall(self, query: Query) -> Recall:
            with self._watch(self.context, "recall"):
                return _the(super().recall(query))

        def observe(self, event: Event) -> Sequence[Proposal]:
            kept = copy.deepcopy(event.records)
            with self._watch(self.context, "observe"):
                proposals: Sequence[Proposal] = super().observe(event)
            if event.records != kept:
                witness.mutations.append(f"records of a {event.kind} event were changed in observe")
            return proposals

        def erase(self) -> None:
            with self._watch(self.context, "erase"):
                super().erase()

        def close(self) -> None:
            with self._watch(self.context, "close"):
                super().close()

        @contextmanager
        def _watch(self, context: Context, verb: str, no_chat: bool = False) -> Any:
            chat = context.chat if no_chat and isinstance(context.chat, ScriptedChat) else None
            if chat is not None:
                chat.forbidden = verb
            try:
                with guarded(context.data_dir, *core_paths(context.data_dir)) as guard:
                    witness.guards.append(guard)
                    yield
            finally:
                witness.guards.remove(guard)
                if chat is not None:
                    chat.forbidden = None
                witness.connections += [f"{what} in {verb}" for what in guard.connections]
                witness.writes += [f"{path} in {verb}" for path in guard.writes]

    Watched.__name__ = Watched.__qualname__ = memory_class.__name__
    Watched.__module__ = memory_class.__module__
    return Watched


def _the(recall: Recall) -> Recall:
    if not isinstance(recall, Recall):
        raise Broken(f"returns a {type(recall).__name__} from recall, not a Recall")
    for hit in recall.hits:
        if not isinstance(hit, Hit):
            raise Broken(f"returns a {type(hit).__name__} among its hits, not a Hit")
        if not isinstance(hit.record, Record):
            raise Broken(f"returns hits without a record: {hit.record!r} stands in its place")
    return recall


def _first_difference(before: Sequence[Change], after: Sequence[Change]) -> str:
    for old, new in zip(before, after, strict=False):
        if old != new:
            return f"change {old.seq} of record {old.record_id} was altered in apply"
    return f"{len(before)} changes were given to apply, {len(after)} were left of them"
