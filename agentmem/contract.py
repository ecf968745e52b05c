"""What a memory is: three verbs, a few hooks with harmless defaults, and everything it may touch in one context.

    observe(event)   proposes what else should be remembered; may call a model
    apply(changes)   brings the memory's own index up to date; deterministic, idempotent, no model, no network
    recall(query)    reads

The journal owns the records; a memory is a view of them that can be thrown away and built again. Verbs are
synchronous; the core runs them under a deadline.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Flag, auto
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from agentmem.records import (
    Change,
    CheckLine,
    Draft,
    Event,
    Namespace,
    Proposal,
    Query,
    Recall,
    Record,
    Status,
    Verdict,
)

API_VERSION = 1
"""Raised when a memory written for the old contract would no longer work."""

Vectors = NDArray[np.float32]


class Capability(Flag):
    """What a memory declares about itself; never guessed."""

    NONE = 0
    AS_OF = auto()  # recall answers for an earlier transaction time
    APPROXIMATE = auto()  # may miss hits that exact search would find
    NEEDS_CHAT = auto()  # observe or recall call the chat model
    NEEDS_EMBED = auto()
    NEEDS_LOCAL_MODEL = auto()
    BATCH = auto()  # better given many edits at once
    DECAY = auto()  # scores fall with time
    FEEDBACK = auto()  # learns from outcomes
    SEGMENT = auto()  # wants to be asked while text is read or written
    SHARED_READ = auto()  # a second process may open and read its files; see `Memory.apply`
    PARAMETRIC = auto()  # answers from weights: hits are not records of the journal
    WHOLE = auto()  # answers with everything in scope, whatever is asked: there is nothing to rank


class MemoryConfig(BaseModel):
    """Base of a memory's settings: closed, so that a misspelt key is an error that names the right ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a memory's scores count beside those of others: its weight, other weights for some kinds of records, scale.

    Scores are stretched between a memory's best and worst hit; ``logarithmic``: their logarithms are (for scores that
    are probabilities of a walk). The weights of the memories that answered are taken relative to each other.
    """

    weight: float = 0.5
    kinds: Mapping[str, float] = field(default_factory=dict)
    logarithmic: bool = False

    def of(self, kind: str) -> float:
        return self.kinds.get(kind, self.weight)


class RecordReader(Protocol):
    """Reads records; what a plugin sees of the journal."""

    def get(self, record_id: str, *, as_of: float | None = None) -> Record | None: ...

    def get_many(self, record_ids: Sequence[str], *, as_of: float | None = None) -> dict[str, Record]:
        """The records with these ids, whatever their status; ids that are unknown or purged are left out."""
        ...

    def find(
        self,
        *,
        namespace: Namespace = (),
        kinds: Sequence[str] | None = None,
        statuses: Sequence[Status] = (Status.ACTIVE,),
        thread: str | None = None,
        session: str | None = None,
        subject: str | None = None,
        as_of: float | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """Records in journal order. ``subject`` compares case-blind."""
        ...

    def children(self, record_id: str) -> list[Record]:
        """Live records that were derived from this one."""
        ...

    def count(self, *, namespace: Namespace = (), kinds: Sequence[str] | None = None) -> int:
        """How many live records there are."""
        ...

    def head(self) -> int:
        """The last sequence number of the journal."""
        ...

    def touches(self, record_ids: Sequence[str]) -> dict[str, tuple[int, float]]:
        """How often and when last (seconds since the epoch) each record answered; those that never did are left out."""
        ...


class BlobReader(Protocol):
    def read(self, digest: str) -> bytes: ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""
        ...


class Embedder(Protocol):
    """Turns texts into unit vectors. ``model_id`` and ``dim`` are stored with every index made with it."""

    @property
    def model_id(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(len(texts), dim), float32, rows of length one. The result for a text never depends on its neighbours."""
        ...

    def count_tokens(self, text: str) -> int: ...


class VectorStore(Protocol):
    """Vectors of records, kept by (embedder, version row), computed once and shared by every memory."""

    def of_changes(self, changes: Sequence[Change]) -> Vectors:
        """(len(changes), dim) for the ``text`` of changes that have a record; computes and keeps what is missing."""
        ...

    def of_query(self, text: str) -> Vectors:
        """(dim,); recent queries are cached."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    role: str  # "system", "user", "assistant"
    content: str


class ChatModel(Protocol):
    """The chat model as plugins see it: text in, text out, charged to the budget."""

    @property
    def name(self) -> str: ...

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        """The reply. With ``schema`` (JSON Schema) the reply is JSON that the caller must still check.

        Raises ModelError, or BudgetExceeded before the call.
        """
        ...


@runtime_checkable
class LocalModel(Protocol):
    """A causal LM in this process whose weights can be edited: one lock over generating, mounting and editing."""

    @property
    def fingerprint(self) -> str:
        """A hash of the base weights; edits are refused on any other."""
        ...

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int = 32,
        stop: Sequence[str] = (),
        base: bool = False,
        namespace: Namespace = (),
        as_of: float | None = None,
    ) -> list[str]:
        """Greedy continuations up to a stop token, without the prompt. ``base``: with nothing mounted."""
        ...

    def logits(self, prompts: Sequence[str], *, base: bool = False, namespace: Namespace = ()) -> list[Vectors]:
        """For each prompt (seq, vocab), float32."""
        ...

    def mount(
        self, memory: Memory, namespace: Namespace = (), as_of: float | None = None
    ) -> AbstractContextManager[None]:
        """Mount the memory's live edits; as a context manager they are unmounted at its end."""
        ...

    def unmount(self, memory: Memory) -> None:
        """End the memory's standing mount and take its edits off."""
        ...


class Budget(Protocol):
    """What may still be spent in this turn; charging past it raises BudgetExceeded."""

    def charge(self, *, tokens: int = 0, calls: int = 0, money: float = 0.0, seconds: float = 0.0) -> None: ...

    def left(self) -> Mapping[str, float]: ...


def _ignore(_kind: str, _data: Mapping[str, Any]) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a plugin may touch. ``data_dir`` is its own folder; nothing is written outside it."""

    records: RecordReader
    blobs: BlobReader
    clock: Clock
    rng: random.Random
    new_id: Callable[[], str]
    data_dir: Path
    embedder: Embedder | None = None
    vectors: VectorStore | None = None
    chat: ChatModel | None = None
    local_model: LocalModel | None = None
    budget: Budget | None = None
    readonly: bool = False
    emit: Callable[[str, Mapping[str, Any]], None] = field(default=_ignore)  # events for whoever watches


class Memory(ABC):
    """The base of every memory plugin.

    Construction is light: open files and models on first use. Persistent memories override ``applied`` so that
    the number is stored with their data; the default keeps it in memory, so the index is built again at every start.
    """

    api_version: ClassVar[int] = API_VERSION
    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]] = frozenset({"turn", "chunk", "fact", "note", "triple", "summary", "insight"})
    capabilities: ClassVar[Capability] = Capability.NONE
    Config: ClassVar[type[MemoryConfig]] = MemoryConfig
    calibration: ClassVar[Calibration] = Calibration()

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        self.context = context
        self.config = config if config is not None else self.Config()
        self._applied = 0

    # ---- the three verbs

    def observe(self, event: Event) -> Sequence[Proposal]:
        """What else should be remembered after this event: derived drafts (``derived_from`` set) and updates."""
        return ()

    @abstractmethod
    def apply(self, changes: Sequence[Change]) -> None:
        """Bring the index up to date. Idempotent; the content depends on the live set, not on batches or order.

        With SHARED_READ and a ``readonly`` context it is given what the owner of the files has not applied yet: to be
        held in memory over the files, until ``applied`` (the files' own) has passed it.
        """

    @abstractmethod
    def recall(self, query: Query) -> Recall:
        """The hits, best first, at most ``query.k``, within ``query.namespace``; ties broken by record id."""

    # ---- the cursor

    @property
    def applied(self) -> int:
        """The last sequence number that is in the index."""
        return self._applied

    @applied.setter
    def applied(self, seq: int) -> None:
        """Set by the core after ``apply``; persistent memories make it durable, at the latest here."""
        self._applied = seq

    # ---- hooks, all optional

    def admit(self, draft: Draft) -> Verdict:
        """A verdict with figures before a draft of this memory becomes active."""
        return Verdict(accepted=True)

    def maintain(self, phase: str) -> Sequence[Proposal]:
        """Called after a turn, at the end of a session and when idle (phase "turn", "session", "idle")."""
        return ()

    def feedback(self, event: Event) -> Sequence[Proposal]:
        """How an answer fared: which hits were cited, what the user said of it."""
        return ()

    def segment(self, text: str) -> Sequence[Draft]:
        """Notes on the last segment of a text that arrives in pieces (SEGMENT; `Agent.listen` calls it)."""
        return ()

    def view(self, messages: Sequence[Any]) -> Sequence[Any]:
        """The visible context, transformed (LangChain messages in, messages out)."""
        return messages

    @classmethod
    def missing(cls) -> str:
        """What this memory needs and does not find, and how to get it, in a sentence; empty when all is there."""
        return ""

    def check(self) -> Sequence[CheckLine]:
        """This memory's lines in ``agentmem doctor``."""
        return ()

    def erase(self) -> None:
        """Free physically what a purge removed. The default asks the core to drop the folder and rebuild."""
        raise RebuildRequested

    def close(self) -> None:  # noqa: B027 (a hook with a harmless default, not an abstract method)
        """Close files and release models. The memory is not used afterwards."""


class RebuildRequested(Exception):
    """Raised by a memory to have its folder dropped and its index built again from the journal."""
