"""Verbs that read: searching by what is asked, records by id and place, their history, what is doubtful about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentmem.editing import flush
from agentmem.errors import NotFound
from agentmem.journal.audit import Finding, audit
from agentmem.reading import Found, Reading
from agentmem.records import HistoryEntry, Hit, Record, Status
from agentmem.verbs.handle import Handle
from agentmem.verbs.twins import streaming_twin, twin


class ReadingVerbs(Handle):
    """Recall, and look at what is there."""

    _reading: Reading

    def recall(
        self,
        query: str,
        *,
        k: int | None = None,
        memory: str | Sequence[str] | None = None,
        namespace: Sequence[str] | str | None = None,
        as_of: float | None = None,
        filters: Mapping[str, Any] | None = None,
        vector: Any = None,
        readonly: bool = False,
    ) -> list[Hit]:
        """The records that answer, best first. ``memory`` None: routed to several and fused."""
        return list(
            self.search(
                query,
                k=k,
                memory=memory,
                namespace=namespace,
                as_of=as_of,
                filters=filters,
                vector=vector,
                readonly=readonly,
            ).hits
        )

    def search(self, query: str, *, namespace: Sequence[str] | str | None = None, **keywords: Any) -> Found:
        """Like `recall`, with the route, each memory's own answer and the time it took."""
        flush(self.home)
        return self._reading.search(query, namespace=self._scope(namespace), **keywords)

    def records(
        self,
        *,
        namespace: Sequence[str] | str | None = None,
        kinds: Sequence[str] | None = None,
        statuses: Sequence[Status] = (Status.ACTIVE,),
        as_of: float | None = None,
        newest_first: bool = False,
        thread: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """All live records, in the order they were written."""
        return self.home.journal.records.find(
            namespace=self._scope(namespace),
            kinds=kinds,
            statuses=statuses,
            as_of=as_of,
            newest_first=newest_first,
            thread=thread,
            limit=limit,
        )

    def show(self, record_id: str, *, as_of: float | None = None) -> Record:
        """One record, whatever its status; ids may be shortened."""
        full = self._id(record_id)
        record = self.home.journal.records.get(full, as_of=as_of)
        if record is None:
            entry = self.home.journal.records.history(full)[-1]
            raise NotFound(f"record '{full}' is {entry.status.value}; nothing of it can be shown")
        return record

    def history(self, record_id: str) -> list[HistoryEntry]:
        """Every change of a record, oldest first."""
        return self.home.journal.records.history(self._id(record_id))

    def audit(self, *, namespace: Sequence[str] | str | None = None) -> list[Finding]:
        """Duplicates, contradictions, stale facts, what a memory set aside, damage."""
        return audit(self.home.journal, now=self.home.clock.now(), namespace=self._scope(namespace))

    # ---- async twins

    arecall = twin(recall)
    asearch = twin(search)  # type: ignore[arg-type]  # mypy fears a keyword named "self"
    ashow = twin(show)
    ahistory = twin(history)
    aaudit = twin(audit)
    arecords = streaming_twin(records, at_once=256)
