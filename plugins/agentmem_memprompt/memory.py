"""Corrections and experience as the contract wants them: learnt from feedback and outcomes, recalled by likeness.

A clarification (MemPrompt) is kept when a person says how a question was meant; a rationale (ARM-RAG) only when its
answer was checked. Both are records of the kind "insight" whose ``question`` is the key they are found by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from agentmem.contract import Capability, Context, Memory, MemoryConfig, Vectors
from agentmem.records import Change, Draft, Event, Hit, Proposal, Query, Recall, Record, Trust
from agentmem.wordindex import words
from agentmem_memprompt.config import MemPromptConfig
from agentmem_memprompt.keys import edits, hidden


class MemPromptMemory(Memory):
    """Madaan et al., "Memory-assisted prompt editing", 2022; Melz, "Enhancing LLM intelligence with ARM-RAG", 2023."""

    name = "memprompt"
    kinds = frozenset({"insight"})
    capabilities = Capability.FEEDBACK | Capability.NEEDS_EMBED
    Config = MemPromptConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(MemPromptConfig, self.config)
        self._held: dict[str, tuple[Record, str]] = {}  # id -> record and the key it is found by
        self._vectors: dict[str, Vectors] = {}

    # ---- learning

    def feedback(self, event: Event) -> Sequence[Proposal]:
        """A person's clarification of an answered question: ``data`` holds ``question`` and ``clarification``."""
        return self._learn(event, "clarification", checked=True)

    def observe(self, event: Event) -> Sequence[Proposal]:
        """The end of a task: ``data`` holds ``question``, ``rationale`` and whether its answer is ``verified``."""
        if event.kind != "outcome":
            return ()
        found = [*self._learn(event, "clarification", checked=True)]
        return [*found, *self._learn(event, "rationale", checked=event.data.get("verified") is True)]

    def _learn(self, event: Event, what: str, *, checked: bool) -> list[Draft]:
        question, learnt = _text(event.data.get("question")), _text(event.data.get(what))
        if not (checked and question and learnt and event.records):
            return []
        return [
            Draft(
                body=learnt,
                kind="insight",
                namespace=event.namespace or event.records[0].namespace,
                derived_from=tuple(record.id for record in event.records),
                trust=Trust.USER if what == "clarification" else Trust.AGENT,
                attributes={"question": question, "learnt": what},
                memories=(self.name,),
            )
        ]

    # ---- the view

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._held.pop(change.record_id, None)
            self._vectors.pop(change.record_id, None)
            if change.record is not None:
                self._held[change.record_id] = (change.record, self._key(change.record))

    def recall(self, query: Query) -> Recall:
        """What was learnt from questions like this one; nothing when none is like it enough."""
        rationale_key = hidden(query.text) if self._settings.hide_names else query.text
        hits = []
        for record, key in list(self._held.values()):
            if query.admits(record):
                asked = rationale_key if record.attributes.get("learnt") == "rationale" else query.text
                like = self._likeness(record.id, asked, key)
                if like > 0 and like >= self._settings.least_likeness:
                    source = _text(record.attributes.get("question")) or record.body
                    hits.append(Hit(record, like, f"learnt from: {source[:80]}", record.derived_from))
        return (
            Recall.best(hits, query.k) if hits else Recall(abstain="nothing was learnt from a question like this one")
        )

    def _key(self, record: Record) -> str:
        question = _text(record.attributes.get("question")) or record.body
        hides = self._settings.hide_names and record.attributes.get("learnt") == "rationale"
        return hidden(question) if hides else question

    def _likeness(self, record_id: str, asked: str, key: str) -> float:
        """1 for questions within a few edits, else the better of cosine and share of common words."""
        if asked == key or (len(key) > 4 * self._settings.most_edits and self._nearly(asked, key)):
            return 1.0
        one, other = set(words(asked)), set(words(key))
        shared = len(one & other) / len(one | other) if one | other else 0.0
        return round(max(shared, self._cosine(record_id, asked, key)), 6)

    def _nearly(self, asked: str, key: str) -> bool:
        return len(key) < 2_000 and edits(asked, key, self._settings.most_edits) <= self._settings.most_edits

    def _cosine(self, record_id: str, asked: str, key: str) -> float:
        vectors = self.context.vectors
        if vectors is None or not asked.strip() or not key.strip():
            return 0.0
        if record_id not in self._vectors:
            self._vectors[record_id] = vectors.of_query(key).astype(np.float64)
        return float((self._vectors[record_id] * vectors.of_query(asked)).sum())


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
