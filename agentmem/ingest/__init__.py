"""Ingestion: from paths to drafts of chunks and a report. Knows records, but neither the journal nor any memory.

What an agent has to do (one transaction a file, so that stopping leaves no file half done)::

    splitter = Splitter(embedder.count_tokens)
    known = known_files(journal.find(namespace=namespace, kinds=["chunk"]), namespace)
    ingestion = plan(paths, splitter, known=known, namespace=namespace, progress=progress, cancelled=cancelled)
    for change in ingestion.changes():
        with journal.transaction("ingest") as write:
            write.add(change.add)  # drafts: the only texts to be embedded
            write.amend(change.amend)  # same text, new sources and attributes (moved, or shifted by an edit above)
            write.retract(change.drop)  # what the file no longer says
    return ingestion.report  # .summary(), .table(), .to_json()

A chunk's body is the exact span of its source; "title" and "heading" are attributes, which the journal puts on a line
before the body for indexes and embedding (both count towards the splitter's tokens). Uris begin with the name of the
folder that was given; where that folder lies is kept only as a hash.
"""

from agentmem.ingest.document import Document, Section, Unreadable
from agentmem.ingest.known import KnownChunk, KnownFile, known_files
from agentmem.ingest.plan import Amend, FileChange, IngestPlan, Progress, plan
from agentmem.ingest.report import IngestReport, Outcome, Skipped
from agentmem.ingest.search import Item
from agentmem.ingest.splitter import Chunk, Splitter
from agentmem.ingest.walk import Selection

__all__ = [
    "Amend",
    "Chunk",
    "Document",
    "FileChange",
    "IngestPlan",
    "IngestReport",
    "Item",
    "KnownChunk",
    "KnownFile",
    "Outcome",
    "Progress",
    "Section",
    "Selection",
    "Skipped",
    "Splitter",
    "Unreadable",
    "known_files",
    "plan",
]
