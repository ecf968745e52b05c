"""Stand-ins for what a memory is given: clock, ids, chat model, budget. Deterministic, no network.

They know nothing of journals and of the suite, so tests of anything else may use them too.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agentmem.contract import Message
from agentmem.errors import BudgetExceeded, ModelError


class SettableClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, *, seconds: float = 0.0, hours: float = 0.0, days: float = 0.0) -> float:
        """Move forward and return the new time."""
        self._now += seconds + 3600 * hours + 86_400 * days
        return self._now

    def set(self, now: float) -> None:
        self._now = now


class SeededIds:
    """Ids that look random and are the same in every run with the same seed."""

    def __init__(self, seed: int | str = 0) -> None:
        self._rng = random.Random(seed)

    def __call__(self) -> str:
        return f"{self._rng.getrandbits(80):020x}"


Reply = str | Callable[[Sequence[Message]], str]


class ScriptedChat:
    """A chat model that says what it was told to: replies in turn, then ``default``; every call is kept.

    A reply may be a text or a function of the messages. Set ``forbidden`` to a verb while no call is allowed:
    the call is then refused and counted in ``refused``.
    """

    def __init__(self, replies: Iterable[Reply] = (), default: Reply = "", name: str = "scripted") -> None:
        self._replies = list(replies)
        self.default = default
        self._name = name
        self.calls: list[tuple[Message, ...]] = []
        self.forbidden: str | None = None
        self.refused: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        if self.forbidden is not None:
            self.refused.append(self.forbidden)
            raise ModelError(f"the chat model was called in {self.forbidden}; only observe, recall and hooks may")
        self.calls.append(tuple(messages))
        reply = self._replies.pop(0) if self._replies else self.default
        return reply(messages) if callable(reply) else reply


def scripted_json(value: Any) -> str:
    """A reply as JSON, as a chat model asked for a schema would give it."""
    return json.dumps(value, ensure_ascii=False)


class CountingBudget:
    """Counts what is charged and refuses what goes past its limits (None: no limit)."""

    def __init__(self, *, tokens: int | None = None, calls: int | None = None) -> None:
        self._limits = {"tokens": tokens, "calls": calls}
        self.used = {"tokens": 0.0, "calls": 0.0, "money": 0.0, "seconds": 0.0}

    def charge(self, *, tokens: int = 0, calls: int = 0, money: float = 0.0, seconds: float = 0.0) -> None:
        asked = {"tokens": tokens, "calls": calls, "money": money, "seconds": seconds}
        for name, limit in self._limits.items():
            if limit is not None and self.used[name] + asked[name] > limit:
                raise BudgetExceeded(f"the budget of {limit} {name} would be exceeded by {asked[name]} more")
        for name, amount in asked.items():
            self.used[name] += amount

    def left(self) -> Mapping[str, float]:
        return {name: limit - self.used[name] for name, limit in self._limits.items() if limit is not None}
