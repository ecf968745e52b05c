"""What an agent is opened with, made from its settings: budget, chat model, local model, the eraser of its turns.

Each is made only when the settings ask for it, so that opening a home loads no model and no LangGraph.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentmem import registry
from agentmem.budget import HomeBudget, NoLedger, Spending
from agentmem.contract import ChatModel, Clock, LocalModel
from agentmem.home import Eraser
from agentmem.journal.purge import PurgeJob
from agentmem.settings import WITH_LOCAL_MODEL, Settings


def completed(settings: Settings) -> Settings:
    """What follows from the choices made: `model="local:…"` sets the local model, and one switches its memories on.

    Memories that somebody has chosen are left as they are.
    """
    chosen: dict[str, Any] = {}
    local = settings.local_model
    if local is None and settings.model.startswith("local:"):
        local = chosen["local_model"] = settings.model.removeprefix("local:")
    if local not in (None, "", "none") and "memories" not in settings.model_fields_set:
        installed = registry.names("memories")
        chosen["memories"] = (*settings.memories, *(name for name in WITH_LOCAL_MODEL if name in installed))
    return settings.model_copy(update=chosen)


def budget(settings: Settings, folder: Path, clock: Clock | None, *, readonly: bool) -> HomeBudget:
    """What may be spent, in a turn and in a day."""
    now = time.time if clock is None else clock.now
    return HomeBudget(settings.budget, NoLedger() if readonly else Spending(folder / "spending.db", now=now))


def chat_model(
    settings: Settings, given: ChatModel | None, weights: LocalModel | None, spent: HomeBudget
) -> ChatModel | None:
    """The chat model, charged for; None for the extractive one, which writes nothing of its own."""
    if given is None and settings.model == "extractive":
        return None
    from agentmem.models.loading import load_chat_model, speaking

    if given is not None:
        return speaking(given, given.name, settings, spent)
    return load_chat_model(settings, local_model=weights, budget=spent)


def turn_eraser(folder: Path) -> Eraser:
    """Frees what turns in flight quote of purged records; LangGraph is only loaded when there ever was a turn."""

    def erase(job: PurgeJob) -> Sequence[str]:
        if not (folder / "turns.db").exists():
            return ()
        from agentmem.checkpoints import erase_turns

        return erase_turns(folder)(job)

    return erase


def local_model(settings: Settings) -> LocalModel | None:
    """The model whose weights can be edited, or None when none is set; loaded at its first use."""
    if settings.local_model in (None, "", "none"):
        return None
    from agentmem.models.loading import load_local_model

    return load_local_model(settings)
