"""What flows through agentmem: records, drafts, changes, queries, hits. Plain frozen data; knows no store, no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Namespace = tuple[str, ...]
"""A path such as ("alice", "work"). A prefix is a scope: ("alice",) sees everything below it, () sees all."""


RECORDS_WITHOUT_TEXT = frozenset({"trace"})
"""Kinds whose bodies hold ids and numbers only: nothing that a person or a document said."""


class Status(StrEnum):
    """Where a record stands. Only active records are live: recalled, hashed and exported with the state."""

    ACTIVE = "active"
    PENDING = "pending"  # waits for approval
    SUPERSEDED = "superseded"  # a newer fact took its place
    RETRACTED = "retracted"  # no longer true; history stays
    ARCHIVED = "archived"  # forgotten reversibly
    ABSENT = "absent"  # its creation was undone or refused
    PURGED = "purged"  # physically gone


class Trust(StrEnum):
    """Who stands behind a record, from most to least trusted."""

    USER = "user"
    AGENT = "agent"
    TOOL = "tool"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Source:
    """A place that a record quotes: ``uri`` (path relative to its root, URL, …) and the span of characters in it."""

    uri: str
    start: int | None = None
    end: int | None = None
    digest: str | None = None  # of the whole source, so that a changed file is noticed


@dataclass(frozen=True, slots=True)
class Link:
    """A typed arrow to another record, such as ("supersedes", id) or ("causes", id)."""

    relation: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What should be remembered: a record that the journal has not accepted yet.

    ``derived_from`` names the records it was made from; ``supersedes`` those whose place it takes; ``memories`` those
    that may hold it (None: every memory that indexes its kind). ``valid_from`` and ``valid_to`` are world time,
    seconds since the epoch. ``blobs`` are named byte strings (safetensors, never pickle) that become durable with it.
    """

    body: str
    kind: str = "fact"
    namespace: Namespace = ()
    subject: str | None = None
    relation: str | None = None
    object: str | None = None
    thread: str | None = None
    session: str | None = None
    speaker: str | None = None
    sources: tuple[Source, ...] = ()
    derived_from: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    trust: Trust = Trust.USER
    valid_from: float | None = None
    valid_to: float | None = None
    links: tuple[Link, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)  # JSON values only
    memories: tuple[str, ...] | None = None
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    exact_undo: bool = True  # False when taking it back cannot be exact (declared by the memory that computed it)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A change that a memory proposes to an existing record: correct, retract, archive, restore or link it."""

    record_id: str
    op: str  # "correct" | "retract" | "archive" | "restore" | "link"
    body: str | None = None
    attributes: Mapping[str, Any] | None = None  # merged into the record's
    links: tuple[Link, ...] = ()
    reason: str = ""


Proposal = Draft | Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing remembered, as it stands (or stood, when read ``as_of`` an earlier time)."""

    id: str
    kind: str
    body: str
    namespace: Namespace = ()
    subject: str | None = None
    relation: str | None = None
    object: str | None = None
    thread: str | None = None
    session: str | None = None
    speaker: str | None = None
    sources: tuple[Source, ...] = ()
    derived_from: tuple[str, ...] = ()
    trust: Trust = Trust.USER
    valid_from: float | None = None
    valid_to: float | None = None
    links: tuple[Link, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    memories: tuple[str, ...] | None = None
    blobs: Mapping[str, str] = field(default_factory=dict)  # name -> sha256 of the blob's bytes
    status: Status = Status.ACTIVE
    version: int = 1
    recorded_at: float = 0.0  # transaction time of its creation, seconds since the epoch
    updated_at: float = 0.0  # transaction time of its last change
    created_seq: int = 0  # its place in the journal; the order of events
    version_id: int = 0  # id of the row that holds this body; never reused

    @property
    def is_live(self) -> bool:
        return self.status is Status.ACTIVE


@dataclass(frozen=True, slots=True)
class Change:
    """What a view has to bring into its index.

    ``record`` is what the view shall hold under ``record_id`` from now on, or None when it shall hold nothing (any
    more). ``text`` is what to index: the body with its context, for a turn its session date and the turns around it.
    Changes come in the order of ``seq``; the same change may come again, and one record's earlier changes may be left
    out (unless the view declares AS_OF).
    """

    seq: int
    record_id: str
    record: Record | None
    text: str = ""
    at: float = 0.0  # transaction time
    op: str = "add"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened and has been written down already; memories may derive more from it.

    kind: "turn", "fact", "chunk", "tool", "edit" (``requests`` holds EditRequest), "outcome" (``data`` says how a task
    ended), "session_end". ``records`` are the raw records of the event, ``before`` the turns that came before it.
    """

    kind: str
    records: tuple[Record, ...] = ()
    before: tuple[Record, ...] = ()
    namespace: Namespace = ()
    requests: tuple[EditRequest, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequest:
    """A fact to be put into weights. Prompts may hold ``{}`` for the subject; targets are what should follow."""

    subject: str
    prompt: str
    target: str
    relation: str | None = None
    paraphrases: tuple[str, ...] = ()
    preserve: tuple[str, ...] = ()  # other prompts about the subject whose answers must stay
    locality: tuple[str, ...] = ()  # prompts about other subjects whose answers must stay
    namespace: Namespace = ()
    record_id: str | None = None  # the record that states the fact, when there is one


class QueryKind(StrEnum):
    SINGLE = "single"
    MULTI_HOP = "multi-hop"
    TEMPORAL = "temporal"
    AGGREGATE = "aggregate"
    GLOBAL = "global"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to a memory. ``as_of`` is transaction time in seconds; ``vector`` spares a second embedding."""

    text: str
    namespace: Namespace = ()
    k: int = 10
    kind: QueryKind = QueryKind.UNKNOWN
    as_of: float | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)  # kind, speaker, session, thread: value or list of values
    speaker: str | None = None
    session: str | None = None
    thread: str | None = None
    vector: Any = None  # numpy array (d,), float32, or None

    def admits(self, record: Record) -> bool:
        """Whether a record may answer: live, within the namespace, and equal to every filter that is set."""
        if record.status is not Status.ACTIVE or (self.namespace and not in_scope(record.namespace, self.namespace)):
            return False
        for name, wanted in self.filters.items():
            have = getattr(record, name, None)
            if have not in wanted if isinstance(wanted, (list, tuple, set, frozenset)) else have != wanted:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Hit:
    """One record that answers, with its score (higher is better), the reason, and the path that led to it."""

    record: Record
    score: float
    why: str = ""
    path: tuple[str, ...] = ()
    memory: str = ""  # filled in by the core

    @property
    def record_id(self) -> str:
        return self.record.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What a memory answers: at most ``k`` hits, best first, or ``abstain`` with the reason.

    ``signals`` are numbers for the router (margin, entropy, scope, confidence, …); ``channels`` are white-box side
    channels (adapters, KV, logits), mostly empty. ``ms``, ``error`` and ``memory`` are filled in by the core.
    """

    hits: tuple[Hit, ...] = ()
    signals: Mapping[str, float] = field(default_factory=dict)
    abstain: str | None = None
    channels: Mapping[str, Any] = field(default_factory=dict)
    memory: str = ""
    ms: float = 0.0
    error: str | None = None

    @classmethod
    def best(cls, hits: Iterable[Hit], k: int, *, signals: Mapping[str, float] | None = None) -> Recall:
        """The ``k`` best of some hits, ties by record id."""
        ranked = sorted(hits, key=lambda hit: (-hit.score, hit.record.id))
        return cls(hits=tuple(ranked[: max(k, 0)]), signals=signals or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a draft may become active, why, and the figures it was judged by."""

    accepted: bool
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of ``agentmem doctor``: level is "ok", "note", "warning" or "error"; remedy says what to do."""

    level: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a writing verb did: one transaction. Give it (or its id) to ``undo``."""

    id: str
    verb: str
    at: float = 0.0
    record_ids: tuple[str, ...] = ()
    seqs: tuple[int, ...] = ()
    change_ids: tuple[str, ...] = ()  # pending changes, to approve or refuse
    notes: tuple[str, ...] = ()  # what could not be done, was skipped or redacted, in sentences
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)  # record id -> admission

    @property
    def record_id(self) -> str:
        """The first record of the transaction: what ``remember`` wrote."""
        if not self.record_ids:
            raise ValueError(f"receipt {self.id} of '{self.verb}' touched no record")
        return self.record_ids[0]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of one record, with who made it and why; ``body`` is None once it was purged."""

    seq: int
    receipt_id: str
    op: str
    at: float
    actor: str
    reason: str
    status: Status
    version: int
    body: str | None
    cause: str | None = None
    exact_undo: bool = True


def path_of(namespace: Sequence[str]) -> str:
    """A namespace as a sortable text in which every scope is a prefix: ("a", "b") -> "/a/b/"."""
    return "/" + "".join(part.replace("%", "%25").replace("/", "%2F") + "/" for part in namespace)


def namespace_of(path: str) -> Namespace:
    """The inverse of `path_of`."""
    return tuple(p.replace("%2F", "/").replace("%25", "%") for p in path.split("/") if p)


def in_scope(namespace: Namespace, scope: Namespace) -> bool:
    return namespace[: len(scope)] == scope
