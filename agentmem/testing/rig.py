"""One memory in a home of its own: write, correct, take back, crash, reopen, rebuild and ask, a line each.

Journal, vectors and purge are the real ones; the verbs are called as views call them, but on their own thread, with
a deadline, and with nothing swallowed. The rig knows how a memory is driven and nothing of what is to be checked.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentmem.contract import Embedder, LocalModel, Memory, MemoryConfig
from agentmem.embed.hashed import HashedEmbedder
from agentmem.home import Home
from agentmem.records import Change, Draft, Event, Hit, Proposal, Query, Recall, Receipt, Record, Update
from agentmem.settings import Settings
from agentmem.testing.fakes import ScriptedChat, SettableClock
from agentmem.testing.witness import Broken, Witness, watched

_BATCH = 1000
_EVENTS = ("turn", "fact", "chunk")


def plain_draft(text: str, **fields: Any) -> Draft:
    """A fact with nothing but a body, unless ``fields`` say otherwise."""
    return Draft(body=text, **fields)


@dataclass(frozen=True)
class Bench:
    """What every rig of one test shares: the memory under test and what it is given."""

    memory_class: type[Memory]
    config: MemoryConfig | None = None
    chat: ScriptedChat = field(default_factory=ScriptedChat)
    local_model: LocalModel | None = None
    embedder: Embedder = field(default_factory=HashedEmbedder)
    draft: Callable[..., Draft] = plain_draft
    witness: Witness = field(default_factory=Witness)


class Rig:
    """A memory in a home in ``root``, with a clock that moves a second with every transaction."""

    def __init__(self, root: Path, bench: Bench, *, clock: SettableClock | None = None, readonly: bool = False) -> None:
        self.root = root
        self.bench = bench
        self.readonly = readonly
        self.clock = clock or SettableClock()
        self.name = bench.memory_class.name
        self.data_dir = root / "memories" / self.name
        self.witness = bench.witness
        self.chat = bench.chat
        self.home = self._open()
        self.is_open = True

    @property
    def memory(self) -> Memory:
        return self.witness.run("construction", lambda: self.home.views[self.name].memory, timed=False)

    # ---- writing

    def draft(self, text: str, **fields: Any) -> Draft:
        """A draft that this memory indexes."""
        return self.bench.draft(text, **fields)

    def remember(self, text: str, **fields: Any) -> str:
        """Write one text, let the memory observe it, bring the memory up to date; returns the record's id."""
        return self.remember_all([self.draft(text, **fields)])[0]

    def remember_all(self, drafts: Sequence[Draft]) -> list[str]:
        ids = self.append(*drafts)
        self.observe(self.records(ids))
        self.catch_up()
        return ids

    def append(self, *drafts: Draft) -> list[str]:
        """Write without telling the memory: what a crash between append and apply leaves."""
        self.clock.advance(seconds=1)
        return list(self.home.write(drafts).record_ids[: len(drafts)])

    def observe(self, records: Sequence[Record]) -> list[Proposal]:
        """Hand the memory an event and write down what it proposes."""
        kind = records[0].kind if records and records[0].kind in _EVENTS else "fact"
        event = Event(kind=kind, records=tuple(records), namespace=records[0].namespace if records else ())
        proposals = list(self.witness.run("observe", lambda: self.memory.observe(event)))
        self.accept(proposals)
        return proposals

    def maintain(self, phase: str) -> list[Proposal]:
        """What the memory proposes at the end of a turn or session, or when idle."""
        return self.witness.run(f"maintain({phase!r})", lambda: list(self.memory.maintain(phase)))

    def accept(self, proposals: Sequence[Proposal]) -> None:
        """Write what the memory proposed, as the core does."""
        for proposal in proposals:
            if not isinstance(proposal, (Draft, Update)):
                raise Broken(f"proposes a {type(proposal).__name__}; only Draft and Update can be proposed")
        if proposals:
            self.clock.advance(seconds=1)
            self.witness.run("admit", lambda: self.home.propose(self.name, proposals))

    def correct(self, record_id: str, text: str) -> str:
        """Give a record another text; returns the receipt's id, for `undo` (as the other deletes do)."""
        made = self.draft(text)
        fields = {name: getattr(made, name) for name in ("subject", "relation", "object")}
        return self._then_catch_up(lambda: self.home.journal.correct(record_id, made.body, **fields))

    def retract(self, record_id: str) -> str:
        return self._then_catch_up(lambda: self.home.journal.set_status(record_id, "retract"))

    def archive(self, record_id: str) -> str:
        return self._then_catch_up(lambda: self.home.journal.set_status(record_id, "archive"))

    def restore(self, record_id: str) -> str:
        return self._then_catch_up(lambda: self.home.journal.set_status(record_id, "restore"))

    def undo(self, receipt_id: str) -> str:
        return self._then_catch_up(lambda: self.home.journal.undo(receipt_id))

    def purge(self, record_id: str) -> Receipt:
        """Purge as the core does: redact, apply, erase, rebuild when the memory asks for it, search what is left."""
        self.clock.advance(seconds=1)
        return self.witness.run("purge", lambda: self.home.purge([record_id]))

    # ---- the view

    def changes(self, after: int = 0) -> list[Change]:
        """What the memory has to apply after ``after``."""
        return self.home.journal.feed.read(after, 1_000_000, kinds=self.memory.kinds, view=self.name)[0]

    def catch_up(self, batch: int = _BATCH) -> None:
        """Apply what is missing, in batches, and move the memory's cursor."""
        since, head = self.memory.applied, self.home.journal.records.head()
        while since < head:
            some, upto = self.home.journal.feed.read(since, batch, kinds=self.memory.kinds, view=self.name)
            if upto == since:
                break
            if some:
                self.apply(some)
            self.witness.run("the cursor", lambda upto=upto: setattr(self.memory, "applied", upto), timed=False)  # type: ignore[misc]
            since = upto

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply without moving the cursor."""
        self.witness.run("apply", lambda: self.memory.apply(changes))

    def rebuild(self) -> None:
        """Drop the memory's folder and build it again from the journal."""
        self.witness.run("rebuild", self.home.views[self.name].rebuild)

    def reopen(self) -> None:
        """Close, open again, catch up: a new process on the same home."""
        self.close()
        self.home, self.is_open = self._open(), True
        self.catch_up()

    def close(self) -> None:
        """Close the home, once; a change that the memory set aside on the way is a fault."""
        if not self.is_open:
            return
        self.is_open = False
        aside = [] if self.witness.hung else self.home.journal.put_aside_rows(self.name)
        if self.witness.hung:
            self.witness.take_off_guards()
            self.home.abandon()
        else:
            self.witness.run("close", self.home.close)
        if aside:
            raise Broken(f"cannot apply a valid change: {aside[0].error}")

    def crash(self, root: Path) -> Rig:
        """The home as ``kill -9`` would leave it now, copied to ``root`` and opened there; not caught up yet."""
        return self.copy(root, with_index=True)

    def copy(self, root: Path, *, with_index: bool = False, bench: Bench | None = None) -> Rig:
        """The same journal in another home, whose memory has applied nothing unless ``with_index``.

        ``bench`` puts another memory, or one with other settings, on it.
        """
        left = ("owner.lock",) if with_index else ("owner.lock", "memories")
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns(*left))
        return Rig(root, bench or self.bench, clock=self.clock)

    def reader(self) -> Rig:
        """The same home opened read-only; close this one first."""
        return Rig(self.root, self.bench, clock=self.clock, readonly=True)

    # ---- asking

    def recall(self, text: str, k: int = 10, **fields: Any) -> Recall:
        query = Query(text=text, k=k, **fields)
        if not self.readonly:
            self.catch_up()
        return self.witness.run("recall", lambda: self.memory.recall(query))

    def hits(self, text: str, k: int = 50, **fields: Any) -> list[Hit]:
        return list(self.recall(text, k, **fields).hits)

    def ids(self, text: str, k: int = 50, **fields: Any) -> list[str]:
        return [hit.record.id for hit in self.hits(text, k, **fields)]

    def record(self, record_id: str) -> Record | None:
        """The record as it stands in the journal, whatever its status."""
        return self.home.journal.records.get(record_id)

    def records(self, record_ids: Iterable[str]) -> list[Record]:
        return list(self.home.journal.records.get_many(list(record_ids)).values())

    # ---- inside

    def _open(self) -> Home:
        return Home.open(
            self.root,
            Settings(memories=(self.name,), synchronous="NORMAL"),
            memories={self.name: watched(self.bench.memory_class, self.witness, self.bench.config)},
            clock=self.clock,
            seed=zlib.crc32(f"{self.root.name} {self.clock.now()}".encode()),
            embedder=self.bench.embedder,
            chat=self.bench.chat,
            local_model=self.bench.local_model,
            readonly=self.readonly,
        )

    def _then_catch_up(self, write: Callable[[], Receipt]) -> str:
        self.clock.advance(seconds=1)
        receipt = write()
        self.catch_up()
        return receipt.id
