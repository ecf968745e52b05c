"""A journal in memory, with the rules that a view can notice: enough to drive one memory through a contract check.

It knows no files, no transactions and no second process; `agentmem.journal` is the real one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from agentmem.errors import NotFound, Refused
from agentmem.records import Change, Draft, Namespace, Record, Status, in_scope
from agentmem.testing.fakes import SettableClock

_DRAFT_ONLY = {"supersedes", "blobs", "exact_undo"}
_STATUS_OF = {"retract": Status.RETRACTED, "archive": Status.ARCHIVED, "restore": Status.ACTIVE}


class HeldBlobs:
    """Byte strings by their sha256, in memory."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def write(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._held[digest] = data
        return digest

    def read(self, digest: str) -> bytes:
        if digest not in self._held:
            raise NotFound(f"no blob has the digest {digest}")
        return self._held[digest]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: the record as it stood afterwards, and before (None: it was not there)."""

    seq: int
    group: int
    op: str
    at: float
    after: Record
    before: Record | None


@dataclass
class Ledger:
    """The log and its fold; reads like the journal does (``RecordReader``). A transaction takes a second."""

    clock: SettableClock
    new_id: Callable[[], str]
    blobs: HeldBlobs = field(default_factory=HeldBlobs)
    log: list[Entry] = field(default_factory=list)
    _by_id: dict[str, list[int]] = field(default_factory=dict)  # record id -> places in the log
    _groups: int = 0

    # ---- writing; each returns the number of its transaction, for undo

    def add(self, drafts: Iterable[Draft], ids: Iterable[str] | None = None) -> tuple[int, list[str]]:
        """Write drafts in one transaction; returns its number and the records' ids."""
        group, given = self._begin(), iter(ids or ())
        made = []
        for draft in drafts:
            now = self.clock.now()
            values = {f.name: getattr(draft, f.name) for f in fields(Draft) if f.name not in _DRAFT_ONLY}
            seq = len(self.log) + 1
            record = Record(
                id=next(given, None) or self.new_id(),
                recorded_at=now,
                updated_at=now,
                created_seq=seq,
                version_id=seq,
                blobs={name: self.blobs.write(data) for name, data in draft.blobs.items()},
                **values,
            )
            self._write(group, "add", record, None)
            made.append(record.id)
            for old in draft.supersedes:
                self._change(group, "supersede", old, status=Status.SUPERSEDED)
        return group, made

    def correct(self, record_id: str, body: str, **changed: Any) -> int:
        group = self._begin()
        version = self._now(record_id).version + 1
        self._change(group, "correct", record_id, body=body, version=version, **changed)
        return group

    def move(self, op: str, record_id: str) -> int:
        """Retract, archive or restore."""
        group = self._begin()
        self._change(group, op, record_id, status=_STATUS_OF[op])
        return group

    def undo(self, group: int) -> int:
        """Put every record of a transaction back to what it was before."""
        first: dict[str, Entry] = {}
        for entry in self.log:
            if entry.group == group:
                first.setdefault(entry.after.id, entry)
        if any(self._now(record_id).status is Status.PURGED for record_id in first):
            raise Refused("a purge cannot be undone")
        undo = self._begin()
        for record_id, entry in first.items():
            back = entry.before if entry.before is not None else replace(entry.after, status=Status.ABSENT)
            self._write(undo, "undo", replace(back, updated_at=self.clock.now()), self._now(record_id))
        return undo

    def purge(self, record_id: str) -> list[str]:
        """Remove a record and all that was ever derived from it, from the whole log; returns their ids."""
        gone, open_ = [], [record_id]
        while open_:
            current = open_.pop()
            gone.append(current)
            open_ += [
                e.after.id for e in self.log if current in e.after.derived_from and e.after.id not in gone + open_
            ]
        group = self._begin()
        for current in gone:
            empty = Record(id=current, kind=self._now(current).kind, body="", status=Status.PURGED)
            for place in self._by_id[current]:
                self.log[place] = replace(self.log[place], after=empty, before=None)
            self._write(group, "purge", empty, None)
        return gone

    # ---- reading

    def get(self, record_id: str, *, as_of: float | None = None) -> Record | None:
        entry = self._last(record_id, as_of)
        return None if entry is None or entry.after.status is Status.PURGED else entry.after

    def get_many(self, record_ids: Sequence[str], *, as_of: float | None = None) -> dict[str, Record]:
        found = ((record_id, self.get(record_id, as_of=as_of)) for record_id in record_ids)
        return {record_id: record for record_id, record in found if record is not None}

    def find(
        self,
        *,
        namespace: Namespace = (),
        kinds: Sequence[str] | None = None,
        statuses: Sequence[Status] = (Status.ACTIVE,),
        thread: str | None = None,
        session: str | None = None,
        subject: str | None = None,
        as_of: float | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Record]:
        left = limit
        ids = reversed(list(self._by_id)) if newest_first else list(self._by_id)
        for record_id in ids:
            record = self.get(record_id, as_of=as_of)
            if record is None or record.status not in statuses or not in_scope(record.namespace, namespace):
                continue
            if kinds is not None and record.kind not in kinds:
                continue
            if (thread is not None and record.thread != thread) or (session is not None and record.session != session):
                continue
            if subject is not None and (record.subject or "").casefold() != subject.casefold():
                continue
            if left is not None:
                if left == 0:
                    return
                left -= 1
            yield record

    def children(self, record_id: str) -> list[Record]:
        return [record for record in self.find() if record_id in record.derived_from]

    def count(self, *, namespace: Namespace = (), kinds: Sequence[str] | None = None) -> int:
        return sum(1 for _ in self.find(namespace=namespace, kinds=kinds))

    def head(self) -> int:
        return len(self.log)

    def changes(self, after: int, *, name: str, kinds: frozenset[str], every_version: bool) -> list[Change]:
        """What a view that stands at ``after`` has to apply; one change a record unless ``every_version``."""
        newest: dict[str, int] = {entry.after.id: entry.seq for entry in self.log[after:]}
        found = []
        for entry in self.log[after:]:
            record = entry.after
            if record.kind not in kinds or (record.memories is not None and name not in record.memories):
                continue
            if not every_version and newest[record.id] != entry.seq:
                continue
            held = record if record.is_live else None
            found.append(Change(entry.seq, record.id, held, record.body if held else "", entry.at, entry.op))
        return found

    # ---- inside

    def _begin(self) -> int:
        self._groups += 1
        self.clock.advance(seconds=1)
        return self._groups

    def _last(self, record_id: str, as_of: float | None) -> Entry | None:
        for place in reversed(self._by_id.get(record_id, ())):
            if as_of is None or self.log[place].at <= as_of:
                return self.log[place]
        return None

    def _now(self, record_id: str) -> Record:
        entry = self._last(record_id, None)
        if entry is None:
            raise NotFound(f"no record has the id {record_id!r}")
        return entry.after

    def _change(self, group: int, op: str, record_id: str, **changed: Any) -> None:
        before = self._now(record_id)
        seq = len(self.log) + 1
        row = seq if "body" in changed else before.version_id
        self._write(group, op, replace(before, updated_at=self.clock.now(), version_id=row, **changed), before)

    def _write(self, group: int, op: str, after: Record, before: Record | None) -> None:
        entry = Entry(len(self.log) + 1, group, op, self.clock.now(), after, before)
        self._by_id.setdefault(after.id, []).append(len(self.log))
        self.log.append(entry)
