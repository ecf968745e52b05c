"""Writes an ingestion into a home: one transaction a file, all of one group, so that one undo takes everything back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agentmem.home import Home
from agentmem.ingest import FileChange, IngestReport, Progress, Splitter, known_files, plan
from agentmem.journal.transaction import Transaction
from agentmem.journal.undo import GROUP, drop_derived
from agentmem.records import Event, Namespace

ACTOR = "document"


def ingest(
    home: Home,
    paths: Sequence[Path],
    *,
    namespace: Namespace = (),
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> IngestReport:
    """Read files and folders into chunks; files that have not changed since are left alone, gone ones retracted."""
    splitter = Splitter(home.embedder.count_tokens)
    known = known_files(home.journal.records.find(namespace=namespace, kinds=("chunk",)), namespace)
    ingestion = plan(paths, splitter, known=known, namespace=namespace, progress=progress, cancelled=cancelled)
    group = f"{GROUP}{home.new_id()}"
    for change in ingestion.changes():
        with home.journal.transaction("ingest", actor=ACTOR, cause=group) as tx:
            added = _write(tx, change)
        ingestion.report.receipt = tx.receipt().id
        records = tuple(home.journal.records.get_many(added).values())
        if records:
            home.observe(Event(kind="chunk", records=records, namespace=namespace))
    return ingestion.report


def _write(tx: Transaction, change: FileChange) -> list[str]:
    """One file's change; returns the ids of its new records."""
    for record_id in change.drop:
        tx.set_status(record_id, "retract")
        drop_derived(tx, [record_id], "retract")
    for amend in change.amend:
        sources = [[s.uri, s.start, s.end, s.digest] for s in amend.sources]
        tx.correct(amend.record_id, fields={"sources": sources}, attributes=amend.attributes, op="amend")
    return tx.add_many(change.add) if change.add else []
