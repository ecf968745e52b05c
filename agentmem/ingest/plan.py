"""From paths and what is known of them to the changes of one file after another. Knows records, not the journal.

A file is known by its place and judged by its content: the digest of its bytes. Same place and digest is unchanged,
another digest changed, a known digest at a new place whose old place is gone moved. Chunks of a changed file that
read as before keep their records, and with them whatever a person corrected there.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentmem.errors import AgentmemError
from agentmem.ingest.code import LANGUAGES
from agentmem.ingest.document import Document, one_line
from agentmem.ingest.known import KnownChunk, KnownFile, chunk_key
from agentmem.ingest.readers import read
from agentmem.ingest.report import IngestReport, Outcome, Skipped
from agentmem.ingest.search import Item, Search
from agentmem.ingest.splitter import Chunk, Splitter
from agentmem.ingest.walk import Selection, walk
from agentmem.records import Draft, Namespace, Source, Trust

Progress = Callable[[int, int, str, int], None]
"""Called with (files done, files in all or 0 while they are still being looked for, uri, bytes read so far)."""


@dataclass(frozen=True, slots=True)
class Amend:
    """A record whose text stays while its place in the sources changed."""

    record_id: str
    sources: tuple[Source, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FileChange:
    """All that one file changes; to be written in one transaction or not at all."""

    item: Item
    add: tuple[Draft, ...] = ()
    amend: tuple[Amend, ...] = ()
    drop: tuple[str, ...] = ()  # ids of records to retract
    kept: int = 0  # records that stay, amended or not
    notes: tuple[str, ...] = ()


class IngestPlan:
    """What is to be done about each file; ``changes`` does the reading, ``report`` tells what came of it."""

    def __init__(
        self,
        items: Sequence[Item],
        splitter: Splitter,
        *,
        namespace: Namespace = (),
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.items = tuple(items)
        self.report = IngestReport()
        self._splitter = splitter
        self._namespace = namespace
        self._progress = progress
        self._cancelled = cancelled

    @property
    def to_do(self) -> tuple[Item, ...]:
        """The files that bring a change, in the order in which `changes` yields them."""
        idle = (Outcome.UNCHANGED, Outcome.SKIPPED)
        return tuple(item for item in self.items if item.outcome not in idle)

    def changes(self) -> Iterator[FileChange]:
        """One file after another. A file counts as done when the next is asked for; broken files are reported."""
        began = time.perf_counter()
        report, to_do = self.report, self.to_do
        for item in self.items:
            if item.outcome is Outcome.SKIPPED:
                self._skip(item, item.reason)
            elif item.outcome is Outcome.UNCHANGED:
                report.files[item.outcome] += 1
        try:
            for done, item in enumerate(to_do):
                if self._cancelled is not None and self._cancelled():
                    report.cancelled = True
                    return
                self._tell(done, len(to_do), item.uri)
                change = self._change(item)
                if change is not None:
                    yield change
                    self._count(change)
            self._tell(len(to_do), len(to_do), "")
        finally:
            report.seconds += time.perf_counter() - began

    def _change(self, item: Item) -> FileChange | None:
        if item.outcome is Outcome.DELETED:
            assert item.known is not None, f"{item.uri} is deleted but was never known"
            return FileChange(item, drop=tuple(chunk.record_id for chunk in item.known.chunks))
        if item.outcome is Outcome.MOVED:
            return _moved(item)
        try:
            change = self._read(item)
        except AgentmemError as error:  # unreadable, or a library that is not installed
            self._skip(item, str(error))
        except OSError as error:
            self._skip(item, (error.strerror or str(error)).lower())
        except Exception as error:  # parsers raise anything on a broken file, and it must not stop the others
            self._skip(item, f"its reader failed: {type(error).__name__}: {one_line(str(error)) or 'no message'}")
        else:
            if change.add or change.kept or change.drop:
                return change
            self._skip(item, "no text in it")
        return None

    def _read(self, item: Item) -> FileChange:
        assert item.path is not None, f"{item.uri} has no path"
        data = item.path.read_bytes()
        path = item.path
        item = replace(item, digest=hashlib.sha256(data).hexdigest(), size=len(data))
        document = read(path, data) if data else Document("", ())
        document = replace(document, text=_storable(document.text))
        title = _storable(document.title or _title_of(path))
        waiting: dict[str, deque[KnownChunk]] = defaultdict(deque)
        for known in item.known.chunks if item.known is not None else ():
            waiting[known.key].append(known)
        add: list[Draft] = []
        amend: list[Amend] = []
        kept = 0
        for chunk in self._splitter.split(document, title):
            draft = self._draft(chunk, document, item)
            same = waiting[draft.attributes["chunk"]]
            if not same:
                add.append(draft)
                continue
            known, kept = same.popleft(), kept + 1
            moved = any(known.attributes.get(name) != value for name, value in draft.attributes.items())
            if moved or known.source != draft.sources[0]:
                amend.append(Amend(known.record_id, draft.sources, draft.attributes))
        drop = tuple(known.record_id for left in waiting.values() for known in left)
        return FileChange(item, tuple(add), tuple(amend), drop, kept, document.notes)

    def _draft(self, chunk: Chunk, document: Document, item: Item) -> Draft:
        attributes: dict[str, Any] = {"title": chunk.title}
        if chunk.heading:
            attributes["heading"] = chunk.heading
        if chunk.page is not None:
            attributes["page"] = chunk.page
        attributes |= {"format": document.format, "root": item.root, "recipe": self._splitter.recipe}
        attributes["chunk"] = chunk_key(chunk.title, chunk.heading, chunk.body)
        return Draft(
            body=chunk.body,
            kind="chunk",
            namespace=self._namespace,
            sources=(Source(item.uri, chunk.start, chunk.end, item.digest),),
            trust=Trust.DOCUMENT,
            attributes=attributes,
        )

    def _skip(self, item: Item, reason: str) -> None:
        self.report.files[Outcome.SKIPPED] += 1
        kept = len(item.known.chunks) if item.known is not None else 0
        self.report.skipped.append(Skipped(item.uri, reason, kept, item.detail if reason == item.reason else ""))

    def _count(self, change: FileChange) -> None:
        report = self.report
        report.files[change.item.outcome] += 1
        report.chunks_added += len(change.add)
        report.chunks_kept += change.kept
        report.chunks_dropped += len(change.drop)
        report.bytes += change.item.size if change.item.outcome in (Outcome.NEW, Outcome.CHANGED) else 0
        report.notes += ((change.item.uri, note) for note in change.notes)

    def _tell(self, done: int, total: int, uri: str) -> None:
        if self._progress is not None:
            self._progress(done, total, uri, self.report.bytes)


def plan(
    paths: Sequence[Path | str],
    splitter: Splitter,
    *,
    known: Mapping[str, KnownFile] | None = None,
    namespace: Namespace = (),
    selection: Selection | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> IngestPlan:
    """Look at every file below the paths and decide what is to be done about it; nothing is chunked yet.

    ``known`` is what `known_files` found in the namespace. When ``cancelled`` says so during the search the plan is
    empty: half a search would take every file not yet found for deleted.
    """
    selection = selection or Selection()
    search = Search(known or {}, splitter.recipe, selection.max_bytes)
    size = 0
    for entry in walk(paths, selection):
        if cancelled is not None and cancelled():
            stopped = IngestPlan((), splitter, namespace=namespace)
            stopped.report.cancelled = True
            return stopped
        item = search.take(entry)
        size += item.size
        if progress is not None:
            progress(0, 0, item.uri, size)
    return IngestPlan(search.judged(paths), splitter, namespace=namespace, progress=progress, cancelled=cancelled)


def _moved(item: Item) -> FileChange:
    """The chunks stay as they are, titles too, even one made from the old name: nothing has to be embedded again."""
    assert item.known is not None, f"{item.uri} was moved from nowhere"
    amend = tuple(
        Amend(
            chunk.record_id,
            (replace(chunk.source, uri=item.uri),),
            {**chunk.attributes, "root": item.root},
        )
        for chunk in item.known.chunks
    )
    return FileChange(item, amend=amend, kept=len(amend))


def _title_of(path: Path) -> str:
    """The title of a document that has none: its name, for prose in words."""
    if path.suffix.lower() in LANGUAGES:
        return path.name
    return one_line(path.stem.replace("_", " ").replace("-", " ")) or path.name


def _storable(text: str) -> str:
    """The text with what no database takes (lone surrogates, zero characters) replaced, character for character."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
