"""What a router is told, what it answers, and the contract between. Routers are plugins (`agentmem.routers`).

The routers that come along are in `agentmem.routing`. Knows no memory by name and reads no store.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from agentmem.contract import Calibration, Capability, ChatModel
from agentmem.gain import Weighed
from agentmem.records import Hit, Query, QueryKind, Recall

Probe = Callable[[Sequence[str]], Sequence[Recall]]
"""Asks memories for the sake of their signals, readonly; what they answer is used again if they are chosen."""
Weigh = Callable[[Sequence[str]], Weighed | None]
"""What a model answers by itself and from these passages, and how sure of it it is; None when it cannot tell."""
Likeness = Callable[[Sequence[str]], float | None]
"""How near the nearest passage comes to the question in meaning, names aside (a cosine); None when nobody can tell."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that could be asked."""

    name: str
    capabilities: Capability
    calibration: Calibration = field(default_factory=Calibration)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a router knows besides the question.

    ``live`` is how many live records are in scope, counted up to ``context_tokens``; ``ranking``: hits will be ranked
    and quoted, so a memory that returns everything is of no use; ``history_tokens`` the size of all live text in scope,
    None when not counted. ``kinds`` counts live records in scope by kind; ``subjects`` are the subjects of live facts
    and edits that the question names, with the kinds of those records; ``speakers`` who speaks in scope, case-folded (a
    name that every other turn bears tells nothing). ``learned`` is what this home has learnt of its own history (JSON
    values). ``weigh`` and ``likeness`` are there when a model of this home may be asked how sure it is; they cost a
    look at it, and raise ModelError or BudgetExceeded when it fails.
    """

    candidates: Sequence[Candidate]
    live: int
    ranking: bool = False
    history_tokens: int | None = None
    context_tokens: int = 3_000
    kinds: Mapping[str, int] = field(default_factory=dict)
    subjects: Mapping[str, frozenset[str]] = field(default_factory=dict)
    speakers: frozenset[str] = frozenset()
    probe: Probe | None = None
    chat: ChatModel | None = None
    learned: Mapping[str, Any] | None = None
    weigh: Weigh | None = None
    likeness: Likeness | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Which memories are asked and why, and why the others are not.

    ``width``: by how much more hits than usual should be kept (a question that counts needs all of them). ``abstain``:
    why there is nothing to answer with. ``decision`` is what the choice was made by, in JSON values; it is recorded.
    ``notes``: sentences for whoever is answered; they are told and not recorded.
    """

    memories: tuple[str, ...]
    reason: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    kind: QueryKind = QueryKind.UNKNOWN
    ms: float = 0.0
    width: int = 1
    abstain: str = ""
    decision: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Router(Protocol):
    def route(self, query: Query, situation: Situation) -> Route:
        """Every candidate is either asked or skipped with a reason; the same question takes the same route."""
        ...


@runtime_checkable
class Escalates(Protocol):
    """A router that looks at what came, and may ask once more."""

    def escalate(self, query: Query, situation: Situation, route: Route, recalls: Sequence[Recall]) -> Route | None:
        """Another route when the evidence does not suffice (memories that answered already are not asked again)."""
        ...


@runtime_checkable
class Widens(Protocol):
    """A router that looks at what would be shown, and may keep more of it."""

    def widen(self, query: Query, route: Route, hits: Sequence[Hit]) -> Route | None:
        """A wider route when the fused hits (best first, with further hops) leave the question open."""
        ...


_KINDS = (
    (QueryKind.AGGREGATE, r"\b(how many|how often|how much in total|count|number of|list all|every time|all the)\b"),
    (
        QueryKind.TEMPORAL,
        r"\b(when|what (date|day|year|month|time)|since|before|after|until|latest|last time|first time|formerly|"
        r"former|used to|once)\b",
    ),
    (QueryKind.GLOBAL, r"\b(summar\w+|overview|overall|in general|main (topics|points)|what do you know about)\b"),
    (
        QueryKind.MULTI_HOP,
        r"\b(whose|of the \w+ (who|that|which|where|of|in|from)|both|same \w+ as|(who|that|which|where) \w+ the \w+ of|"
        r"the \w+ (where|that|which|who) .+ (of|by|in|for))\b",
    ),
)


def kind_of(text: str) -> QueryKind:
    """A question's kind by its words; UNKNOWN when nothing tells."""
    lowered = text.lower()
    for kind, pattern in _KINDS:
        if re.search(pattern, lowered):
            return kind
    return QueryKind.UNKNOWN
