"""A scripted chat model that streams and calls tools, for tests of loops and screens. No network."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentmem.contract import Message
from agentmem.models.protocol import Delta, PlainMessage, ToolCall, ToolSpec

Piece = str | Delta | ToolCall | float | Exception
"""A text, a delta, a tool call, a pause in seconds, or what is raised."""
Script = str | Iterable[Piece] | Callable[[Sequence[PlainMessage], Sequence[ToolSpec]], Iterable[Piece]]


class ScriptedStream:
    """Says what it was told to: scripts in turn, then the last one again; what it was asked is kept in ``calls``.

    ``chat`` (facts, plugins) answers from ``replies`` in the same way; without any it says ``{"facts": []}``.
    """

    calls_tools = True
    extracts_facts = True

    def __init__(
        self,
        *scripts: Script,
        replies: Sequence[str | Callable[[Sequence[Message]], str]] = (),
        name: str = "scripted",
        price_per_token: float = 0.0,
    ) -> None:
        self._scripts = list(scripts) or [""]
        self._replies = list(replies) or ['{"facts": []}']
        self._price = price_per_token
        self.name = name
        self.calls: list[list[PlainMessage]] = []
        self.tools: list[list[str]] = []  # names of the tools that each call was offered
        self.chats: list[list[Message]] = []

    def stream(
        self,
        messages: Sequence[PlainMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Delta]:
        self.calls.append(list(messages))
        self.tools.append([tool.name for tool in tools])
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        pieces = script(messages, tools) if callable(script) else script
        for piece in _words(pieces) if isinstance(pieces, str) else pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, float):
                time.sleep(piece)
            elif isinstance(piece, ToolCall):
                yield Delta(tool_calls=(piece,))
            else:
                yield Delta(piece) if isinstance(piece, str) else piece

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        self.chats.append(list(messages))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply(messages) if callable(reply) else reply

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return self._price * (tokens_in + tokens_out)


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)
