"""One memory on a bench of its own: write, correct, take back, crash, reopen, rebuild and ask, a line each.

The rig plays the core's part around a journal in memory. It knows how views are driven and nothing of what is to be
checked; the suite does that.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentmem.contract import Capability, Context, LocalModel, Memory, MemoryConfig, RebuildRequested
from agentmem.records import Change, Draft, Event, Hit, Proposal, Query, Recall, Record, Update
from agentmem.testing.fakes import FakeVectors, HashEmbedder, ScriptedChat, SeededIds, SettableClock
from agentmem.testing.ledger import Ledger
from agentmem.testing.witness import Broken, Witness, watched


@dataclass(frozen=True)
class Bench:
    """What every rig of one test shares: the memory under test and what it is given."""

    memory_class: type[Memory]
    config: MemoryConfig | None = None
    chat: ScriptedChat | None = None
    local_model: LocalModel | None = None
    embedder: HashEmbedder = field(default_factory=HashEmbedder)
    kind: str = "fact"
    draft: Callable[..., Draft] | None = None  # makes a draft from a text, for kinds that need more than a body
    witness: Witness = field(default_factory=Witness)


class Rig:
    """A memory, the ledger it is a view of, a clock that moves a second with every transaction, and its folder."""

    def __init__(self, root: Path, bench: Bench, *, ledger: Ledger | None = None, readonly: bool = False) -> None:
        self.root = root
        self.bench = bench
        self.readonly = readonly
        self.ledger = ledger if ledger is not None else Ledger(SettableClock(), SeededIds(root.name))
        self.clock = self.ledger.clock
        self.chat = bench.chat if bench.chat is not None else ScriptedChat()
        self.data_dir = root / "views" / bench.memory_class.name
        self.witness = bench.witness
        self.memory = self._open()

    # ---- writing; texts become drafts of the bench's kind

    def draft(self, text: str, **fields: Any) -> Draft:
        """A draft that this memory indexes."""
        if self.bench.draft is not None:
            return self.bench.draft(text, **fields)
        return Draft(**{"body": text, "kind": self.bench.kind, **fields})

    def remember(self, text: str, **fields: Any) -> str:
        """Write one text, let the memory observe it, bring the memory up to date; returns the record's id."""
        return self.remember_all([self.draft(text, **fields)])[0]

    def remember_all(self, drafts: Iterable[Draft]) -> list[str]:
        _, ids = self.ledger.add(drafts)
        self.observe([record for record in map(self.ledger.get, ids) if record is not None])
        self.catch_up()
        return ids

    def append(self, *drafts: Draft) -> list[str]:
        """Write without telling the memory: what a crash between append and apply leaves."""
        return self.ledger.add(drafts)[1]

    def observe(self, records: Sequence[Record]) -> list[Proposal]:
        """Hand the memory an event and write down what it proposes."""
        kinds = {"turn", "fact", "chunk"}
        event = Event(
            kind=records[0].kind if records and records[0].kind in kinds else "fact",
            records=tuple(records),
            namespace=records[0].namespace if records else (),
        )
        proposals = list(self.witness.run("observe", lambda: self.memory.observe(event)))
        self.accept(proposals)
        return proposals

    def maintain(self, phase: str) -> list[Proposal]:
        """What the memory proposes at the end of a turn or session, or when idle."""
        return self.witness.run(f"maintain({phase!r})", lambda: list(self.memory.maintain(phase)))

    def accept(self, proposals: Iterable[Proposal]) -> None:
        """Write what a memory proposed."""
        for proposal in proposals:
            if isinstance(proposal, Draft):
                self.ledger.add([proposal])
            elif not isinstance(proposal, Update):
                raise Broken(f"proposes a {type(proposal).__name__}; only Draft and Update can be proposed")
            elif proposal.op == "correct" or proposal.body is not None:
                record = self.ledger.get(proposal.record_id)
                self.ledger.correct(proposal.record_id, proposal.body or (record.body if record else ""))
            elif proposal.op != "link":
                self.ledger.move(proposal.op, proposal.record_id)

    def correct(self, record_id: str, text: str) -> int:
        made = self.draft(text)
        changed = {name: getattr(made, name) for name in ("subject", "relation", "object")}
        return self._then_catch_up(self.ledger.correct(record_id, made.body, attributes=made.attributes, **changed))

    def retract(self, record_id: str) -> int:
        return self._then_catch_up(self.ledger.move("retract", record_id))

    def archive(self, record_id: str) -> int:
        return self._then_catch_up(self.ledger.move("archive", record_id))

    def restore(self, record_id: str) -> int:
        return self._then_catch_up(self.ledger.move("restore", record_id))

    def undo(self, transaction: int) -> int:
        return self._then_catch_up(self.ledger.undo(transaction))

    def purge(self, record_id: str) -> list[str]:
        """Purge as the core does: redact, apply, erase (by rebuilding when the memory asks for it)."""
        gone = self.ledger.purge(record_id)
        self.catch_up()
        try:
            self.witness.run("erase", self.memory.erase)
        except RebuildRequested:
            self.rebuild()
        return gone

    # ---- the view

    def changes(self, after: int = 0) -> list[Change]:
        """What this memory has to apply after ``after``."""
        return self.ledger.changes(
            after,
            name=self.memory.name,
            kinds=self.memory.kinds,
            every_version=Capability.AS_OF in self.memory.capabilities,
        )

    def catch_up(self, batch: int = 1000) -> None:
        """Apply what is missing, in batches, and move the memory's cursor."""
        pending = self.changes(self.memory.applied)
        for some in _batched(pending, batch):
            self.apply(some)
            self._move_cursor(some[-1].seq)
        self._move_cursor(self.ledger.head())

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply without moving the cursor."""
        self.witness.run("apply", lambda: self.memory.apply(changes))

    def close(self) -> None:
        self.witness.run("close", self.memory.close)

    def reopen(self) -> None:
        """Close, open again, catch up: a new process on the same home."""
        self.close()
        self.memory = self._open()
        self.catch_up()

    def crash(self, root: Path) -> Rig:
        """The home as ``kill -9`` would leave it now, copied to ``root`` and opened there."""
        if self.data_dir.exists():
            shutil.copytree(self.data_dir, root / "views" / self.memory.name, dirs_exist_ok=True)
        return Rig(root, self.bench, ledger=self.ledger)

    def rebuild(self) -> None:
        """Drop the memory's folder and build it again from the ledger."""
        self.close()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.memory = self._open()
        self.catch_up()

    def reader(self) -> Rig:
        """A second, read-only opening of the same folder."""
        return Rig(self.root, self.bench, ledger=self.ledger, readonly=True)

    # ---- asking

    def recall(self, text: str, k: int = 10, **fields: Any) -> Recall:
        query = Query(text=text, k=k, **fields)
        if self.memory.applied < self.ledger.head() and not self.readonly:
            self.catch_up()
        return self.witness.run("recall", lambda: self.memory.recall(query))

    def hits(self, text: str, k: int = 50, **fields: Any) -> list[Hit]:
        return list(self.recall(text, k, **fields).hits)

    def ids(self, text: str, k: int = 50, **fields: Any) -> list[str]:
        return [hit.record.id for hit in self.hits(text, k, **fields)]

    # ---- inside

    def _open(self) -> Memory:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        context = Context(
            records=self.ledger,
            blobs=self.ledger.blobs,
            clock=self.clock,
            rng=random.Random(0),
            new_id=SeededIds("memory"),
            data_dir=self.data_dir,
            embedder=self.bench.embedder,
            vectors=FakeVectors(self.bench.embedder),
            chat=self.chat,
            local_model=self.bench.local_model,
            readonly=self.readonly,
        )
        build = watched(self.bench.memory_class, self.witness)
        return self.witness.run("construction", lambda: build(context, self.bench.config))

    def _move_cursor(self, seq: int) -> None:
        def move() -> None:
            self.memory.applied = seq

        self.witness.run("the cursor", move)

    def _then_catch_up(self, transaction: int) -> int:
        self.catch_up()
        return transaction


def _batched(changes: Sequence[Change], size: int) -> Iterable[list[Change]]:
    rest = iter(changes)
    while some := list(itertools.islice(rest, size)):
        yield some
