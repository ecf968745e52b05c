"""A chat model whose every call is charged: to the turn that it happens in, or to the home's day. Knows no provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentmem.budget import HomeBudget
from agentmem.contract import Message
from agentmem.gain import Weighed
from agentmem.models.protocol import Delta, PlainMessage, StreamingModel, ToolSpec, estimate_tokens
from agentmem.records import Namespace


class Charged:
    """What plugins are given as `context.chat`. The loop streams through it and charges what it streams itself."""

    def __init__(self, model: StreamingModel, budget: HomeBudget | None) -> None:
        self._model = model
        self.budget = budget
        # looked up on the class, as for streaming: asking the object would make a model that is made at its first use
        self._weighs = hasattr(type(model), "weigh")

    def __repr__(self) -> str:
        return f"<chat model {self.name}>"

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def calls_tools(self) -> bool:
        return self._model.calls_tools

    @property
    def extracts_facts(self) -> bool:
        return self._model.extracts_facts

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        if self.budget is None:
            return self._model.chat(messages, max_tokens=max_tokens, stop=stop, schema=schema)
        self.budget.charge(calls=1)
        reply = self._model.chat(messages, max_tokens=max_tokens, stop=stop, schema=schema)
        read = sum(estimate_tokens(m.content) for m in messages)
        written = estimate_tokens(reply)
        self.budget.spend(tokens_in=read, tokens_out=written, money=self.price(read, written))
        return reply

    def stream(
        self,
        messages: Sequence[PlainMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Delta]:
        return self._model.stream(messages, tools=tools, max_tokens=max_tokens, timeout_s=timeout_s)

    def weigh(self, question: str, passages: Sequence[str], *, namespace: Namespace = ()) -> Weighed | None:
        """As the model's own, two calls of it; None when it has no such verb or gave no probabilities before."""
        if not self._weighs:
            return None
        if self.budget is not None:
            self.budget.charge(calls=2)
        found: Weighed | None = self._model.weigh(question, passages, namespace=namespace)  # type: ignore[attr-defined]
        self._weighs = found is not None
        if self.budget is not None:
            read = 2 * estimate_tokens(question) + sum(map(estimate_tokens, passages))
            written = sum(estimate_tokens(said.text) for said in (found.closed, found.opened)) if found else 0
            self.budget.spend(tokens_in=read, tokens_out=written, money=self.price(read, written))
        return found

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return self._model.price(tokens_in, tokens_out)
