"""The verbs of memory for programs outside Python: checked arguments in, JSON values out, inside one namespace.

Servers of any protocol call these and add their own wire. A caller names a namespace below the server's own; records
outside it do not exist for the caller. This module knows no protocol, no token and no model.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from agentmem.errors import BadInput, NotFound, Refused
from agentmem.records import RECORDS_WITHOUT_TEXT, Hit, Namespace, Receipt, Record, Status, Trust, in_scope
from agentmem.redact import redact
from agentmem.remote_values import (
    Answered,
    Ask,
    Correct,
    Entry,
    Forget,
    HitOut,
    Listed,
    Recall,
    Recalled,
    RecordOut,
    Remember,
    Told,
    Undo,
    Written,
    iso,
)
from agentmem.tools import touched_within

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.events import Answer

A = TypeVar("A", bound=BaseModel)

_KEPT = 1000  # receipts that "the last change" may reach back to
_SHORTEST_ID = 4


def checked(kind: type[A], given: Any) -> A:
    """The arguments as an object; what is wrong with them becomes one sentence."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise BadInput(_sentence(kind, error)) from error


def checked_json(kind: type[A], text: bytes) -> A:
    """The same out of JSON, taken by the letter: "5" is no number."""
    try:
        return kind.model_validate_json(text or b"{}", strict=True)
    except ValidationError as error:
        raise BadInput(_sentence(kind, error)) from error


def _sentence(kind: type[BaseModel], error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(str(part) for part in fault["loc"])[:80]
    known = ", ".join(kind.model_fields)
    why = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
    if fault["type"] == "json_invalid":
        return f"the body is no JSON: {why.removeprefix('invalid JSON: ')}"
    if fault["type"] == "extra_forbidden":
        return f"no argument named '{name}'; known: {known}"
    if fault["type"] == "missing":
        return f"'{name}' is missing; known: {known}"
    if not name:
        return f"the arguments are not right: {why}; known: {known}"
    shown = repr(fault["input"])
    return f"'{name}' = {shown if len(shown) <= 80 else shown[:77] + '…'} is not right: {why}"


class Remote:
    """One agent as seen from outside.

    ``actor`` is whom the journal names for changes made here; ``may_purge`` lets `forget` remove physically;
    ``redacts``: secrets are taken out of texts before they are stored (what a model writes down unasked).
    """

    def __init__(
        self,
        agent: Agent,
        *,
        actor: str,
        may_purge: bool = False,
        redacts: bool = False,
        trust: Trust = Trust.USER,
    ) -> None:
        self.agent = agent
        self.actor = actor
        self.may_purge = may_purge
        self._redacts = redacts
        self._trust = trust
        self._made: deque[str] = deque(maxlen=_KEPT)  # receipts of changes made here, the last one last
        self._lock = threading.Lock()

    def scope(self, namespace: str | None) -> Namespace:
        """The namespace that a caller means: its own path below the server's."""
        return (*self.agent.namespace, *(part for part in (namespace or "").split("/") if part))

    # ---- writing

    def remember(self, told: Remember) -> Written:
        """Write one record down."""
        text, notes = self._clean(told.text)
        receipt = self.agent.remember(
            text,
            namespace=self.scope(told.namespace),
            kind=told.kind,
            speaker=told.speaker,
            session=told.session,
            thread=told.thread,
            at=seconds(told.at, "at"),
            subject=told.subject,
            relation=told.relation,
            object=told.object,
            trust=self._trust,
            actor=self.actor,
        )
        return self._written(receipt, notes)

    def correct(self, told: Correct) -> Written:
        """Give a record the text that is right."""
        record = self.record(told.id, told.namespace)
        text, notes = self._clean(told.text)
        receipt = self.agent.correct(record.id, text, reason=told.reason, actor=self.actor)
        return self._written(receipt, notes)

    def forget(self, told: Forget) -> Written:
        """Retract a record, archive it or, where that is allowed, purge it."""
        record = self.record(told.id, told.namespace)
        if told.how == "purge":
            if not self.may_purge:
                raise Refused(
                    "purging is switched off here; retract the record, or start the server with --allow-purge"
                )
            return self._written(self.agent.purge(record.id), ())
        verb = self.agent.retract if told.how == "retract" else self.agent.archive
        return self._written(verb(record.id, reason=told.reason, actor=self.actor), ())

    def undo(self, told: Undo) -> Written:
        """Take a receipt back: the one named, or the last change that was made through here."""
        scope = self.scope(told.namespace)
        receipt_id = self._own_last(scope) if told.receipt is None else self._receipt(told.receipt, scope)
        receipt = self.agent.home.journal.undo(receipt_id, cascade=told.cascade, actor=self.actor)
        with self._lock:
            if receipt_id in self._made:
                self._made.remove(receipt_id)
        return self._written(receipt, (), undoable=False)

    def _own_last(self, scope: Namespace) -> str:
        with self._lock:
            mine = list(self._made)
        for receipt_id in reversed(mine):
            if touched_within(self.agent, receipt_id, scope):
                return receipt_id
        raise NotFound("nothing was changed through this connection that could be undone; name a receipt (see history)")

    def _receipt(self, receipt_id: str, scope: Namespace) -> str:
        if scope and not touched_within(self.agent, receipt_id, scope):
            raise NotFound(f"no receipt '{receipt_id}' in this namespace; 'history' lists them, give the whole of it")
        return receipt_id

    def _clean(self, text: str) -> tuple[str, tuple[str, ...]]:
        if not self._redacts:
            return text, ()
        clean = redact(text)
        return clean.text, ((clean.sentence,) if clean.kinds else ())

    def _written(self, receipt: Receipt, notes: Sequence[str], *, undoable: bool = True) -> Written:
        found = list(self.agent.home.journal.records.get_many(receipt.record_ids).values())
        if undoable and receipt.id and receipt.verb != "purge":
            with self._lock:
                self._made.append(receipt.id)
        return Written(
            receipt=receipt.id,
            verb=receipt.verb,
            records=[told_record(record) for record in found],
            waits_for_approval=any(record.status is Status.PENDING for record in found),
            notes=[*notes, *receipt.notes],
        )

    # ---- reading

    def recall(self, told: Recall, *, vector: Any = None) -> Recalled:
        """The records that answer, best first; ``vector`` spares embedding the question."""
        found = self.agent.search(
            told.query,
            k=told.k,
            namespace=self.scope(told.namespace),
            memory=told.memory,
            as_of=seconds(told.as_of, "as_of"),
            filters={"kind": list(told.kinds)} if told.kinds else None,
            vector=vector,
        )
        return Recalled(
            hits=[told_hit(hit) for hit in found.hits],
            route=found.route.reason,
            asked=list(found.route.memories),
            unanswered=[f"{r.memory}: {r.error or r.abstain}" for r in found.recalls if r.error or r.abstain],
        )

    def ask(self, told: Ask) -> Answered:
        """Answer from the memories with citations; writes the exchange down unless ``incognito``."""
        answer = self.agent.ask(
            told.question,
            namespace=self.scope(told.namespace),
            thread=told.thread,
            session=told.session,
            speaker=told.speaker,
            incognito=told.incognito,
        )
        return told_answer(answer)

    def record(self, record_id: str, namespace: str | None = None) -> Record:
        """One record within the scope, whatever its status; ids may be shortened."""
        scope = self.scope(namespace)
        short = record_id.strip()
        reader = self.agent.home.journal.records
        missing = NotFound(f"no record '{record_id[:40]}' in this namespace; recall or list the records to find its id")
        if len(short) < _SHORTEST_ID:
            raise missing
        try:
            record = reader.get(short if len(short) == 32 else reader.resolve(short))
        except NotFound:
            raise missing from None
        if record is None or not in_scope(record.namespace, scope):
            raise missing
        return record

    def records(
        self,
        *,
        namespace: str | None = None,
        kind: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Listed:
        """Live records, newest first, traces only when asked for; ``next`` is the ``before`` of the following page."""
        reader = self.agent.home.journal.records
        kinds = [k for k in reader.kinds() if k not in RECORDS_WITHOUT_TEXT] if kind is None else [kind]
        found = list(
            reader.find(namespace=self.scope(namespace), kinds=kinds, newest_first=True, limit=limit + 1, place=before)
        )
        shown = found[:limit]
        return Listed(
            records=[told_record(record) for record in shown],
            next=shown[-1].created_seq if len(found) > limit else None,
        )

    def history(self, record_id: str | None = None, *, namespace: str | None = None, limit: int = 20) -> list[Entry]:
        """The changes of a record, oldest first; without one the last changes in the namespace, newest first."""
        if record_id is not None:
            entries = self.agent.history(self.record(record_id, namespace).id)
            return [
                Entry(
                    receipt=e.receipt_id,
                    at=iso(e.at),
                    verb=e.op,
                    actor=e.actor,
                    reason=e.reason,
                    status=e.status.value,
                    text=e.body,
                )
                for e in entries
            ]
        reader = self.agent.home.journal.records
        scope = self.scope(namespace)
        out: list[Entry] = []
        before: int | None = None
        while len(out) < limit and (page := reader.transactions(limit=50, before_seq=before)):
            before = page[-1].first_seq
            for row in page:
                touched = reader.get_many(reader.records_of(row.id))
                inside = [record for record in touched.values() if in_scope(record.namespace, scope)]
                if scope and not inside:
                    continue
                text = inside[0].body if inside else None
                status = inside[0].status.value if inside else Status.PURGED.value
                out.append(
                    Entry(
                        receipt=row.id,
                        at=iso(row.at),
                        verb=row.verb,
                        actor=row.actor,
                        reason=row.reason or "",
                        status=status,
                        text=text,
                    )
                )
                if len(out) == limit:
                    break
        return out


def seconds(moment: datetime | date | None, name: str) -> float | None:
    """A date, or a date and time, as seconds since the epoch; local time unless it says otherwise."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    try:
        return moment.timestamp()
    except (OverflowError, ValueError, OSError) as error:
        raise BadInput(f"'{name}' = {moment} lies outside the times that can be kept; give a year from 1 on") from error


def told_record(record: Record) -> RecordOut:
    """A record as JSON values."""
    return RecordOut(
        id=record.id,
        text=record.body,
        kind=record.kind,
        status=record.status.value,
        namespace="/".join(record.namespace),
        speaker=record.speaker,
        thread=record.thread,
        session=record.session,
        sources=[s.uri for s in record.sources],
        valid_from=None if record.valid_from is None else iso(record.valid_from),
        recorded_at=iso(record.recorded_at),
        version=record.version,
    )


def told_hit(hit: Hit) -> HitOut:
    """A hit as JSON values: its record with score, memories and reason."""
    return HitOut(**told_record(hit.record), score=hit.score, memory=hit.memory, why=hit.why)


def told_answer(answer: Answer) -> Answered:
    """An answer as JSON values."""
    return Answered(
        text=answer.text,
        citations=[
            Told(number=c.number, id=c.record_id, quote=c.quote, memory=c.memory, score=c.score)
            for c in answer.citations
        ],
        receipts=[receipt.id for receipt in answer.receipts],
        thread=answer.thread,
        model=answer.model,
        stopped=answer.stopped,
        notes=list(answer.notes),
    )
