"""What a turn may spend, counted as it spends; and what a home has spent today. Knows no model and no graph.

Whoever calls a model charges `current()`: inside a turn that is the turn's budget, outside only the home's day.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from agentmem.errors import BudgetExceeded
from agentmem.events import Cost
from agentmem.settings import BudgetSettings


class Ledger(Protocol):
    """Keeps what was spent on a day, over all processes of a home."""

    def spent_today(self) -> float: ...

    def spend(self, money: float, tokens: int) -> None: ...


class NoLedger:
    """Keeps nothing (a home that is open read-only)."""

    def spent_today(self) -> float:
        return 0.0

    def spend(self, money: float, tokens: int) -> None:
        return None


class Spending:
    """What was spent on each day (UTC), in a small SQLite file that all processes of a home share. No content in it."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now

    def spent_today(self) -> float:
        if not self._path.exists():
            return 0.0
        with self._open() as connection:
            row = connection.execute("SELECT money FROM spending WHERE day = ?", (self._day(),)).fetchone()
        return float(row[0]) if row else 0.0

    def spend(self, money: float, tokens: int) -> None:
        with self._open() as connection:
            connection.execute(
                "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT (day) DO UPDATE SET "
                "money = money + excluded.money, tokens = tokens + excluded.tokens",
                (self._day(), money, tokens),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30.0)
        try:
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS spending "
                    "(day TEXT PRIMARY KEY, money REAL NOT NULL, tokens INTEGER NOT NULL)"
                )
                yield connection
        finally:
            connection.close()

    def _day(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).date().isoformat()


class TurnBudget:
    """The limits of one turn. Charging past one of them raises BudgetExceeded with a sentence that names it."""

    def __init__(
        self,
        limits: BudgetSettings,
        ledger: Ledger | None = None,
        *,
        spent: Cost | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._ledger: Ledger = ledger or NoLedger()
        self._monotonic = monotonic
        self._started = monotonic()
        self._lock = threading.Lock()
        start = spent or Cost()
        self._steps, self._calls = start.steps, start.calls
        self._tokens_in, self._tokens_out = start.tokens_in, start.tokens_out
        self._money, self._extra_seconds = start.money, start.seconds

    @property
    def cost(self) -> Cost:
        """What has been spent so far."""
        return Cost(self._steps, self._calls, self._tokens_in, self._tokens_out, self._money, self.seconds)

    @property
    def seconds(self) -> float:
        return self._extra_seconds + self._monotonic() - self._started

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.limits.seconds - self.seconds)

    @property
    def tokens_left(self) -> int:
        return max(0, self.limits.tokens - self._tokens_in - self._tokens_out)

    def left(self) -> Mapping[str, float]:
        return {
            "steps": self.limits.steps - self._steps,
            "tokens": self.tokens_left,
            "seconds": self.seconds_left,
            "money": self.limits.money - self._money,
            "money_today": self.limits.money_per_day - self._ledger.spent_today(),
        }

    def charge(self, *, tokens: int = 0, calls: int = 0, money: float = 0.0, seconds: float = 0.0) -> None:
        """Count and check; ``tokens`` of unknown direction count as read."""
        self.add(tokens_in=tokens, calls=calls, money=money, seconds=seconds)
        self.check()

    def add(
        self,
        *,
        steps: int = 0,
        calls: int = 0,
        tokens_in: int = 0,
        tokens_out: int = 0,
        money: float = 0.0,
        seconds: float = 0.0,
    ) -> None:
        """Count what has been spent already, without a check."""
        with self._lock:
            self._steps += steps
            self._calls += calls
            self._tokens_in += tokens_in
            self._tokens_out += tokens_out
            self._money += money
            self._extra_seconds += seconds
        if money:
            self._ledger.spend(money, tokens_in + tokens_out)

    def check(self) -> None:
        """Raise BudgetExceeded when a limit has been reached."""
        limits = self.limits
        if self._steps > limits.steps:
            raise BudgetExceeded(f"the limit of {limits.steps} steps is reached (budget.steps)")
        if self._tokens_in + self._tokens_out >= limits.tokens:
            raise BudgetExceeded(f"the limit of {limits.tokens} tokens is reached (budget.tokens)")
        if self.seconds >= limits.seconds:
            raise BudgetExceeded(f"the limit of {limits.seconds:g} seconds is reached (budget.seconds)")
        if self._money > limits.money or (self._money and self._money >= limits.money):
            raise BudgetExceeded(f"the limit of ${limits.money:g} a turn is reached (budget.money)")
        self.check_day()

    def check_day(self) -> None:
        today = self._ledger.spent_today()
        if today and today >= self.limits.money_per_day:
            raise BudgetExceeded(
                f"${today:.2f} have been spent today and the limit is ${self.limits.money_per_day:g} "
                "(budget.money_per_day); raise it or go on tomorrow"
            )


_CURRENT: ContextVar[TurnBudget | None] = ContextVar("agentmem_budget", default=None)


def current() -> TurnBudget | None:
    """The budget of the turn that this code runs in, if any."""
    return _CURRENT.get()


@contextmanager
def charged_to(budget: TurnBudget) -> Iterator[TurnBudget]:
    """Calls of a model inside the block, by plugins on their own threads too, are charged to ``budget``."""
    token = _CURRENT.set(budget)
    try:
        yield budget
    finally:
        _CURRENT.reset(token)


class HomeBudget:
    """The `Budget` that plugins see: the current turn's, or outside of turns the home's daily limit."""

    def __init__(self, limits: BudgetSettings, ledger: Ledger) -> None:
        self._limits = limits
        self.ledger = ledger

    def _now(self) -> TurnBudget:
        return current() or TurnBudget(self._limits, self.ledger)

    def charge(self, *, tokens: int = 0, calls: int = 0, money: float = 0.0, seconds: float = 0.0) -> None:
        self._now().charge(tokens=tokens, calls=calls, money=money, seconds=seconds)

    def spend(self, *, tokens_in: int = 0, tokens_out: int = 0, money: float = 0.0) -> None:
        """Count what a call has used, without a check."""
        self._now().add(tokens_in=tokens_in, tokens_out=tokens_out, money=money)

    def left(self) -> Mapping[str, float]:
        return self._now().left()
