"""Async twins: a verb that waits for a disk or a model, run on a thread so that an event loop goes on.

A verb that has begun runs to its end also when its task is cancelled: what it writes is one transaction. Knows no verb.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import islice
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


def twin(verb: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The same verb as a coroutine function."""

    @functools.wraps(verb)
    async def run(self: S, /, *args: P.args, **keywords: P.kwargs) -> T:
        return await asyncio.to_thread(verb, self, *args, **keywords)

    return cast("Callable[Concatenate[S, P], Coroutine[Any, Any, T]]", _named(run, verb))


def streaming_twin(
    verb: Callable[Concatenate[S, P], Iterator[T]], *, at_once: int = 1
) -> Callable[Concatenate[S, P], AsyncIterator[T]]:
    """The same verb as an async generator; ``at_once`` items are fetched on one visit to a thread."""

    @functools.wraps(verb)
    async def run(self: S, /, *args: P.args, **keywords: P.kwargs) -> AsyncIterator[T]:
        items = await asyncio.to_thread(verb, self, *args, **keywords)
        try:
            while part := await asyncio.to_thread(lambda: list(islice(items, at_once))):
                for item in part:
                    yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                await asyncio.to_thread(close)

    return cast("Callable[Concatenate[S, P], AsyncIterator[T]]", _named(run, verb))


def _named(run: Any, verb: Callable[..., Any]) -> Any:
    run.__name__ = f"a{verb.__name__}"
    run.__qualname__ = f"{verb.__qualname__.rpartition('.')[0]}.a{verb.__name__}"
    run.__doc__ = f"The async twin of `{verb.__name__}`."
    return run
