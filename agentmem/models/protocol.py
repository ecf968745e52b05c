"""The chat model as the loop sees it: plain messages in, a stream of pieces out. Knows no provider.

Messages are plain dicts in the OpenAI shape: ``{"role": "user", "content": "…"}``; an assistant's message may carry
``tool_calls`` (``[{"id", "name", "args"}]``), a tool's answer has role ``tool`` and ``tool_call_id``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

from agentmem.contract import ChatModel, Message
from agentmem.gain import Weighed
from agentmem.records import Namespace

PlainMessage = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as it is offered to a model; ``parameters`` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model wants to have called; ``fault`` says why its arguments cannot be read."""

    id: str
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a reply: text, tool calls once they are complete, and usage when the server tells it."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None
    notes: tuple[str, ...] = ()  # what the user should be told besides


@runtime_checkable
class GivesProbabilities(Protocol):
    """A model, chat or local, that tells how sure it is of an answer."""

    def weigh(self, question: str, passages: Sequence[str], *, namespace: Namespace = ()) -> Weighed | None:
        """A short answer by itself and one from the passages; None when it cannot tell how sure it is.

        ``namespace``: whose edits of weights are heard. Raises ModelError, or BudgetExceeded before a call.
        """
        ...


class StreamingModel(ChatModel, Protocol):
    """A chat model that streams and may call tools."""

    @property
    def calls_tools(self) -> bool:
        """False: the user's wishes are read from their words instead."""
        ...

    @property
    def extracts_facts(self) -> bool:
        """False for models that are too small to write JSON; what was said is kept as it was said."""
        ...

    def stream(
        self,
        messages: Sequence[PlainMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Delta]:
        """Raises ModelError when the model fails; what has been yielded until then stands."""
        ...

    def price(self, tokens_in: int, tokens_out: int) -> float:
        """US dollars; 0 when no price is known."""
        ...


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text has, for models that do not tell: four characters each."""
    return (len(text) + 3) // 4


class Whole:
    """A chat model that answers in one piece, as a streaming one. It cannot call tools."""

    calls_tools = False
    extracts_facts = True

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat

    @property
    def name(self) -> str:
        return self._chat.name

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        return self._chat.chat(messages, max_tokens=max_tokens, stop=stop, schema=schema)

    def stream(
        self,
        messages: Sequence[PlainMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Delta]:
        told = [Message(m["role"], m["content"]) for m in messages if m["role"] in ("system", "user", "assistant")]
        yield Delta(self._chat.chat(told, max_tokens=max_tokens))

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return 0.0


def as_streaming(chat: ChatModel) -> StreamingModel:
    """The model itself when it streams, otherwise one that answers in one piece."""
    # looked up on the class: asking the object would make a model that is made at its first use
    return cast(StreamingModel, chat) if hasattr(type(chat), "stream") else Whole(chat)
