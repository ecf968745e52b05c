"""Who speaks, and where: the last question of a conversation, and what a run's configuration says. Writes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from agentmem import Agent
from agentmem.records import Namespace

_SPACE = uuid.UUID("3f0c8f5e-9b0b-4a4b-8d53-5a1c6a0d1e22")  # any, as long as it stays


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exchange belongs."""

    namespace: Namespace
    thread: str
    session: str | None = None
    speaker: str | None = None


def place_of(agent: Agent, config: Mapping[str, Any], namespace: Namespace | None) -> Place:
    """``configurable`` may hold thread_id, namespace, session, speaker; a given namespace outranks it."""
    keys = config.get("configurable", {})
    chosen = namespace if namespace is not None else tuple(keys.get("namespace", agent.namespace))
    thread = str(keys.get("thread_id", agent.thread))
    return Place(chosen, thread, keys.get("session"), keys.get("speaker"))


def question_of(messages: Sequence[Any]) -> HumanMessage | None:
    """The last thing that a person said; messages with a name come from other middleware."""
    return next((m for m in reversed(messages) if isinstance(m, HumanMessage) and not m.name), None)


def answer_to(question: BaseMessage, messages: Sequence[Any]) -> str:
    """The last words after the question that call no tool; empty when there are none."""
    for message in reversed(messages):
        if message is question:
            return ""
        if isinstance(message, AIMessage) and not message.tool_calls and message.text.strip():
            return str(message.text)
    return ""


def turn_id(place: Place, question: BaseMessage) -> str:
    """32 hex digits that are the same whenever the same message of the same thread is answered."""
    return uuid.uuid5(_SPACE, f"{place.namespace}\0{place.thread}\0{question.id}\0{question.text}").hex
