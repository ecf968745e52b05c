"""A LangGraph store whose items are records of a journal: seen, corrected and taken back like everything else.

Every batch reads first and then writes what it puts in one transaction, so that one undo takes it back. How items are
laid out is in `items`, what filters mean in `matching`. Knows no graph.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from agentmem import Agent
from agentmem.errors import BadInput, NotFound, Refused
from agentmem.journal.transaction import State, Transaction
from agentmem.journal.undo import drop_derived
from agentmem.records import Draft, Event, HistoryEntry, Namespace, Receipt, Record, Status, Trust
from agentmem_langgraph.items import KIND, as_item, as_search_item, draft_of, is_item, item_id, ttl_of, value_of
from agentmem_langgraph.matching import admits, check, listed
from agentmem_langgraph.sweeper import Sweeper

ACTOR = "agent"
_DEPTH = 100  # hits that a question asks for at least, so that the pages of one search fit together
_DEEPEST = 10_000
_MINUTE_S = 60.0
_MANY = 200  # puts of one batch that are indexed at once

Place = tuple[Namespace, str]


class JournalStore(BaseStore):
    """LangGraph's long-term memory over an agent's journal; thread-safe, and several processes may share a home.

    ``namespace`` is where its items lie (default: the agent's own). ``fields`` are the paths whose text is searched
    (default: all of a value). ``memory`` names who answers a search with a query (default: routed). ``ttl`` is
    LangGraph's configuration of expiry, in minutes.
    """

    supports_ttl = True
    __slots__ = ("_agent", "_fields", "_memory", "_root", "_sweeper", "_trust", "ttl_config")

    def __init__(
        self,
        agent: Agent,
        *,
        namespace: Sequence[str] | None = None,
        fields: Sequence[str] | None = None,
        memory: str | Sequence[str] | None = None,
        ttl: TTLConfig | None = None,
        trust: Trust = Trust.AGENT,
    ) -> None:
        self._agent = agent
        self._root: Namespace = agent.namespace if namespace is None else tuple(namespace)
        self._fields = None if fields is None else tuple(fields)
        self._memory = memory
        self._trust = trust
        self.ttl_config = ttl
        self._sweeper = Sweeper(self.sweep_ttl)

    # ---- LangGraph's interface

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Answer what is asked from the state before the batch, then write what is put: the last put of a key wins."""
        asked = list(ops)
        for op in asked:
            if not isinstance(op, GetOp | SearchOp | ListNamespacesOp | PutOp):
                raise BadInput(f"Unknown operation type: {type(op)}; a store knows get, search, list and put")
            validate_op_namespace(op)
        found = self._get([op for op in asked if isinstance(op, GetOp)])
        results: list[Result] = []
        puts: dict[Place, PutOp] = {}
        for op in asked:
            if isinstance(op, GetOp):
                record = found.get((tuple(op.namespace), op.key))
                results.append(None if record is None else as_item(record, self._root))
            elif isinstance(op, SearchOp):
                results.append(self._search(op))
            elif isinstance(op, ListNamespacesOp):
                results.append(listed(self._namespaces(), op))
            else:
                puts[tuple(op.namespace), op.key] = op
                results.append(None)
        if puts:
            self._put(puts)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`, on a thread of its own."""
        return await asyncio.to_thread(self.batch, list(ops))

    # ---- what a journal adds

    def record_id(self, namespace: Sequence[str], key: str) -> str:
        """The record of an item, for `agent.history`, `agent.correct`, `agent.purge`. Raises NotFound."""
        known = self._generations((tuple(namespace), str(key)))
        if not known:
            raise NotFound(f"no item '{key}' was ever put into {tuple(namespace)}")
        return known[-1]

    def history(self, namespace: Sequence[str], key: str) -> list[HistoryEntry]:
        """Every change of an item, oldest first, with the receipts that `agent.undo` takes."""
        return self._agent.home.journal.records.history(self.record_id(namespace, key))

    def undo(self, namespace: Sequence[str], key: str) -> Receipt:
        """Take back the last change of an item, with all that was put in the same batch."""
        return self._agent.undo(self.history(namespace, key)[-1].receipt_id)

    # ---- expiry

    def sweep_ttl(self) -> int:
        """Archive what has expired, in one transaction that can be undone; returns how many items that were."""
        expired = [record.id for record in self._expired(list(self._items(())))]
        if expired:
            with self._transaction("expire", "its time to live is over") as tx:
                for record_id in expired:
                    tx.set_status(record_id, "archive")
                drop_derived(tx, expired, "retract")
        return len(expired)

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> None:
        """Sweep every so many minutes (default: the configuration's, else 5) until stopped."""
        configured = (self.ttl_config or {}).get("sweep_interval_minutes")
        self._sweeper.start(_MINUTE_S * float(sweep_interval_minutes or configured or 5))

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; True when nothing sweeps any more after ``timeout`` seconds."""
        return self._sweeper.stop(timeout)

    def _expired(self, records: Sequence[Record]) -> list[Record]:
        timed = [(record, ttl) for record in records if (ttl := ttl_of(record)) is not None]
        used = self._agent.home.journal.records.touches([record.id for record, _ in timed])
        now = self._agent.home.clock.now()
        return [
            record
            for record, ttl in timed
            if max(record.updated_at, used.get(record.id, (0, 0.0))[1]) + _MINUTE_S * ttl < now
        ]

    def _unexpired(self, records: list[Record]) -> list[Record]:
        """The records without what is to be left out already, although nobody has swept yet."""
        if not (self.ttl_config or {}).get("omit_expired", False):
            return records
        gone = {record.id for record in self._expired(records)}
        return [record for record in records if record.id not in gone]

    def _refresh(self, records: Iterable[Record]) -> None:
        """Let the time of what was read begin anew."""
        timed = [record.id for record in records if ttl_of(record) is not None]
        journal = self._agent.home.journal
        if timed and not journal.readonly:
            journal.touch(timed)
            journal.flush_touches()

    # ---- reading

    def _get(self, ops: Sequence[GetOp]) -> dict[Place, Record]:
        places = {(tuple(op.namespace), op.key): op for op in ops}
        records = self._agent.home.journal.records
        ids = {place: item_id((*self._root, *place[0]), place[1]) for place in places}
        found = records.get_many(list(ids.values()))
        for place in [place for place, record_id in ids.items() if record_id not in found]:
            known = self._generations(place)  # missing, or purged and put again
            if known:
                ids[place] = known[-1]
                found |= records.get_many(known[-1:])
        live = self._unexpired([record for record in found.values() if record.is_live])
        held = {record.id: record for record in live}
        out = {place: held[record_id] for place, record_id in ids.items() if record_id in held}
        self._refresh(record for place, record in out.items() if places[place].refresh_ttl)
        return out

    def _generations(self, place: Place) -> list[str]:
        """The records that ever held an item, the present one last; all before it were purged."""
        out: list[str] = []
        while not out or self._statuses(out[-1:]) == [Status.PURGED]:
            out.append(item_id((*self._root, *place[0]), place[1], len(out)))
        return [record_id for record_id, status in zip(out, self._statuses(out), strict=True) if status is not None]

    def _statuses(self, record_ids: Sequence[str]) -> list[Status | None]:
        known = self._agent.home.journal.records.statuses(record_ids)
        return [known.get(record_id) for record_id in record_ids]

    def _items(self, prefix: Namespace) -> Iterable[Record]:
        scope = (*self._root, *prefix)
        found = self._agent.home.journal.records.find(namespace=scope, kinds=(KIND,))
        return (record for record in found if is_item(record))

    def _namespaces(self) -> set[Namespace]:
        return {record.namespace[len(self._root) :] for record in self._unexpired(list(self._items(())))}

    def _search(self, op: SearchOp) -> list[SearchItem]:
        check(op.filter)
        prefix = tuple(op.namespace_prefix)
        wanted = max(op.offset, 0) + max(op.limit, 0)
        ranked = self._ranked(op.query, prefix, op.filter, wanted) if op.query and op.query.strip() else []
        if len(ranked) < wanted:  # what no memory finds by the query follows unscored, what changed last first
            scored = {record.id for record, _ in ranked}
            rest = [r for r in self._items(prefix) if r.id not in scored and admits(value_of(r), op.filter)]
            rest.sort(key=lambda r: (-r.updated_at, -r.created_seq))
            ranked += [(record, None) for record in self._unexpired(rest)]
        page = ranked[op.offset : op.offset + op.limit]
        if op.refresh_ttl:
            self._refresh(record for record, _ in page)
        return [as_search_item(record, self._root, score) for record, score in page]

    def _ranked(
        self, query: str, prefix: Namespace, wanted: Mapping[str, Any] | None, enough: int
    ) -> list[tuple[Record, float | None]]:
        """Items by how well they answer: the agent's recall, asked deeper until enough of its hits are items."""
        depth = max(_DEPTH, 2 * enough)
        while True:
            hits = self._agent.recall(
                query, k=depth, namespace=(*self._root, *prefix), memory=self._memory, readonly=True
            )
            passed = [h for h in hits if h.record.is_live and is_item(h.record) and admits(value_of(h.record), wanted)]
            if len(passed) >= enough or len(hits) < depth or depth >= _DEEPEST:
                break
            depth *= 4
        held = {record.id for record in self._unexpired([hit.record for hit in passed])}
        return [(hit.record, hit.score) for hit in passed if hit.record_id in held]

    # ---- writing

    def _put(self, puts: Mapping[Place, PutOp]) -> None:
        drafts = {
            place: None if op.value is None else draft_of(op, self._root, self._fields, self._trust)
            for place, op in puts.items()
        }
        verb = "put" if any(drafts.values()) else "delete"
        with self._transaction(verb, "by a LangGraph store") as tx:
            ids = self._ids(tx, list(drafts))
            rows = tx.rows(list(ids.values()))
            new = {ids[place]: draft for place, draft in drafts.items() if draft and ids[place] not in rows}
            if new:
                tx.add_many(list(new.values()), record_ids=list(new))
            for place, draft in drafts.items():
                row = rows.get(ids[place])
                if row is None:
                    continue
                if draft is not None:
                    _put_again(tx, row, draft)
                elif row.status == Status.ACTIVE.value:
                    tx.set_status(row.id, "retract")
                    drop_derived(tx, [row.id], "retract")
        receipt = tx.receipt()
        self._observe(receipt)
        if len(puts) >= _MANY:  # a query that had to index them first would be cut off
            self._agent.home.views.catch_up()
        written = self._agent.home.journal.records.get_many([ids[place] for place, draft in drafts.items() if draft])
        self._refresh(written.values())  # a put that changes nothing is a use all the same

    def _transaction(self, verb: str, reason: str) -> AbstractContextManager[Transaction]:
        if self._agent.settings.approval == "ask":
            raise Refused(
                "this home asks before it changes anything (approval = ask), and a LangGraph store writes at once; "
                "open the home with approval='auto' to put items"
            )
        return self._agent.home.journal.transaction(verb, actor=ACTOR, reason=reason)

    def _ids(self, tx: Transaction, places: Sequence[Place]) -> dict[Place, str]:
        """The records to write to, as they stand under the write lock."""
        ids = {place: item_id((*self._root, *place[0]), place[1]) for place in places}
        generation = 0
        while True:
            rows = tx.rows(list(ids.values()))
            purged = [p for p, i in ids.items() if i in rows and rows[i].status == Status.PURGED.value]
            if not purged:
                return ids
            generation += 1
            ids |= {(ns, key): item_id((*self._root, *ns), key, generation) for ns, key in purged}

    def _observe(self, receipt: Receipt) -> None:
        """Let memories derive from what was put, a namespace at a time."""
        groups: dict[Namespace, list[Record]] = {}
        for record in self._agent.home.journal.records.get_many(receipt.record_ids).values():
            if record.is_live and is_item(record) and record.memories is None:
                groups.setdefault(record.namespace, []).append(record)
        for namespace, records in groups.items():
            self._agent.home.observe(Event(kind=KIND, records=tuple(records), namespace=namespace))


def _put_again(tx: Transaction, row: Any, draft: Draft) -> None:
    """Give an item that was put before its new value, and bring it back when it had gone."""
    if row.status != Status.ACTIVE.value:
        tx.move_many([(row, State(row.version_id, Status.ACTIVE.value), None)], op="put")
    before = tx.data(row.version_id).get("body", "")
    fields = {"memories": None if draft.memories is None else list(draft.memories)}
    tx.correct(row.id, body=draft.body, fields=fields, attributes=draft.attributes, op="put")
    if before != draft.body:
        drop_derived(tx, [row.id], "retract")
