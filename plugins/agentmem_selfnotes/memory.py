"""The Self-Notes memory: reads what is written down segment by segment and keeps what follows from it.

A note is a derived record (kind "note") anchored to its place in the record that was read; retracting that record
retracts its notes. Without a model it writes nothing and says so. It refuses to know how notes are used in answers:
they are recalled like any record, and `annotated` shows a text with its notes in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agentmem.contract import Capability, Context, Memory, MemoryConfig, Message
from agentmem.errors import NotFound
from agentmem.records import Change, CheckLine, Draft, Event, Proposal, Query, Recall, Record, Source, Trust
from agentmem.wordindex import WordIndex, words
from agentmem_selfnotes.config import SelfNotesConfig
from agentmem_selfnotes.notes import Note, Spliced, Writer, read, segments, splice
from agentmem_selfnotes.writers import chat_writer, local_writer

READS = frozenset({"turn", "chunk", "tool", "fact", "step"})


class SelfNotesMemory(Memory):
    """Notes that a model writes while it reads."""

    name: ClassVar[str] = "selfnotes"
    kinds: ClassVar[frozenset[str]] = frozenset({"note"})
    capabilities: ClassVar[Capability] = Capability.SEGMENT
    Config: ClassVar[type[MemoryConfig]] = SelfNotesConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._index = WordIndex()

    @property
    def settings(self) -> SelfNotesConfig:
        assert isinstance(self.config, SelfNotesConfig), f"settings of selfnotes are a {type(self.config).__name__}"
        return self.config

    # ---- the three verbs

    def observe(self, event: Event) -> Sequence[Proposal]:
        """Reads the event's records after the turns before it and proposes the notes."""
        writer = self._writer()
        if writer is None or event.kind not in READS:
            return ()
        drafts: list[Draft] = []
        for record in event.records:
            if record.kind in READS and sum(1 for _ in segments(record.body)) >= self.settings.min_segments:
                drafts += self._notes_on(record, event.before, writer)
        return drafts

    def apply(self, changes: Sequence[Change]) -> None:
        self._index.apply(changes)

    def recall(self, query: Query) -> Recall:
        if not len(self._index):
            return Recall(abstain="no note has been written yet" if self._writer() else self._silence())
        return Recall(hits=tuple(self._index.search(query, "a note with these words", newer_first=True)))

    # ---- reading and writing

    def segment(self, text: str) -> Sequence[Draft]:
        """Notes on the last segment of a text; what stands before it is context."""
        writer, spans = self._writer(), list(segments(text))
        if writer is None or not spans:
            return ()
        start, end = spans[-1]
        notes = writer(text[:start], [text[start:end].strip()])[0][: self.settings.max_notes]
        return [
            Draft(body=note, kind="note", trust=Trust.AGENT, attributes={"position": end, "start": start, "end": end})
            for note in notes
        ]

    def annotated(self, record_id: str) -> Spliced:
        """A record's text with its notes in their places; taking them out gives back the text.

        Raises NotFound when there is no such record.
        """
        record = self.context.records.get(record_id)
        if record is None:
            raise NotFound(f"no record {record_id!r} to show with its notes")
        notes = [n for n in map(_note_of, self.context.records.children(record_id)) if n is not None]
        return splice(record.body, [n for n in notes if n.position <= len(record.body)])

    def check(self) -> Sequence[CheckLine]:
        lines = [CheckLine("ok", f"selfnotes holds {len(self._index)} notes")]
        if self._writer() is None:
            lines.append(CheckLine("note", self._silence(), "set a chat model, or selfnotes.writer=local"))
        return lines

    def erase(self) -> None:
        """Nothing is on disk: what a purge removed is gone with the change that `apply` got."""

    # ---- notes

    def _writer(self) -> Writer | None:
        chat, local, settings = self.context.chat, self.context.local_model, self.settings
        if settings.writer == "chat" and chat is not None:
            return chat_writer(lambda prompt: chat.chat([Message("user", prompt)]))
        if settings.writer == "local" and local is not None:
            return local_writer(local, settings.start, settings.end, settings.threshold)
        return None

    def _silence(self) -> str:
        wanted = {"chat": "no chat model is set", "local": "no local model is set", "none": "they are switched off"}
        return f"no notes are written: {wanted[self.settings.writer]}"

    def _notes_on(self, record: Record, before: Sequence[Record], writer: Writer) -> list[Draft]:
        heard = "\n".join(f"{r.speaker + ': ' if r.speaker else ''}{r.body}" for r in before)

        def listening(seen: str, pieces: Sequence[str]) -> Sequence[Sequence[str]]:
            return writer(f"{heard}\n{seen}" if heard else seen, pieces)

        notes = read(record.body, listening, self.settings.batch, self.settings.max_notes)
        return [self._draft(record, before, note) for note in notes]

    def _draft(self, record: Record, before: Sequence[Record], note: Note) -> Draft:
        return Draft(
            body=note.text,
            kind="note",
            namespace=record.namespace,
            thread=record.thread,
            session=record.session,
            derived_from=(record.id, *_grounds(note, record, before)),
            sources=(Source(f"record:{record.id}", note.start, note.end),),
            trust=Trust.AGENT,
            valid_from=record.valid_from,
            attributes={"position": note.position, "start": note.start, "end": note.end, "reads": record.id},
        )


def _grounds(note: Note, record: Record, before: Sequence[Record]) -> list[str]:
    """The earlier turns that a note also rests on: those that hold a long word of it which its own record lacks."""
    own = set(words(record.body))
    needed = {word for word in words(note.text) if len(word) > 3 and word not in own}
    return [earlier.id for earlier in before if needed & set(words(earlier.body))]


def _note_of(record: Record) -> Note | None:
    position = record.attributes.get("position")
    if record.kind != "note" or not isinstance(position, int):
        return None
    start, end = record.attributes.get("start"), record.attributes.get("end")
    return Note(position, record.body, start if isinstance(start, int) else 0, end if isinstance(end, int) else 0)
