"""Verbs for the home as a whole: out, in, a copy, indexes built again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from agentmem.journal.transfer import export, import_, is_export
from agentmem.records import Receipt
from agentmem.verbs.twins import twin
from agentmem.verbs.writing import WritingVerbs


class HomeVerbs(WritingVerbs):
    """Move a home, copy it, repair it."""

    def export(self, path: str | Path, *, log: bool = False) -> int:
        """Write the live state (or the whole log) as JSONL and blobs into a folder; returns the number of lines."""
        return export(self.home.journal, Path(path).expanduser(), log=log)

    def import_(
        self, path: str | Path, *, format: str | None = None, namespace: Sequence[str] | str | None = None
    ) -> Receipt:
        """Read an export of agentmem, or of the program that ``format`` names ("auto": whichever it comes from).

        A state and what another program exported are one transaction and can be undone; notes tell what was left out.
        What was read is indexed before this returns.
        """
        if format is not None and not (format == "auto" and is_export(Path(path).expanduser())):
            from agentmem.ingest import Splitter
            from agentmem.ingest.importers import open_import

            chosen = None if format == "auto" else format
            splitter = Splitter(self.home.embedder.count_tokens)
            taking = open_import(path, format=chosen, namespace=self._scope(namespace), splitter=splitter)
            receipt = self.remember_many(list(taking.drafts), verb="import")
            self.home.views.catch_up()  # a recall that had to index thousands first would be cut off
            return replace(receipt, notes=(*receipt.notes, *taking.report.table().splitlines()))
        receipt = import_(self.home.journal, Path(path).expanduser())
        self.home.views.catch_up()
        return receipt

    def backup(self, path: str | Path) -> None:
        """A consistent copy of the home's journal, blobs and settings, made while it is in use."""
        self.home.journal.backup(Path(path).expanduser())

    def reindex(
        self, memories: Iterable[str] | None = None, *, progress: Callable[[str, int, int], None] | None = None
    ) -> dict[str, int]:
        """Build memories again from the journal; returns how many records each holds now."""
        self.home.require_owner("reindex")
        out = {}
        for name in list(memories) if memories is not None else self.home.views.names():
            report = None if progress is None else (lambda done, total, name=name: progress(name, done, total))
            out[name] = self.home.views[name].rebuild(report)
        return out

    # ---- async twins

    aexport = twin(export)
    aimport_ = twin(import_)
    abackup = twin(backup)
    areindex = twin(reindex)
