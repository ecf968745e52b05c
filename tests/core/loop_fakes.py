"""What the tests of the loop share: a memory of words, an agent on a scripted model, and ways to look at a home."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentmem.agent import Agent
from agentmem.contract import Capability, Memory
from agentmem.records import Change, Draft, Event, Hit, Proposal, Query, Recall, Record


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


class Words(Memory):
    """Recalls what shares words with the question; kept in memory only."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.held: dict[str, tuple[str, Record]] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.record is None:
                self.held.pop(change.record_id, None)
            else:
                self.held[change.record_id] = (change.text, change.record)

    def recall(self, query: Query) -> Recall:
        asked = words(query.text)
        scored = [(len(asked & words(text)), record) for text, record in self.held.values()]
        best = sorted((s for s in scored if s[0]), key=lambda s: (-s[0], s[1].id))[: query.k]
        return Recall(hits=tuple(Hit(record, float(score), "shares words") for score, record in best))


class Failing(Words):
    """A memory that always fails to recall."""

    def recall(self, query: Query) -> Recall:
        raise RuntimeError("the index is upside down")


class Noting(Words):
    """Derives one note from every turn."""

    capabilities = Capability.NONE

    def observe(self, event: Event) -> Sequence[Proposal]:
        if event.kind != "turn":
            return ()
        return [Draft(body=f"noted: {r.body}", kind="note", derived_from=(r.id,), memories=()) for r in event.records]


class FromWeights(Words):
    """Answers from weights: its hit is no record of the journal."""

    capabilities = Capability.PARAMETRIC

    def recall(self, query: Query) -> Recall:
        said = Record(id="weights:1", kind="completion", body="The capital of Velmark is Osterby.")
        return Recall(hits=(Hit(said, 1.0, "from the weights"),))


def open_agent(
    folder: Path, chat: Any = None, *, memories: dict[str, type[Memory]] | None = None, **keywords: Any
) -> Agent:
    """An agent with a memory of words and the hash embedder; ``chat`` None answers by quoting."""
    return Agent.open(folder, plugins=memories or {"words": Words}, embedder="hash", chat=chat, **keywords)


def bodies(agent: Agent, **keywords: Any) -> list[str]:
    return [record.body for record in agent.records(**keywords)]


def turns(agent: Agent, thread: str = "main", **keywords: Any) -> list[Record]:
    return list(agent.records(kinds=("turn",), thread=thread, **keywords))


def files_that_hold(folder: Path, text: str) -> list[str]:
    found = [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]
    return sorted(str(p.relative_to(folder)) for p in found)
