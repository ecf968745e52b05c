"""Chooses which memories a question goes to. Routers are plugins (`agentmem.routers`); this one has hard rules only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agentmem.contract import Capability
from agentmem.records import Query, QueryKind


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that could be asked."""

    name: str
    capabilities: Capability


@dataclass(frozen=True, slots=True)
class Situation:
    """What a router knows besides the question.

    ``live`` is how many live records are in scope, counted up to ``context_tokens``; ``ranking``: hits will be ranked
    and quoted, so a memory that returns everything is of no use; ``history_tokens`` the size of all live text in scope,
    None when not counted.
    """

    candidates: Sequence[Candidate]
    live: int
    ranking: bool = False
    history_tokens: int | None = None
    context_tokens: int = 3_000


@dataclass(frozen=True, slots=True)
class Route:
    """Which memories are asked and why, and why the others are not."""

    memories: tuple[str, ...]
    reason: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    kind: QueryKind = QueryKind.UNKNOWN
    ms: float = 0.0


class Router(Protocol):
    def route(self, query: Query, situation: Situation) -> Route: ...


_KINDS = (
    (QueryKind.AGGREGATE, r"\b(how many|how often|how much in total|count|number of|list all|every time)\b"),
    (
        QueryKind.TEMPORAL,
        r"\b(when|what (date|day|year|month|time)|since|before|after|until|latest|last time|first time)\b",
    ),
    (QueryKind.GLOBAL, r"\b(summar\w+|overview|overall|in general|main (topics|points)|what do you know about)\b"),
    (QueryKind.MULTI_HOP, r"\b(whose|of the \w+ (who|that|which)|both|same \w+ as|(who|that|which) \w+ the \w+ of)\b"),
)


def kind_of(text: str) -> QueryKind:
    """A question's kind by its words; UNKNOWN when nothing tells."""
    lowered = text.lower()
    for kind, pattern in _KINDS:
        if re.search(pattern, lowered):
            return kind
    return QueryKind.UNKNOWN


class RulesRouter:
    """Hard rules: nothing stored, everything fits, an earlier time, otherwise every memory that ranks."""

    def route(self, query: Query, situation: Situation) -> Route:
        kind = query.kind if query.kind is not QueryKind.UNKNOWN else kind_of(query.text)
        names = [c.name for c in situation.candidates]
        parametric = [c.name for c in situation.candidates if Capability.PARAMETRIC in c.capabilities]
        if not situation.live and not parametric:
            return Route((), "nothing is stored in this namespace yet", dict.fromkeys(names, "empty"), kind)
        skipped: dict[str, str] = {}
        if query.as_of is not None:
            skipped |= {
                c.name: "holds the present only" for c in situation.candidates if Capability.AS_OF not in c.capabilities
            }
        fits = situation.history_tokens is not None and situation.history_tokens <= situation.context_tokens
        if "context" in names and "context" not in skipped:
            if fits and not situation.ranking:
                others = dict.fromkeys((n for n in names if n != "context"), "the whole history fits")
                return Route(("context",), "the whole history fits into the model's context", others, kind)
            skipped["context"] = "the hits are ranked" if situation.ranking else "the history is too long to show whole"
        chosen = tuple(n for n in names if n not in skipped)
        if not chosen:
            return Route((), "no memory that is switched on can answer for an earlier time", skipped, kind)
        return Route(chosen, f"asked every memory that ranks ({kind.value} question)", skipped, kind)


class StaticRouter:
    """Always asks the same memories: all of them, or those given."""

    def __init__(self, memories: Sequence[str] | None = None) -> None:
        self._memories = memories

    def route(self, query: Query, situation: Situation) -> Route:
        names = [c.name for c in situation.candidates]
        chosen = tuple(n for n in names if self._memories is None or n in self._memories)
        skipped = {n: "not among the memories given" for n in names if n not in chosen}
        return Route(chosen, "static", skipped, query.kind)
