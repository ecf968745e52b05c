"""Answers with every live record of a scope, or abstains when they are too many. Keeps nothing of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from agentmem.contract import Capability, Memory
from agentmem.records import Change, CheckLine, Hit, Query, Recall, Record
from agentmem_context.config import ContextConfig

_TOKENS_AROUND = 8  # what a record costs besides its text: speaker, date, separators
_WORD = re.compile(r"\w+")


class ContextMemory(Memory):
    """The whole history while it fits."""

    name = "context"
    capabilities = Capability.AS_OF | Capability.SHARED_READ | Capability.WHOLE
    Config = ContextConfig

    def apply(self, changes: Sequence[Change]) -> None:
        """Nothing to do: the journal is read when asked."""

    @property
    def applied(self) -> int:
        """Always up to date."""
        return self.context.records.head()

    @applied.setter
    def applied(self, seq: int) -> None:
        """There is no cursor to move."""

    def recall(self, query: Query) -> Recall:
        """All records of the scope: those that share words with the question first, then the newest."""
        budget = cast(ContextConfig, self.config).budget_tokens
        live = self.context.records.count(namespace=query.namespace, kinds=sorted(self.kinds))
        if query.as_of is None and live * _TOKENS_AROUND > budget:
            return Recall(abstain=f"{live} records do not fit into {budget} tokens", signals={"size": float(live)})
        history: list[Record] = []
        tokens = 0
        found = self.context.records.find(namespace=query.namespace, kinds=sorted(self.kinds), as_of=query.as_of)
        for record in found:
            if query.admits(record) and (record.memories is None or self.name in record.memories):
                history.append(record)
                tokens += _TOKENS_AROUND + estimated_tokens(record.body)
                if tokens > budget:
                    return Recall(
                        abstain=f"the history does not fit into {budget} tokens", signals={"size": float(live)}
                    )
        if not history:
            return Recall(abstain="no record is kept here yet")
        asked = set(_WORD.findall(query.text.casefold()))
        hits = [_hit(record, asked, place / len(history)) for place, record in enumerate(history, 1)]
        hits.sort(key=lambda hit: (-hit.score, hit.record.id))
        return Recall(hits=tuple(hits[: query.k]), signals={"tokens": float(tokens), "size": float(len(history))})

    def check(self) -> Sequence[CheckLine]:
        return [CheckLine("ok", "context: reads the journal, keeps nothing")]

    def erase(self) -> None:
        """Nothing to free."""


def estimated_tokens(text: str) -> int:
    """Four characters of Latin script to a token, one of any other; no tokenizer is known here."""
    plain = sum(map(str.isascii, text))
    return (plain + 3) // 4 + len(text) - plain


def _hit(record: Record, asked: set[str], recency: float) -> Hit:
    shared = len(asked & set(_WORD.findall(record.body.casefold()))) / len(asked) if asked else 0.0
    return Hit(record, round(0.9 * shared + 0.1 * recency, 6), "the whole history")
