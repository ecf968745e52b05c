"""Verbs that write records, change them and take changes back. All return receipts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem import approvals
from agentmem.dates import dated
from agentmem.errors import BadInput, NotFound
from agentmem.journal.transaction import PERSON
from agentmem.policy import restate, superseding
from agentmem.records import Draft, Event, Namespace, Receipt, Record, Status, Trust
from agentmem.verbs.reading import ReadingVerbs
from agentmem.verbs.twins import streaming_twin, twin

if TYPE_CHECKING:
    from agentmem.ingest import IngestReport
    from agentmem.listening import Heard


class WritingVerbs(ReadingVerbs):
    """Remember, correct, forget in four ways, approve."""

    def remember(
        self,
        text: str,
        *,
        namespace: Sequence[str] | str | None = None,
        thread: str | None = None,
        session: str | None = None,
        speaker: str | None = None,
        at: float | None = None,
        kind: str = "fact",
        memories: Sequence[str] | None = None,
        subject: str | None = None,
        relation: str | None = None,
        object: str | None = None,
        supersedes: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
        trust: Trust = Trust.USER,
        actor: str = PERSON,
    ) -> Receipt:
        """Write one record down. ``at`` is world time (when it was said or became true), seconds since the epoch."""
        if not text.strip():
            raise BadInput("there is nothing to remember in an empty text")
        draft = Draft(
            body=text,
            kind=kind,
            namespace=self._scope(namespace),
            thread=thread,
            session=session,
            speaker=speaker,
            valid_from=at,
            memories=None if memories is None else tuple(memories),
            subject=subject,
            relation=relation,
            object=object,
            supersedes=tuple(self._id(i) for i in supersedes),
            attributes=dict(attributes or {}),
            trust=trust,
        )
        return self.remember_many([draft], verb="remember", actor=actor)

    def remember_many(self, drafts: Sequence[Draft], *, verb: str = "remember", actor: str = PERSON) -> Receipt:
        """Write many records in one transaction; memories then derive from them."""
        waits = approvals.must_ask(self.home, actor)
        status = Status.PENDING if waits else Status.ACTIVE
        now = self.home.clock.now()
        prepared = [dated(draft, now) for draft in drafts]
        if verb == "remember" and actor == PERSON:
            prepared = [superseding(self.home.journal.records, draft, now) for draft in prepared]
        receipt = self.home.write(prepared, verb=verb, actor=actor, status=status)
        if not waits:
            self._observe(receipt)
        return receipt

    def listen(
        self,
        pieces: Iterable[str],
        *,
        kind: str = "chunk",
        namespace: Sequence[str] | str | None = None,
        thread: str | None = None,
        session: str | None = None,
        speaker: str | None = None,
        at: float | None = None,
        trust: Trust = Trust.USER,
    ) -> Iterator[Heard]:
        """Read a text that arrives in pieces; yields each sentence with the notes that memories write on it at once.

        The text and its notes are written down when the pieces end, or when the caller stops.
        """
        from agentmem.listening import listen

        what = Draft(
            body="",
            kind=kind,
            namespace=self._scope(namespace),
            thread=thread,
            session=session,
            speaker=speaker,
            valid_from=at,
            trust=trust,
        )
        return listen(self.home, pieces, what, actor=PERSON)

    def ingest(
        self,
        paths: Sequence[str | Path] | str | Path,
        *,
        namespace: Sequence[str] | str | None = None,
        progress: Callable[..., None] | None = None,
    ) -> IngestReport:
        """Read files and folders into chunks; what was read before and has not changed is left alone."""
        from agentmem.ingesting import ingest

        given = [paths] if isinstance(paths, str | Path) else list(paths)
        return ingest(self.home, [Path(p) for p in given], namespace=self._scope(namespace), progress=progress)

    def correct(self, record_id: str, text: str, *, reason: str = "", actor: str = PERSON, **fields: Any) -> Receipt:
        """Give a record a new body; what memories derived from the old one is taken back and derived anew."""
        if not text.strip():
            raise BadInput("a record cannot be corrected to an empty text; retract it instead")
        record_id = self._id(record_id)
        if approvals.must_ask(self.home, actor):
            return approvals.propose(self.home, "correct", self.show(record_id), actor=actor, reason=reason, body=text)
        receipt = self.home.journal.correct(record_id, text, reason=reason, actor=actor, **fields)
        restate(self.home, [record_id])
        self._observe(receipt)
        return receipt

    def retract(self, record_id: str, *, reason: str = "", actor: str = PERSON) -> Receipt:
        """Say that a record is no longer true; its history stays."""
        return self._set("retract", record_id, reason, actor)

    def archive(self, record_id: str, *, reason: str = "", actor: str = PERSON) -> Receipt:
        """Forget a record reversibly."""
        return self._set("archive", record_id, reason, actor)

    def restore(self, record_id: str, *, reason: str = "", actor: str = PERSON) -> Receipt:
        """Bring an archived or retracted record back."""
        return self._set("restore", record_id, reason, actor)

    def purge(self, record_id: str | Sequence[str], *, sources: bool = False) -> Receipt:
        """Remove records physically, with what derives from them (and, with ``sources``, what they came from)."""
        ids = [record_id] if isinstance(record_id, str) else list(record_id)
        return self.home.purge([self._id(i) for i in ids], sources=sources)

    def purge_plan(self, record_id: str, *, sources: bool = False) -> list[Record]:
        """What a purge of this record would remove."""
        ids = self.home.journal.purge_plan([self._id(record_id)], sources=sources)
        return list(self.home.journal.records.get_many(ids).values())

    def undo(self, receipt: Receipt | str | None = None, *, cascade: bool = False) -> Receipt:
        """Take a transaction back: a receipt, its id, or None for the last one."""
        if receipt is None:
            last = [
                t
                for t in self.home.journal.records.transactions(limit=50)
                if t.verb not in ("derive", "turn", "answer")
            ]
            if not last:
                raise NotFound("there is nothing to undo yet")
            receipt = last[0].id
        receipt_id = receipt if isinstance(receipt, str) else receipt.id
        undone = self.home.journal.undo(self._receipt_id(receipt_id), cascade=cascade)
        restate(self.home, undone.record_ids)
        return undone

    def pending(self, *, namespace: Sequence[str] | str | None = None) -> list[Record]:
        """Changes that wait for approval, oldest first; a record's id is the id of its change."""
        return approvals.waiting(self.home, self._scope(namespace))

    def approve(self, change_id: str) -> Receipt:
        """Let a pending change become active."""
        receipt = approvals.approve(self.home, self._id(change_id))
        self._observe(receipt)
        return receipt

    def refuse(self, change_id: str, *, reason: str = "") -> Receipt:
        """Drop a pending change."""
        return approvals.refuse(self.home, self._id(change_id), reason=reason)

    def _set(self, op: str, record_id: str, reason: str, actor: str) -> Receipt:
        record_id = self._id(record_id)
        if approvals.must_ask(self.home, actor):
            return approvals.propose(self.home, op, self.show(record_id), actor=actor, reason=reason)
        receipt = self.home.journal.set_status(record_id, op, reason=reason, actor=actor)
        self._demote(receipt)
        return receipt

    def _observe(self, receipt: Receipt) -> None:
        self._demote(receipt)
        # What is derived lies where its event lies, so one event never holds records of two namespaces.
        events: dict[tuple[str, Namespace], list[Record]] = {}
        for record in self.home.journal.records.get_many(receipt.record_ids).values():
            if record.is_live:
                events.setdefault((record.kind, record.namespace), []).append(record)
        for (kind, namespace), records in events.items():
            self.home.observe(Event(kind=kind, records=tuple(records), namespace=namespace))

    def _demote(self, receipt: Receipt) -> None:
        if self.home.local_model is not None:
            from agentmem.promotion import demote

            demote(self.home, changed=receipt.record_ids)

    # ---- async twins

    aremember = twin(remember)
    aremember_many = twin(remember_many)
    aingest = twin(ingest)
    acorrect = twin(correct)  # type: ignore[arg-type]  # mypy fears a field named "self"
    aretract = twin(retract)
    aarchive = twin(archive)
    arestore = twin(restore)
    apurge = twin(purge)
    apurge_plan = twin(purge_plan)
    aundo = twin(undo)
    apending = twin(pending)
    aapprove = twin(approve)
    arefuse = twin(refuse)
    alisten = streaming_twin(listen)
