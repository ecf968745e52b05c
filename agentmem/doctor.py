"""Checks everything about a home and its surroundings that a person could get wrong, each with its remedy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from agentmem import __version__, registry
from agentmem.errors import AgentmemError
from agentmem.records import CheckLine, Query

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.cli.options import Options

_LOW_DISK = 500 * 2**20


def examine(options: Options, *, fix: bool = False) -> list[CheckLine]:
    """All lines, in the order a person would look."""
    lines = [*_installation(), *_plugins()]
    folder = Path(options.home).expanduser()
    lines += _folder(folder)
    try:
        with options.open() as agent:
            if fix:
                lines += _mend(agent)
            lines += [*_journal(agent), *_memories(agent), *_models(agent)]
    except AgentmemError as error:
        lines.append(CheckLine("error", f"the home cannot be opened: {error}"))
    return lines


def _installation() -> Iterator[CheckLine]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield CheckLine("ok", f"agentmem {__version__}, Python {python}")
    if os.environ.get("LANGSMITH_TRACING", "false").lower() == "true":
        remedy = "unset LANGSMITH_TRACING unless you want that"
        yield CheckLine("warning", "LANGSMITH_TRACING is on: LangChain would send prompts out", remedy)


def _plugins() -> Iterator[CheckLine]:
    for group in registry.GROUPS:
        for plugin in registry.plugins(group):
            if plugin.fault:
                yield CheckLine("warning", f"{group}: '{plugin.name}' cannot be used: {plugin.fault}")
    classes, faults = registry.load_all("memories")
    lacking: dict[str, list[str]] = {}
    for name, cls in sorted(classes.items()):
        if sentence := cls.missing():
            lacking.setdefault(sentence, []).append(name)
    for sentence, names in lacking.items():
        yield CheckLine("note", f"memories {', '.join(names)} cannot be used yet: {sentence}")
    for fault in faults.values():
        yield CheckLine("note", fault)


def _folder(folder: Path) -> Iterator[CheckLine]:
    existing = folder if folder.exists() else next(p for p in folder.parents if p.exists())
    if not os.access(existing, os.W_OK):
        yield CheckLine("error", f"{existing} cannot be written", "choose another --home, or change its permissions")
    free = shutil.disk_usage(existing).free
    if free < _LOW_DISK:
        yield CheckLine("warning", f"only {free // 2**20} MB are free on the disk of {existing}", "free some space")
    state = f"{folder} exists" if folder.exists() else f"{folder} is made at the first write"
    yield CheckLine("ok", f"home: {state}")


def _mend(agent: Agent) -> Iterator[CheckLine]:
    agent.home.require_owner("mend it")
    for view in agent.home.views.usable():
        if agent.home.journal.put_aside_rows(view.name):
            view.rebuild()
            yield CheckLine("note", f"memory '{view.name}' was built again")
    removed = agent.home.journal.blobs.collect(agent.home.journal.used_blobs())
    if removed:
        yield CheckLine("note", f"{removed} unused blob(s) were removed")
    if not agent.home.journal.shrink():
        yield CheckLine("warning", "another reader holds old pages of the journal", "close it and run this again")


def _journal(agent: Agent) -> Iterator[CheckLine]:
    home = agent.home
    count, head = home.journal.records.count(), home.journal.records.head()
    yield CheckLine("ok", f"journal: {count} live records, {head} changes")
    if not home.is_owner and not home.readonly:
        yield CheckLine("note", "another process holds this home: what it cannot share abstains here", "close it")
    for job in home.journal.open_jobs():
        text = f"a purge of {len(job.record_ids)} record(s) is not finished"
        yield CheckLine("warning", text, "open the home without another process holding it")
    for finding in agent.audit():
        if finding.kind in ("damage", "set aside", "outdated edit"):
            level = "error" if finding.kind == "damage" else "warning"
            remedy = "agentmem doctor --fix builds the memory again" if finding.kind == "set aside" else ""
            yield CheckLine(level, finding.text, remedy)


def _memories(agent: Agent) -> Iterator[CheckLine]:
    views = agent.home.views
    head = agent.home.journal.records.head()
    for view in views.usable():
        if view.pid is not None:
            yield CheckLine("note", f"memory '{view.name}' is held by process {view.pid}")
            continue
        behind = head - view.memory.applied
        lag = f", {behind} changes behind (applied before the next read)" if behind > 0 else ""
        yield CheckLine("ok", f"memory '{view.name}' is ready{lag}")
        try:
            yield from view.memory.check()
        except Exception as error:  # the core's call into a plugin
            yield CheckLine("error", f"memory '{view.name}' fails its own check: {type(error).__name__}: {error}")
        for recall in agent.home.recall(Query(text="what is known here?", k=1), [view.name]):
            if recall.error is not None:
                remedy = f"ask its authors, or take '{view.name}' out of memories = [...]"
                yield CheckLine("error", f"memory '{view.name}' does not answer: {recall.error}", remedy)
    for name, fault in views.faults.items():
        yield CheckLine("error", fault, f"install or upgrade what it needs, or take '{name}' out of memories = [...]")


def _models(agent: Agent) -> Iterator[CheckLine]:
    settings = agent.settings
    try:
        vectors = agent.home.embedder.embed(["a first sentence"])
        yield CheckLine("ok", f"embedder {agent.home.embedder.model_id}: {vectors.shape[1]} dimensions")
    except AgentmemError as error:
        yield CheckLine("error", str(error))
    kind = settings.model.partition(":")[0]
    if settings.model == "extractive":
        remedy = "to connect one: --model openai:NAME with base_url, provider:NAME, or local:PATH"
        yield CheckLine("ok", "answers are quoted from the records (model 'extractive')", remedy)
    elif kind not in registry.names("models"):
        known = ", ".join(registry.names("models")) or "none"
        yield CheckLine("error", f"no chat model of kind '{kind}'", f"installed: {known}")
    elif kind == "openai" and not settings.base_url and not os.environ.get(settings.api_key_env):
        yield CheckLine("error", f"{settings.api_key_env} is not set", "export it, or set base_url to a local server")
    else:
        yield CheckLine("ok", f"chat model {settings.model}")
    if settings.local_model in (None, "", "none"):
        yield CheckLine("note", "no local model is set, so weights cannot be edited", "--local-model demo")
    elif find_spec("torch") is None:
        yield CheckLine("error", "a local model needs torch", "install the extra: pip install 'agentmem-framework[lm]'")
    else:
        yield CheckLine("ok", f"local model {settings.local_model} (loaded at first use)")
