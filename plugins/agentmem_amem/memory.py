"""A-MEM as the contract wants it: a note is a derived record beside the text it is about; links are the record's links.

A recalled note stands for its text. Evolution writes a new version of a note, so the old one can be read as of then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import cast

from agentmem.contract import Capability, Context, Memory, MemoryConfig
from agentmem.hybrid import HybridIndex
from agentmem.records import Change, Draft, Event, Hit, Link, Proposal, Query, Recall, Record, Trust, Update
from agentmem_amem.config import AMemConfig
from agentmem_amem.notes import Analysis, Evolution, analyse, evolve

_RELATED = "related"


class AMemMemory(Memory):
    """Xu et al., "A-MEM: Agentic Memory for LLM Agents", 2025."""

    name = "amem"
    kinds = frozenset({"turn", "chunk", "fact", "note"})
    capabilities = Capability.NEEDS_CHAT | Capability.NEEDS_EMBED
    Config = AMemConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(AMemConfig, self.config)
        self._index = HybridIndex(context)
        self._notes: Notes | None = None  # who links to whom; made at the first question after a change

    # ---- the three verbs

    def observe(self, event: Event) -> Sequence[Proposal]:
        """A note for each new text, linked to those it belongs with; without a model, none."""
        if self.context.chat is None or event.kind not in ("turn", "fact", "chunk"):
            return ()
        return [proposal for record in event.records for proposal in self._noted(record)]

    def apply(self, changes: Sequence[Change]) -> None:
        self._index.apply(changes)
        self._notes = None

    def recall(self, query: Query) -> Recall:
        """Texts like the question, by their own words or their note's, then what their notes link to."""
        best: dict[str, Hit] = {}
        for record, score in self._index.ranked(query):
            for text in self._texts_of(record):
                if query.admits(text) and text.id not in best:
                    why = "like the question" if text is record else "its note is like the question"
                    best[text.id] = Hit(text, score, why, (record.id, text.id) if text is not record else ())
        anchors = sorted(best.values(), key=lambda hit: (-hit.score, hit.record.id))[: self._settings.anchors]
        for hit in anchors:
            for linked in self._linked(hit.record):
                score = round(hit.score * self._settings.link_share, 6)
                if query.admits(linked) and (linked.id not in best or best[linked.id].score < score):
                    best[linked.id] = Hit(linked, score, f"linked to {hit.record.id[:8]}", (hit.record.id, linked.id))
        return Recall.best(best.values(), query.k) if best else Recall(abstain="no note or text is like the question")

    # ---- notes

    def _noted(self, record: Record) -> list[Proposal]:
        chat = self.context.chat
        analysis = analyse(chat, record.body) if chat is not None else None
        if chat is None or analysis is None:
            return []
        near = self._neighbours(record)
        found = evolve(chat, analysis.body(), [self._shown(other) for other in near]) if near else None
        links = tuple(Link(_RELATED, near[place].id) for place in dict.fromkeys(found.links)) if found else ()
        note = Draft(
            body=analysis.body(),
            kind="note",
            namespace=record.namespace,
            derived_from=(record.id,),
            trust=Trust.AGENT,
            valid_from=record.valid_from,
            links=links,
            attributes={"memory": self.name, **analysis.model_dump()},
            memories=(self.name,),
        )
        return [note, *self._rewritten(near, found)]

    def _rewritten(self, near: Sequence[Record], found: Evolution | None) -> list[Proposal]:
        if found is None or not self._settings.evolve or "update_neighbor" not in found.actions:
            return []
        updates: list[Proposal] = []
        for rewrite in found.rewrites:
            for note in self._notes_of(near[rewrite.neighbour]):
                kept = Analysis(keywords=note.attributes["keywords"], context=rewrite.context, tags=rewrite.tags)
                updates.append(
                    Update(
                        record_id=note.id,
                        op="correct",
                        body=kept.body(),
                        attributes=kept.model_dump(),
                        reason="a newer note changes how it is understood",
                    )
                )
        return updates

    def _neighbours(self, record: Record) -> list[Record]:
        """The texts nearest to a new one, in its own namespace."""
        near: dict[str, Record] = {}
        for found, _ in self._index.ranked(Query(text=record.body[:2000], namespace=record.namespace)):
            for text in self._texts_of(found):
                if text.id != record.id and text.namespace == record.namespace:
                    near.setdefault(text.id, text)
        return list(near.values())[: self._settings.neighbours]

    def _shown(self, record: Record) -> str:
        note = next(iter(self._notes_of(record)), None)
        return f"{record.body[:500]} ({note.attributes['context']})" if note else record.body[:500]

    def _is_ours(self, record: Record) -> bool:
        return record.kind == "note" and record.attributes.get("memory") == self.name

    def _texts_of(self, record: Record) -> list[Record]:
        """The texts that a note is about; any other record stands for itself."""
        if not self._is_ours(record):
            return [record]
        return [text for text in map(self._index.get, record.derived_from) if text is not None]

    def _notes_of(self, record: Record) -> list[Record]:
        if self._notes is None:
            self._notes = Notes(filter(self._is_ours, self._index.records()))
        return self._notes.about.get(record.id, [])

    def _linked(self, record: Record) -> list[Record]:
        """Texts that this one's notes link to, and texts whose notes link to it."""
        out = [link.target for note in self._notes_of(record) for link in note.links if link.relation == _RELATED]
        back = self._notes.linking_to.get(record.id, []) if self._notes is not None else []
        found = map(self._index.get, dict.fromkeys([*out, *back]))
        return [text for text in found if text is not None and text.id != record.id]


class Notes:
    """Notes by the text that they are about, and texts by what their notes link to."""

    def __init__(self, notes: Iterable[Record]) -> None:
        self.about: dict[str, list[Record]] = defaultdict(list)
        self.linking_to: dict[str, list[str]] = defaultdict(list)
        for note in notes:
            for text_id in note.derived_from:
                self.about[text_id].append(note)
                for link in note.links:
                    if link.relation == _RELATED:
                        self.linking_to[link.target].append(text_id)
