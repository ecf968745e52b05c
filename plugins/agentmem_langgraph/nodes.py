"""Nodes for a graph of one's own: one recalls before the model answers, one writes the exchange down after it.

`agent.graph` is the whole loop as one node or subgraph; these are for graphs that keep their own model. Both read
``messages`` of the state and follow ``configurable``: thread_id, namespace, session, speaker.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig

from agentmem import Agent
from agentmem.exchange import evidence_for, shown, write_exchange
from agentmem.records import Namespace

_SPACE = uuid.UUID("a0a6be0e-5df2-4f5c-8f3c-0c1b6a3c9d47")  # any, as long as it stays

Node = Callable[[Mapping[str, Any], RunnableConfig], dict[str, Any]]


def recall_node(agent: Agent, *, key: str = "memory", k: int | None = None) -> Node:
    """A node that puts into ``state[key]`` what the memories know about the last message of a person, fenced as data.

    Prepend it to the messages that the model is given (as a system message); it is empty when nothing is known.
    """

    def recall(state: Mapping[str, Any], config: RunnableConfig) -> dict[str, Any]:
        said = _last(convert_to_messages(state.get("messages") or []), HumanMessage)
        namespace = _place(agent, config)[0]
        return {key: shown(evidence_for(agent, said.text, namespace=namespace, k=k).hits) if said else ""}

    return recall


def write_node(agent: Agent) -> Node:
    """A node that writes the last question and its answer into the journal; running it again writes nothing again."""

    def write(state: Mapping[str, Any], config: RunnableConfig) -> dict[str, Any]:
        messages = convert_to_messages(state.get("messages") or [])
        said, answer = _last(messages, HumanMessage), _last(messages, AIMessage)
        if said is None or answer is None or messages.index(answer) < messages.index(said) or not answer.text.strip():
            return {}
        namespace, thread = _place(agent, config)
        keys = config.get("configurable", {})
        place = f"{thread}\0{said.id or messages.index(said)}\0{said.text}\0{answer.text}"
        write_exchange(
            agent,
            said.text,
            answer.text,
            namespace=namespace,
            thread=thread,
            session=keys.get("session"),
            speaker=keys.get("speaker"),
            turn_id=uuid.uuid5(_SPACE, place).hex,
        )
        return {}

    return write


def _last(messages: Sequence[BaseMessage], kind: type[BaseMessage]) -> BaseMessage | None:
    return next((message for message in reversed(messages) if isinstance(message, kind)), None)


def _place(agent: Agent, config: RunnableConfig) -> tuple[Namespace, str]:
    keys = config.get("configurable", {})
    namespace = keys.get("namespace", agent.namespace)
    return tuple(namespace), str(keys.get("thread_id", agent.thread))
