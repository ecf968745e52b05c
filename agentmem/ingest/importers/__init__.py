"""Imports from other programs: ChatGPT, Claude, mem0, JSON lines, folders of Markdown. Drafts and a report, no journal.

What an agent has to do, so that one undo takes the whole import back::

    taking = open_import(path, namespace=namespace, splitter=Splitter(embedder.count_tokens))
    receipt = agent.remember_many(list(taking.drafts), verb="import")
    return receipt, taking.report  # complete once all drafts were taken
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agentmem.errors import BadInput, Missing, UnknownName
from agentmem.ingest.importers.chats import chatgpt, claude
from agentmem.ingest.importers.lines import json_lines
from agentmem.ingest.importers.mem0 import mem0_export, mem0_history
from agentmem.ingest.importers.reading import UNREADABLE
from agentmem.ingest.importers.report import ImportReport
from agentmem.ingest.importers.sniffing import format_of
from agentmem.ingest.plan import plan
from agentmem.ingest.splitter import Splitter
from agentmem.records import Draft, Namespace

_Importer = Callable[[Path, ImportReport, Namespace], Iterator[Draft]]
_IMPORTERS: dict[str, _Importer] = {
    "chatgpt": chatgpt,
    "claude": claude,
    "jsonl": json_lines,
    "mem0-export": mem0_export,
    "mem0-history": mem0_history,
}
FORMATS = (*_IMPORTERS, "markdown")


@dataclass(frozen=True, slots=True)
class Import:
    """Drafts in the order in which they were written, once; ``report`` fills while they are taken."""

    drafts: Iterator[Draft]
    report: ImportReport


def open_import(
    path: Path | str, *, format: str | None = None, namespace: Namespace = (), splitter: Splitter | None = None
) -> Import:
    """What can be taken over from an export; its format is found out by looking unless it is given.

    ``splitter`` is needed for folders of Markdown only. Raises BadInput when the path is no export of a known format.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise BadInput(f"there is nothing at {path}; give the file, archive or folder of an export")
    chosen = format or format_of(path)
    if chosen not in FORMATS:
        raise UnknownName(f"no import format named '{chosen}'; known are {', '.join(FORMATS)}")
    report = ImportReport(chosen)
    if chosen == "markdown":
        if splitter is None:
            raise Missing("a folder of Markdown is cut into chunks; open the import with a splitter")
        return Import(_notes(path, report, namespace, splitter), report)
    return Import(_guarded(_IMPORTERS[chosen](path, report, namespace), path), report)


def _guarded(drafts: Iterator[Draft], path: Path) -> Iterator[Draft]:
    try:
        yield from drafts
    except UNREADABLE as error:
        raise BadInput(f"{path.name} cannot be read: {error}") from error


def _notes(path: Path, report: ImportReport, namespace: Namespace, splitter: Splitter) -> Iterator[Draft]:
    """The files of a folder as chunks, the way an ingestion reads them: later ingestions of it know them again."""
    ingestion = plan([path], splitter, namespace=namespace)
    for change in ingestion.changes():
        report.kept["chunk"] += len(change.add)
        yield from change.add
    for skipped in ingestion.report.skipped:
        report.leave_out(skipped.reason, skipped.uri)
    report.notes += (f"{uri}: {note}" for uri, note in ingestion.report.notes)


__all__ = ["FORMATS", "Import", "ImportReport", "open_import"]
