"""What `agentmem.remote` takes and gives: arguments as pydantic models, results as typed dictionaries of JSON values.

Their descriptions are read by people and models alike: they become tool schemas and the OpenAPI document.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

_Text = Annotated[str, Field(min_length=1, max_length=200_000)]
_Name = Annotated[str, Field(max_length=200)]
_Id = Annotated[str, Field(min_length=4, max_length=64)]

NAMESPACE = "whose memory, as a path such as 'alice/work'; a prefix sees everything below it"


class Arguments(BaseModel):
    """Base of all arguments: closed, so that a misspelt name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    namespace: _Name | None = Field(default=None, description=NAMESPACE)


class Remember(Arguments):
    text: _Text = Field(
        description="what to remember: one self-contained sentence with names and dates instead of 'he' or 'tomorrow'"
    )
    kind: Annotated[str, Field(min_length=1, max_length=50)] = Field(
        default="fact", description="fact, note, turn, summary or insight"
    )
    speaker: _Name | None = Field(default=None, description="who said it")
    session: _Name | None = Field(default=None, description="the session it belongs to")
    thread: _Name | None = Field(default=None, description="the conversation it belongs to")
    at: datetime | date | None = Field(default=None, description="when it was said or became true (ISO 8601)")
    subject: _Name | None = Field(default=None, description="of what it is a fact, when that is one thing")
    relation: _Name | None = Field(default=None, description="which property of the subject it states")
    object: _Name | None = Field(default=None, description="the property's value")


class Recall(Arguments):
    query: _Text = Field(description="a question or keywords; ask in full words, names included")
    k: int = Field(default=10, ge=1, le=200, description="how many records at most")
    kinds: list[_Name] | None = Field(default=None, max_length=20, description="only records of these kinds")
    memory: list[_Name] | None = Field(
        default=None, min_length=1, max_length=20, description="ask these memories only, instead of the router's choice"
    )
    as_of: datetime | date | None = Field(default=None, description="as the memory stood at that time (ISO 8601)")


class Ask(Arguments):
    question: _Text = Field(description="what to answer from the memory")
    thread: _Name | None = Field(default=None, description="the conversation this turn belongs to")
    session: _Name | None = Field(default=None, description="the session this turn belongs to")
    speaker: _Name | None = Field(default=None, description="who asks")
    incognito: bool = Field(default=False, description="write nothing of this exchange down")


class Correct(Arguments):
    id: _Id = Field(description="the record's id as recall shows it; its beginning is enough if unique")
    text: _Text = Field(description="the whole sentence as it is right")
    reason: _Name = Field(default="", description="why, for the history")


class Forget(Arguments):
    id: _Id = Field(description="the record's id as recall shows it; its beginning is enough if unique")
    how: Literal["retract", "archive", "purge"] = Field(
        default="retract",
        description="retract: no longer true; archive: put away; purge: remove physically, cannot be undone",
    )
    reason: _Name = Field(default="", description="why, for the history")


class Undo(Arguments):
    receipt: _Id | None = Field(
        default=None, description="the receipt to take back; by default the last change made here"
    )
    cascade: bool = Field(default=False, description="also take back later changes that stand in the way")


class History(Arguments):
    id: _Id | None = Field(default=None, description="a record's id; without it the last changes of the memory")
    limit: int = Field(default=20, ge=1, le=200, description="how many changes at most")


class RecordOut(TypedDict):
    id: str
    text: str
    kind: str
    status: str
    namespace: str
    speaker: str | None
    thread: str | None
    session: str | None
    sources: list[str]
    valid_from: str | None
    recorded_at: str
    version: int


class HitOut(RecordOut):
    score: float
    memory: str
    why: str


class Recalled(TypedDict):
    hits: list[HitOut]
    route: str
    asked: list[str]
    unanswered: list[str]


class Written(TypedDict):
    receipt: str
    verb: str
    records: list[RecordOut]
    waits_for_approval: bool
    notes: list[str]


class Entry(TypedDict):
    receipt: str
    at: str
    verb: str
    actor: str
    reason: str
    status: str
    text: str | None


class Changes(TypedDict):
    changes: list[Entry]


class Listed(TypedDict):
    records: list[RecordOut]
    next: int | None


class Told(TypedDict):
    number: int
    id: str
    quote: str
    memory: str
    score: float


class Answered(TypedDict):
    text: str
    citations: list[Told]
    receipts: list[str]
    thread: str
    model: str
    stopped: str
    notes: list[str]


def iso(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, or the number itself where the calendar ends."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return str(at)
