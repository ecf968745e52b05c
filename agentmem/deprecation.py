"""Announces what is going to go, for one minor version before it does; a test fails when it outstays its time."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def deprecated(*, since: str, gone_in: str, instead: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a public function or method: it works until ``gone_in`` and warns, once a place, with the remedy."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def told(*args: P.args, **kwargs: P.kwargs) -> R:
            text = f"{function.__qualname__} is deprecated since {since} and goes in {gone_in}; use {instead}"
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        told.deprecated = (since, gone_in, instead)  # type: ignore[attr-defined]
        return told

    return mark
