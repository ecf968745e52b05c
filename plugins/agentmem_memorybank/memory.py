"""MemoryBank as the contract wants it: turns and their summaries, ranked by relevance and by what is left of them.

Forgetting is this memory's own: a faded record is not recalled here, and stays what it is in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from agentmem.contract import Capability, Context, Memory, MemoryConfig
from agentmem.hybrid import HybridIndex
from agentmem.records import Change, Hit, Proposal, Query, Recall
from agentmem_memorybank.config import MemoryBankConfig
from agentmem_memorybank.retention import DAY_S, retention, strength
from agentmem_memorybank.summaries import summarise, unsummarised_days


class MemoryBankMemory(Memory):
    """Zhong et al., "MemoryBank: Enhancing Large Language Models with Long-Term Memory", 2024."""

    name = "memorybank"
    kinds = frozenset({"turn", "chunk", "fact", "summary"})
    capabilities = Capability.DECAY | Capability.NEEDS_EMBED | Capability.NEEDS_CHAT
    Config = MemoryBankConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(MemoryBankConfig, self.config)
        self._index = HybridIndex(context)

    def apply(self, changes: Sequence[Change]) -> None:
        self._index.apply(changes)

    def recall(self, query: Query) -> Recall:
        """Relevance, mixed with retention R = exp(-t/S); S grows with every recall that the core counted."""
        found = self._index.ranked(query)
        if not found:
            return Recall(abstain="nothing here is like the question")
        touched = self.context.records.touches([record.id for record, _ in found])
        now, share = self.context.clock.now(), self._settings.fading_share
        hits = []
        for record, relevance in found:
            times, last = touched.get(record.id, (0, record.recorded_at))
            kept = retention(now - max(last, record.recorded_at), strength(times, self._settings.strength_days))
            if kept < self._settings.forget_below:
                continue
            days = (now - max(last, record.recorded_at)) / DAY_S
            why = f"recalled {times} times, last {days:.1f} days ago; retention {kept:.2f}"
            hits.append(Hit(record, round((1 - share) * relevance + share * relevance * kept, 6), why))
        return Recall.best(hits, query.k)

    def maintain(self, phase: str) -> Sequence[Proposal]:
        """At the end of a session and when idle: summaries and portraits of finished days, where there is a model."""
        chat = self.context.chat
        if chat is None or phase not in ("session", "idle"):
            return ()
        days = unsummarised_days(self.context.records, self.name, self._settings.least_turns)
        return [draft for _, day, turns in list(days) for draft in summarise(chat, self.name, day, turns)]
