"""What a turn keeps between its steps: plain values that a checkpoint can hold, and what they stand for.

The state names records by id and quotes none, because a checkpoint must not keep what a purge removes. Knows no node.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from agentmem.records import Hit, Record
from agentmem.redact import redact

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from agentmem.answering import Reply


def _gathered(old: list[Any] | None, new: list[Any] | None) -> list[Any]:
    """What parallel recalls bring is joined; None begins anew."""
    return [] if new is None else [*(old or ()), *new]


class State(TypedDict, total=False):
    """Plain values only. ``messages`` is the door for other graphs: the conversation goes in, the answer comes out."""

    messages: list[Any]
    turn: dict[str, Any]
    route: dict[str, Any]
    recalls: Annotated[list[dict[str, Any]], _gathered]
    evidence: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    learned: list[dict[str, Any]]
    answer: dict[str, Any]


def turn_of(state: State, config: RunnableConfig) -> dict[str, Any]:
    """The turn to answer: the one given, or inside another graph the last message of a person."""
    given = state.get("turn")
    if given and (state.get("answer") or {}).get("turn") != given["id"]:
        return given
    keys = config.get("configurable", {})
    return new_turn(
        _last_said(state.get("messages") or []),
        thread=str(keys.get("thread", keys.get("thread_id", "graph"))),
        namespace=tuple(keys.get("namespace", ())),
        session=keys.get("session"),
        speaker=keys.get("speaker"),
        incognito=bool(keys.get("incognito", False)),
        k=int(keys.get("k", 10)),
    )


def new_turn(
    text: str,
    *,
    thread: str,
    namespace: Sequence[str] = (),
    session: str | None = None,
    speaker: str | None = None,
    incognito: bool = False,
    at: float | None = None,
    as_of: float | None = None,
    memories: Sequence[str] | None = None,
    k: int = 10,
    turn_id: str | None = None,
) -> dict[str, Any]:
    """The state that a turn begins with; secrets are taken out here, before anything is kept."""
    clean = redact(text)
    return {
        "id": turn_id or uuid.uuid4().hex,
        "text": clean.text,
        "redacted": clean.sentence,
        "thread": thread,
        "namespace": list(namespace),
        "session": session,
        "speaker": speaker,
        "incognito": incognito,
        "at": at,
        "as_of": as_of,
        "memories": None if memories is None else list(memories),
        "k": k,
        "model": "",
    }


def _last_said(messages: Sequence[Any]) -> str:
    for message in reversed(messages):
        if isinstance(message, Mapping):
            role, content = message.get("role", ""), message.get("content", "")
        elif isinstance(message, tuple):
            role, content = message
        else:
            role, content = getattr(message, "type", ""), getattr(message, "text", "")
        if role in ("user", "human"):
            return str(content)
    return ""


def as_message(reply: Reply) -> dict[str, Any]:
    """A reply that calls tools, as the message that it was."""
    calls = [{"id": c.id, "name": c.name, "args": dict(c.args), "fault": c.fault} for c in reply.calls]
    return {"role": "assistant", "content": reply.text, "tool_calls": calls}


def plain_hit(hit: Hit) -> dict[str, Any]:
    """A hit as the state keeps it. What a memory says from its weights is no record, so its words are kept."""
    plain: dict[str, Any] = {"id": hit.record_id, "score": hit.score, "memory": hit.memory, "why": hit.why}
    if hit.path:
        plain["path"] = list(hit.path)
    if not hit.record.version_id:
        plain["said"] = {"kind": hit.record.kind, "body": hit.record.body}
    return plain


def hits_of(plain: Sequence[Mapping[str, Any]], records: Mapping[str, Record]) -> list[Hit]:
    """The hits that plain ones stand for, with their records as they are now."""
    hits = []
    for one in plain:
        record = records.get(one["id"])
        if record is None and "said" in one:
            record = Record(id=one["id"], kind=one["said"]["kind"], body=one["said"]["body"])
        if record is not None:  # what was purged meanwhile is no evidence
            hits.append(Hit(record, one["score"], one["why"], tuple(one.get("path", ())), one["memory"]))
    return hits
