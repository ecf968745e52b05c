"""THEANINE as the contract wants it: what is like the question, each with the timeline it lies on.

A memory is never dropped for being old: its successors are recalled with it, and ``path`` gives their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

from agentmem.contract import Capability, ChatModel, Context, Memory, MemoryConfig
from agentmem.hybrid import HybridIndex
from agentmem.records import Change, Draft, Hit, Link, Namespace, Proposal, Query, Recall, Record, Trust
from agentmem_theanine.config import TheanineConfig
from agentmem_theanine.sessions import RELATIONS, relation_of, sentences_of
from agentmem_theanine.timelines import Timelines, moment


class TheanineMemory(Memory):
    """Ong et al., "Towards Lifelong Dialogue Agents via Timeline-based Memory Management", 2025 (THEANINE)."""

    name = "theanine"
    kinds = frozenset({"turn", "chunk", "fact", "note"})
    capabilities = Capability.NEEDS_CHAT | Capability.NEEDS_EMBED
    Config = TheanineConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(TheanineConfig, self.config)
        self._index = HybridIndex(context)

    def apply(self, changes: Sequence[Change]) -> None:
        self._index.apply(changes)

    def recall(self, query: Query) -> Recall:
        """What is like the question; the best ones bring their timelines, whose order is each hit's path."""
        found = self._index.ranked(query)
        if not found:
            return Recall(abstain="nothing here is like the question")
        best = {record.id: Hit(record, score, "like the question") for record, score in found}
        timelines = Timelines((r for r in self._index.records() if query.admits(r)), RELATIONS)
        for record, score in found[: self._settings.anchors]:
            line = timelines.through(record.id, self._settings.longest)
            if len(line) < 2:
                continue
            path = tuple(member.id for member in line)
            for member in line:
                shared = round(score * self._settings.timeline_share, 6)
                known = best.get(member.id)
                if known is None or known.score < shared:
                    best[member.id] = Hit(member, shared, f"on the timeline of {record.id[:8]}", path)
                elif not known.path:
                    best[member.id] = Hit(member, known.score, known.why, path)
        return Recall.best(best.values(), query.k)

    def maintain(self, phase: str) -> Sequence[Proposal]:
        """At the end of a session and when idle: one finished session as linked memories, where there is a model."""
        chat = self.context.chat
        if chat is None or phase not in ("session", "idle"):
            return ()
        turns = self._next_session()
        return [self._memory(chat, turns, sentence) for sentence in sentences_of(chat, turns)] if turns else ()

    # ---- making memories

    def _next_session(self) -> list[Record]:
        """The turns of the oldest session that no memory of ours is derived from."""
        covered = {
            source
            for note in self.context.records.find(kinds=["note"])
            if note.attributes.get("memory") == self.name
            for source in note.derived_from
        }
        sessions: dict[tuple[Namespace, str | None, str | None], list[Record]] = defaultdict(list)
        for turn in self.context.records.find(kinds=["turn"]):
            sessions[turn.namespace, turn.thread, turn.session].append(turn)
        open_ = [turns for turns in sessions.values() if not covered & {turn.id for turn in turns}]
        return min(open_, key=lambda turns: turns[0].created_seq, default=[])

    def _memory(self, chat: ChatModel, turns: Sequence[Record], sentence: str) -> Draft:
        return Draft(
            body=sentence,
            kind="note",
            namespace=turns[0].namespace,
            derived_from=tuple(turn.id for turn in turns),
            trust=Trust.AGENT,
            valid_from=turns[-1].valid_from if turns[-1].valid_from is not None else turns[-1].recorded_at,
            links=tuple(self._links(chat, turns[0].namespace, sentence)),
            attributes={"memory": self.name},
            memories=(self.name,),
        )

    def _links(self, chat: ChatModel, namespace: Namespace, sentence: str) -> list[Link]:
        """Typed links to the older memories that the model relates to this one; the latest first."""
        near = self._index.ranked(Query(text=sentence, namespace=namespace, filters={"kind": "note"}))
        older = [record for record, score in near if score >= self._settings.least_likeness]
        chosen = sorted(older[: self._settings.candidates], key=moment, reverse=True)
        related = ((record, relation_of(chat, record.body, sentence)) for record in chosen)
        return [Link(relation, record.id) for record, relation in related if relation is not None]
