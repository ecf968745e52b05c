"""What a turn tells whoever listens: the terminal, ``--json``, traces. Frozen data, in the order of their happening.

A turn begins with `TurnStarted` and ends with exactly one of `Answered` and `TurnFailed`. This module knows neither the
loop that emits nor the screens that show.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from agentmem.records import Hit, Namespace, Receipt, Record


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn, or one call of a model, has used. ``money`` is in US dollars; 0 when no price is known."""

    steps: int = 0
    calls: int = 0  # of a chat model
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Citation:
    """A record that the answer rests on. ``number`` is the [n] in the text; ``quote`` the words that support it."""

    number: int
    hit: Hit
    quote: str = ""

    @property
    def record(self) -> Record:
        return self.hit.record

    @property
    def record_id(self) -> str:
        return self.hit.record.id

    @property
    def memory(self) -> str:
        """Which memory brought it."""
        return self.hit.memory

    @property
    def score(self) -> float:
        return self.hit.score


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of a turn. ``stopped`` says why the answer is cut short (a limit, a failure, a cancel), else ""."""

    text: str
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()  # what was shown to the model, best first
    receipts: tuple[Receipt, ...] = ()
    cost: Cost = Cost()
    trace: str | None = None  # id of the record that holds the turn's trace; None when nothing was written
    turn: str = ""
    thread: str = ""
    model: str = ""
    stopped: str = ""
    notes: tuple[str, ...] = ()  # what was redacted, refused, waits for approval


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a turn; ``at`` is seconds since the epoch."""

    turn: str
    thread: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(Event):
    text: str
    namespace: Namespace = ()
    session: str | None = None
    speaker: str | None = None
    model: str = ""
    incognito: bool = False
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed(Event):
    """Which memories are asked, why, and why others are not; again when the router has more asked, or abstains."""

    memories: tuple[str, ...]
    reason: str
    kind: str = ""  # of the question
    skipped: Mapping[str, str] = field(default_factory=dict)
    abstain: str = ""  # why nothing that came can support an answer
    decision: Mapping[str, Any] = field(default_factory=dict)  # what it was decided by, in JSON values
    ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAsked(Event):
    memory: str
    query: str
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled(Event):
    """One memory's own answer: hits, an abstention with its reason, or an error."""

    memory: str
    hits: tuple[Hit, ...] = ()
    ms: float = 0.0
    abstain: str | None = None
    error: str | None = None
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed(Event):
    """What the answer may rest on: fused hits, best first, and what was left out and why."""

    hits: tuple[Hit, ...]
    tokens: int = 0
    dropped: tuple[str, ...] = ()
    ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Event):
    """A piece of the answer as it is being written."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled(Event):
    """One call of the chat model has ended."""

    model: str
    cost: Cost
    ms: float = 0.0
    first_token_ms: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled(Event):
    call_id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReturned(Event):
    """``ok`` is False when the tool failed or was refused; ``text`` is what the model is told."""

    call_id: str
    name: str
    text: str
    ok: bool = True
    ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Event):
    """Something was written to the journal; give the receipt to ``undo``."""

    receipt: Receipt
    records: tuple[Record, ...] = ()
    what: str = ""  # in words: "the exchange", "2 facts", "a correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingApproval(Event):
    """A change waits in the journal for ``approve(change_id)`` or ``refuse(change_id)``."""

    change_id: str
    record: Record
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """A sentence for the user; level is "note" or "warning". ``kept``: with its words in the turn's trace."""

    text: str
    level: str = "note"
    kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFailed(Event):
    """The turn ended without an answer; with ``resumable`` it can be resumed or discarded."""

    error: str
    kind: str = "AgentmemError"  # the name of the error's class
    resumable: bool = False
    cause: BaseException | None = field(default=None, repr=False, compare=False)


def name_of(event: Event) -> str:
    """``turn_started`` for a TurnStarted."""
    return _in_words(type(event).__name__)


@cache
def _in_words(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def as_dict(event: Event) -> dict[str, Any]:
    """An event as JSON values, with its name under ``event``; records and hits in full."""
    plain = _plain(event)
    assert isinstance(plain, dict)
    return {"event": name_of(event), **plain}


def as_json(event: Event) -> str:
    return json.dumps(as_dict(event), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        kept = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {k: _plain(v) for k, v in kept.items() if v not in (None, (), {}, "") or k in ("id", "body")}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "cause"}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
