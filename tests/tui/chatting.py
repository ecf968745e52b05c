"""A chat over a real home with the hash embedder; no network, no model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.css.query import NoMatches
from textual.pilot import Pilot

from agentmem.agent import Agent
from agentmem.cli.options import Options
from agentmem_tui.app import ChatApp

_PATIENCE_S = 30.0


@asynccontextmanager
async def chatting(
    home: Path, *, size: tuple[int, int] = (120, 40), agent: Agent | None = None, **keywords: Any
) -> AsyncIterator[tuple[ChatApp, Pilot[None]]]:
    """A chat whose home is open."""
    options = Options(home=str(home), assignments=("embedder=hash", "memories=bm25"))
    app = ChatApp(options, agent=agent, **keywords)
    try:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.desk.opened.is_set() and not app.chat.status.busy)
            yield app, pilot
    finally:
        await asyncio.to_thread(app.desk.close)


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Wait for something that happens on another thread."""
    end = time.monotonic() + _PATIENCE_S
    while not _holds(holds):
        assert time.monotonic() < end, "it did not happen in time"
        await pilot.pause(0.02)


def _holds(holds: Callable[[], object]) -> bool:
    try:
        return bool(holds())
    except NoMatches:
        return False  # the screen is still being built


async def typed(pilot: Pilot[None], text: str) -> None:
    """Press the keys of a text, one after another."""
    names = {" ": "space", "/": "slash", ".": "full_stop", "?": "question_mark", "_": "underscore", "-": "minus"}
    await pilot.press(*(names.get(c, c) for c in text))


async def answered(app: ChatApp, pilot: Pilot[None], before: int) -> str:
    """Wait for one answer more than there were."""
    await until(pilot, lambda: len(app.chat.transcript.answers()) > before and not app.chat.is_answering)
    return app.chat.transcript.answers()[-1].text


async def ask(app: ChatApp, pilot: Pilot[None], text: str) -> str:
    """Write a message, send it with Enter, and return the answer."""
    before = len(app.chat.transcript.answers())
    await pilot.press("escape")
    await typed(pilot, text[:3])
    app.chat.composer.insert(text[3:])
    await pilot.press("enter")
    return await answered(app, pilot, before)
