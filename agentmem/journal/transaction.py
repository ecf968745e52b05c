"""One write transaction of the journal: it numbers changes, keeps the fold of the log, and ends as a receipt.

Every verb that writes is a sequence of `Transaction` calls; nothing else inserts into the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from agentmem.errors import BadInput, NotFound, Refused
from agentmem.journal.blobs import BlobStore
from agentmem.journal.codec import clean, clean_json, data_of_draft, digest_of, dumps, without_defaults
from agentmem.journal.prepared import Prepared, PreparedInsert
from agentmem.journal.schema import blob_refs, changes, derivations, records, transactions, versions
from agentmem.records import Draft, Receipt, Status, Update, Verdict, path_of

PERSON = "user"
"""The actor of what a person does by hand; others are "agent", "document", "router" and "memory:<name>"."""

_INSERT = {table: PreparedInsert(table) for table in (versions, changes, records, derivations, transactions)}
_ROWS = Prepared(sa.select(records).where(records.c.id.in_(sa.bindparam("ids", expanding=True))))
_DATA = Prepared(sa.select(versions.c.data).where(versions.c.id == sa.bindparam("version")))
_OPS = {
    "retract": Status.RETRACTED,
    "archive": Status.ARCHIVED,
    "restore": Status.ACTIVE,
    "supersede": Status.SUPERSEDED,
    "approve": Status.ACTIVE,
    "refuse": Status.ABSENT,
}


_T = TypeVar("_T")


def in_parts(items: Sequence[_T], size: int = 400) -> Iterator[Sequence[_T]]:
    """The items in pieces that fit into one statement's bound values."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


@dataclass(frozen=True, slots=True)
class State:
    """Where a record stands inside the transaction: which version, which status."""

    version_id: int | None
    status: str


@dataclass
class Transaction:
    """Collects changes; `Journal.transaction` opens, numbers and commits it."""

    connection: sa.Connection
    blobs: BlobStore
    secret: bytes
    new_id: Callable[[], str]
    verb: str
    actor: str
    reason: str
    at: float
    seq: int  # the last number given out
    version_id: int  # likewise
    cause: str | None = None
    id: str = ""
    first_seq: int = 0
    record_ids: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    pending_ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = self.id or self.new_id()
        self.first_seq = self.seq + 1

    # ---- reading inside the transaction

    def row(self, record_id: str) -> Any:
        return _ROWS.first(self.connection, ids=[record_id])

    def rows(self, record_ids: Sequence[str]) -> dict[str, Any]:
        """The rows of many records by id."""
        parts = (_ROWS.rows(self.connection, ids=list(part)) for part in in_parts(record_ids))
        return {row.id: row for rows in parts for row in rows}

    def require(self, record_id: str) -> Any:
        """The row of a record that exists; NotFound or Refused with what can be done instead."""
        row = self.row(record_id)
        if row is None or row.status == Status.ABSENT.value:
            raise NotFound(f"no record '{record_id}'; 'agentmem records' lists them")
        if row.status == Status.PURGED.value:
            raise Refused(f"record '{record_id}' was purged; nothing of it is left to change")
        return row

    def data(self, version_id: int) -> dict[str, Any]:
        row = _DATA.first(self.connection, version=version_id)
        assert row is not None, f"no version {version_id}: versions are redacted, never deleted"
        if row.data is None:
            raise Refused(f"version {version_id} was purged; it cannot be brought back")
        loaded: dict[str, Any] = json.loads(row.data)
        return loaded

    # ---- creating

    def add(self, draft: Draft, *, status: Status = Status.ACTIVE, record_id: str | None = None) -> str:
        """Write one new record; returns its id. What it supersedes loses its place in the same transaction."""
        return self.add_many([draft], status=status, record_ids=[record_id] if record_id else None)[0]

    def add_many(
        self,
        drafts: Sequence[Draft],
        *,
        status: Status = Status.ACTIVE,
        record_ids: Sequence[str] | None = None,
        op: str = "add",
    ) -> list[str]:
        """Write many new records with a handful of statements."""
        ids = list(record_ids) if record_ids is not None else [self.new_id() for _ in drafts]
        inserts: dict[sa.Table, list[dict[str, Any]]] = {versions: [], changes: [], records: [], derivations: []}
        references: list[dict[str, Any]] = []
        for record_id, draft in zip(ids, drafts, strict=True):
            blobs = {name: self.blobs.write(data) for name, data in draft.blobs.items()}
            data = data_of_draft(draft, blobs)
            if draft.supersedes:
                links = [["supersedes", old] for old in draft.supersedes]
                data["links"] = data.get("links", []) + [link for link in links if link not in data.get("links", [])]
            version = self._next_version()
            seq = self._next_seq()
            inserts[versions].append({"id": version, "record_id": record_id, "data": dumps(data)})
            inserts[changes].append(
                self._change(seq, op, record_id, None, State(version, status.value), exact_undo=draft.exact_undo)
            )
            inserts[records].append(
                {
                    "id": record_id,
                    "version_id": version,
                    "status": status.value,
                    **self._columns(data),
                    "created_seq": seq,
                    "created_at": self.at,
                    "last_seq": seq,
                    "last_at": self.at,
                }
            )
            inserts[derivations] += [{"child": record_id, "parent": p} for p in data.get("derived_from", ())]
            references += [{"version_id": version, "name": n, "digest": d} for n, d in blobs.items()]
            self.record_ids[record_id] = None
            if status is Status.PENDING:
                self.pending_ids.append(record_id)
        for table, rows in inserts.items():
            if rows:
                _INSERT[table].run(self.connection, rows)
        if references:
            self.connection.execute(blob_refs.insert(), references)
        if status is Status.ACTIVE:
            for record_id, draft in zip(ids, drafts, strict=True):
                self._supersede(record_id, draft.supersedes, draft.valid_from)
        return ids

    def _supersede(self, newer: str, older: Iterable[str], since: float | None) -> None:
        for old in older:
            row = self.require(old)
            if row.status != Status.ACTIVE.value:
                continue  # it has lost its place already
            data = self.data(row.version_id)
            data["valid_to"] = since if since is not None else self.at
            self._write("supersede", row, data, Status.SUPERSEDED.value, cause=newer)

    # ---- changing

    def correct(
        self,
        record_id: str,
        *,
        body: str | None = None,
        fields: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        links: Iterable[tuple[str, str]] = (),
        blobs: Mapping[str, bytes] | None = None,
        op: str = "correct",
        reason: str | None = None,
    ) -> bool:
        """Give a record a new body, fields, attributes (merged) or links (added); False when nothing would change."""
        row = self.require(record_id)
        data = self.data(row.version_id)
        before = dumps(data)
        if body is not None:
            data["body"] = clean(body)
        for key, value in (fields or {}).items():
            if key not in ("subject", "relation", "object", "speaker", "valid_from", "valid_to", "memories", "sources"):
                raise BadInput(f"'{key}' of a record cannot be corrected; write a new record instead")
            data[key] = clean_json(value, key)
        if attributes:
            merged = {**data.get("attributes", {}), **clean_json(attributes, "attributes")}
            data["attributes"] = {k: v for k, v in merged.items() if v is not None}
        data["links"] = data.get("links", []) + [list(x) for x in links if list(x) not in data.get("links", [])]
        if blobs is not None:
            data["blobs"] = {name: self.blobs.write(content) for name, content in blobs.items()}
        data = without_defaults(data)
        if dumps(data) == before:
            return False
        data["version"] = data.get("version", 1) + 1
        self._write(op, row, data, row.status, reason=reason)
        return True

    def set_status(self, record_id: str, op: str, *, cause: str | None = None, reason: str | None = None) -> bool:
        """Retract, archive, restore, supersede, approve or refuse; False when it stands there already."""
        row = self.require(record_id)
        status = _OPS[op].value
        if row.status == status:
            return False
        self._write(op, row, None, status, cause=cause, reason=reason)
        if op == "approve":
            data = self.data(row.version_id)
            older = [target for relation, target in data.get("links", ()) if relation == "supersedes"]
            self._supersede(record_id, older, data.get("valid_from"))
        return True

    def update(self, update: Update) -> bool:
        """Carry out what a memory proposes for an existing record."""
        if update.op in ("correct", "link"):
            return self.correct(
                update.record_id,
                body=update.body,
                attributes=update.attributes,
                links=[(link.relation, link.target) for link in update.links],
                op=update.op,
                reason=update.reason,
            )
        if update.op not in ("retract", "archive", "restore"):
            raise BadInput(f"a memory proposed '{update.op}'; known are correct, link, retract, archive, restore")
        return self.set_status(update.record_id, update.op, reason=update.reason)

    def move_many(self, moves: Sequence[tuple[Any, State, str | None]], *, op: str) -> None:
        """Bring records to an earlier state, version number and all: (row, state, the record that caused it)."""
        if not moves:
            return
        changed = [state.version_id for row, state, _ in moves if state.version_id not in (None, row.version_id)]
        bodies: dict[int, dict[str, Any]] = {}
        for part in in_parts([v for v in changed if v is not None]):
            found = self.connection.execute(sa.select(versions.c.id, versions.c.data).where(versions.c.id.in_(part)))
            bodies |= {row.id: json.loads(row.data) for row in found if row.data is not None}
        log: list[dict[str, Any]] = []
        kept: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        for row, state, cause in moves:
            seq = self._next_seq()
            log.append(self._change(seq, op, row.id, State(row.version_id, row.status), state, cause=cause))
            other = state.version_id in bodies
            values = {"key": row.id, "version_id": state.version_id, "status": state.status, "last_seq": seq}
            kept[other].append({**values, **(self._columns(bodies[state.version_id or 0]) if other else {})})
            self.record_ids[row.id] = None
        _INSERT[changes].run(self.connection, log)
        for rows in kept.values():
            if rows:
                columns: dict[str, Any] = {name: sa.bindparam(name) for name in rows[0] if name != "key"}
                statement = records.update().where(records.c.id == sa.bindparam("key"))
                self.connection.execute(statement.values(**columns, last_at=self.at), rows)

    def purge_row(self, record_id: str) -> None:
        """Leave of a record nothing but the fact that it was purged; its versions are emptied by the caller."""
        row = self.row(record_id)
        assert row is not None, f"purge of a record that never was: {record_id}"
        self._log("purge", row, State(None, Status.PURGED.value), cause=None, reason="")
        gone = {"version_id": None, "status": Status.PURGED.value, "thread": "", "session": "", "subject": ""}
        self._store(record_id, {**gone, "digest": None})

    # ---- the log

    def _write(
        self,
        op: str,
        row: Any,
        data: dict[str, Any] | None,
        status: str,
        *,
        cause: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Log one change of an existing record; ``data`` None keeps the version."""
        version = row.version_id
        values: dict[str, Any] = {"status": status}
        if data is not None:
            version = self._next_version()
            _INSERT[versions].run(self.connection, [{"id": version, "record_id": row.id, "data": dumps(data)}])
            if data.get("blobs"):
                rows = [{"version_id": version, "name": n, "digest": d} for n, d in data["blobs"].items()]
                self.connection.execute(blob_refs.insert(), rows)
            values |= {"version_id": version, **self._columns(data)}
        self._log(op, row, State(version, status), cause=cause, reason=reason)
        self._store(row.id, values)

    def _log(
        self,
        op: str,
        row: Any,
        after: State,
        *,
        cause: str | None,
        reason: str | None,
    ) -> None:
        before = State(row.version_id, row.status)
        change = self._change(self._next_seq(), op, row.id, before, after, cause=cause, reason=reason)
        _INSERT[changes].run(self.connection, [change])

    def _store(self, record_id: str, values: Mapping[str, Any]) -> None:
        statement = records.update().where(records.c.id == record_id)
        self.connection.execute(statement.values(**values, last_seq=self.seq, last_at=self.at))
        self.record_ids[record_id] = None

    def _change(
        self,
        seq: int,
        op: str,
        record_id: str,
        before: State | None,
        after: State,
        *,
        cause: str | None = None,
        reason: str | None = None,
        exact_undo: bool = True,
    ) -> dict[str, Any]:
        return {
            "seq": seq,
            "tx": self.id,
            "op": op,
            "record_id": record_id,
            "before_version": None if before is None else before.version_id,
            "before_status": None if before is None else before.status,
            "after_version": after.version_id,
            "after_status": after.status,
            "at": self.at,
            "reason": clean(self.reason if reason is None else reason),
            "cause": cause,
            "exact_undo": exact_undo,
            "redacted": False,
        }

    def _columns(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What the records table repeats of a version so that it can be searched."""
        return {
            "kind": data["kind"],
            "namespace": path_of(data.get("namespace", ())),
            "thread": data.get("thread") or "",
            "session": data.get("session") or "",
            "subject": (data.get("subject") or "").casefold(),
            "digest": digest_of(self.secret, data["kind"], data.get("body", "")),
        }

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def _next_version(self) -> int:
        self.version_id += 1
        return self.version_id

    def finish(self) -> Receipt:
        """Write the transaction's own row and hand out its receipt; a transaction without a change leaves no row."""
        if self.seq >= self.first_seq:
            row = {
                "id": self.id,
                "first_seq": self.first_seq,
                "last_seq": self.seq,
                "verb": self.verb,
                "actor": self.actor,
                "reason": clean(self.reason),
                "at": self.at,
                "cause": self.cause,
            }
            _INSERT[transactions].run(self.connection, [row])
        return self.receipt()

    def receipt(self) -> Receipt:
        return Receipt(
            id=self.id,
            verb=self.verb,
            at=self.at,
            record_ids=tuple(self.record_ids),
            seqs=tuple(range(self.first_seq, self.seq + 1)),
            change_ids=tuple(self.pending_ids),
            notes=tuple(self.notes),
            verdicts=dict(self.verdicts),
        )
