"""Keeps every memory up to date with the journal and asks them in parallel; a memory that fails does so alone."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from agentmem.contract import Capability, Memory, RebuildRequested
from agentmem.deadline import Call
from agentmem.errors import HomeDamaged, PluginError, UnknownName
from agentmem.journal import Journal
from agentmem.records import Change, Hit, Query, Recall, in_scope

_BATCH = 2000
Make = Callable[[], Memory]


class View:
    """One memory and its place in the journal.

    ``make`` builds the memory anew (after its folder was dropped); ``pid`` is the owner's when another process holds
    the home and the memory's files cannot be shared.
    """

    def __init__(self, name: str, make: Make, folder: Path, journal: Journal, *, pid: int | None = None) -> None:
        self.name = name
        self.pid = pid
        self._make = make
        self._folder = folder
        self._journal = journal
        self._lock = threading.RLock()
        self._memory: Memory | None = None
        self._hanging: Call[Recall] | None = None
        self._followed = 0  # in a reader: up to where the memory was told what the owner has not applied

    @property
    def memory(self) -> Memory:
        """The memory, made at first use; PluginError when it cannot be."""
        made = self._memory
        if made is not None:  # without the lock, which a call that hangs may hold for ever
            return made
        with self._lock:
            if self._memory is None:
                self._memory = self._make()
            return self._memory

    @property
    def is_hanging(self) -> bool:
        """Whether a call of this memory has not come back; nothing else is asked of it until it does."""
        return self._hanging is not None and self._hanging.running

    @property
    def is_in_memory(self) -> bool:
        """Whether the index lives in this process alone: it may be built even where no file may be written."""
        return type(self.memory).applied is Memory.applied

    # ---- writing

    def catch_up(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Apply what the journal has and the memory has not; returns how many changes that were.

        A change that cannot be applied is set aside (``agentmem doctor`` shows it) and the view goes on.
        """
        applied = 0
        with self._lock:
            memory = self.memory
            head = self._journal.records.head()
            since = memory.applied
            if since > head:  # an older journal was put back under a newer index
                self._drop()
                memory, since = self.memory, 0
            start = since
            while since < head:
                feed = self._journal.feed
                changes, upto = feed.read(since, _BATCH, kinds=memory.kinds, view=self.name, head=head)
                if upto == since:
                    break
                if changes:
                    self._apply(memory, changes)
                    applied += len(changes)
                memory.applied = since = upto
                if progress is not None:
                    progress(since - start, head - start)
        return applied

    def _apply(self, memory: Memory, changes: Sequence[Change]) -> None:
        try:
            memory.apply(changes)
        except HomeDamaged:
            raise
        except Exception as error:  # the core's call into a plugin: halve until the change that it cannot take is alone
            if len(changes) == 1:
                text = f"{type(error).__name__}: {error}"
                self._journal.put_aside(self.name, changes[0].seq, changes[0].record_id, text)
                return
            middle = len(changes) // 2
            self._apply(memory, changes[:middle])
            self._apply(memory, changes[middle:])

    def _follow(self, memory: Memory) -> None:
        """In a reader of a shared home: tell the memory what its owner has not applied yet, once."""
        head = self._journal.records.head()
        since = max(memory.applied, self._followed)
        while since < head:
            changes, upto = self._journal.feed.read(since, _BATCH, kinds=memory.kinds, view=self.name, head=head)
            if upto == since:
                return
            if changes:
                memory.apply(changes)
            self._followed = since = upto

    def reopen(self) -> None:
        """Make the memory anew at its next use: this process owns the home now and may write its files."""
        if self.is_hanging:
            return  # it keeps its lock; the next process to own the home takes care of it
        with self._lock:
            self.close()
            self.pid = None

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Drop the memory's folder and build its index again from the journal."""
        with self._lock:
            self._drop()
            self._journal.clear_aside(self.name)
            return self.catch_up(progress)

    def erase(self) -> None:
        """Free physically what a purge removed."""
        with self._lock:
            try:
                self.memory.erase()
            except RebuildRequested:
                self._drop()
            self.catch_up()

    def _drop(self) -> None:
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)

    # ---- reading

    def recall(self, query: Query) -> Recall:
        """The memory's answer, with faults and promises checked; never raises for a plugin's failure."""
        if self.pid is not None:
            return self._abstain(f"process {self.pid} holds this home and '{self.name}' cannot be shared with it")
        started = time.perf_counter()
        try:
            with self._lock:
                memory = self.memory
                if query.as_of is not None and Capability.AS_OF not in memory.capabilities:
                    return self._abstain(f"'{self.name}' holds the present only; it cannot answer for an earlier time")
                if not memory.context.readonly or self.is_in_memory:
                    self.catch_up()
                elif Capability.SHARED_READ in memory.capabilities:
                    self._follow(memory)
                found = memory.recall(query)
            return self._checked(found, query, 1000 * (time.perf_counter() - started))
        except Exception as error:  # the core's call into a plugin: its fault becomes a recall with an error
            ms = 1000 * (time.perf_counter() - started)
            return Recall(memory=self.name, ms=ms, error=f"{type(error).__name__}: {error}")

    def _checked(self, found: Recall, query: Query, ms: float) -> Recall:
        if not isinstance(found, Recall):
            raise PluginError(f"'{self.name}' answered with a {type(found).__name__} instead of a Recall", self.name)
        hits: list[Hit] = []
        for hit in found.hits:
            if not isinstance(hit, Hit):
                raise PluginError(f"'{self.name}' returned a {type(hit).__name__} among its hits", self.name)
            if not query.namespace or in_scope(hit.record.namespace, query.namespace):
                hits.append(Hit(hit.record, float(hit.score), hit.why, hit.path, self.name))
        hits.sort(key=lambda h: (-h.score, h.record.id))
        return Recall(
            hits=tuple(hits[: max(query.k, 0)]),
            signals=found.signals,
            abstain=found.abstain,
            channels=found.channels,
            memory=self.name,
            ms=ms,
            error=found.error,
        )

    def _abstain(self, reason: str) -> Recall:
        return Recall(memory=self.name, abstain=reason)

    def begin(self, query: Query, came: Callable[[Call[Recall]], object]) -> Call[Recall] | Recall:
        """Start a recall on its own thread; an answer at once when an earlier one still hangs."""
        if self.is_hanging:
            return Recall(memory=self.name, error="an earlier call has not come back yet; the memory is left out")
        self._hanging = None
        return Call(lambda: self.recall(query), f"recall-{self.name}", came)

    def note_hanging(self, call: Call[Recall]) -> None:
        self._hanging = call

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None
        self._followed = 0


class Asked:
    """Recalls on their way, to be taken as they come; one that does not come in time is reported so. Thread-safe."""

    def __init__(self, views: Iterable[View], query: Query, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._started = time.monotonic()
        self._come: SimpleQueue[Call[Recall] | Recall] = SimpleQueue()
        self._waiting: dict[Call[Recall], View] = {}
        self._left: list[str] = []  # one for each that may still be taken
        for view in views:
            begun = view.begin(query, self._come.put)
            if isinstance(begun, Recall):
                self._come.put(begun)
            else:
                self._waiting[begun] = view
            self._left.append(view.name)

    def take(self) -> Recall | None:
        """The next answer; None when all have been taken."""
        try:
            self._left.pop()
        except IndexError:
            return None
        while True:
            left_s = self._timeout_s - (time.monotonic() - self._started)
            try:
                come = self._come.get(timeout=max(0.0, left_s))
            except Empty:
                return self._late()
            if isinstance(come, Recall):
                return come
            if self._waiting.pop(come, None) is not None:
                return come.result(None)

    def all(self) -> dict[str, Recall]:
        """What is still to come, by memory."""
        found: dict[str, Recall] = {}
        while (recall := self.take()) is not None:
            found[recall.memory] = recall
        return found

    def _late(self) -> Recall:
        call, view = self._waiting.popitem()
        view.note_hanging(call)
        ms = 1000 * (time.monotonic() - self._started)
        return Recall(memory=view.name, ms=ms, error=f"no answer within {self._timeout_s:g} s; left out")


class Views:
    """All memories of a home."""

    def __init__(self, views: Mapping[str, View], faults: Mapping[str, str]) -> None:
        self._views = dict(views)
        self.faults = dict(faults)  # memories that are switched on but cannot be used, with the reason

    def names(self) -> list[str]:
        return list(self._views)

    def __getitem__(self, name: str) -> View:
        if name in self._views:
            return self._views[name]
        if name in self.faults:
            raise PluginError(self.faults[name], name)
        known = ", ".join(self._views) or "none"
        raise UnknownName(f"no memory named '{name}'; switched on: {known} (settings: memories = [...])")

    def all(self) -> list[View]:
        return list(self._views.values())

    def usable(self, *, parametric: bool = True) -> list[View]:
        """The views whose memories can be made; what cannot is noted among the faults."""
        out = []
        for name, view in list(self._views.items()):
            try:
                memory = view.memory
            except Exception as error:  # a plugin's constructor may do anything
                self.faults[name] = f"memory '{name}' cannot be opened: {type(error).__name__}: {error}"
                del self._views[name]
                continue
            if parametric or Capability.PARAMETRIC not in memory.capabilities:
                out.append(view)
        return out

    def begin(self, query: Query, names: Sequence[str], timeout_s: float) -> Asked:
        """Ask several memories at once; each answers, abstains, or is reported as failed or too slow."""
        return Asked([self[name] for name in dict.fromkeys(names)], query, timeout_s)

    def catch_up(self) -> None:
        for view in self.usable():
            if view.pid is None and not view.is_hanging and not view.memory.context.readonly:
                view.catch_up()

    def note_owner(self, pid: int | None) -> None:
        """The home may have changed hands: what cannot be shared says who holds it now."""
        for view in self._views.values():
            if view.pid is not None and pid is not None:
                view.pid = pid

    def reopen(self) -> None:
        """Let every memory be made anew at its next use, by the process that owns the home from now on."""
        for view in self._views.values():
            view.reopen()

    def close(self) -> None:
        for view in self._views.values():
            view.close()
