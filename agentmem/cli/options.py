"""What every command shares: the global options, how a home is opened from them, and how results are printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem.errors import BadInput

if TYPE_CHECKING:
    from agentmem.agent import Agent

SHORT = 8  # letters of an id that people see; any beginning of an id that is unique is understood


@dataclass(frozen=True, slots=True)
class Options:
    """The global options; handed to every command, those of plugins included."""

    home: str
    namespace: str = ""
    thread: str = "main"
    model: str | None = None
    local_model: str | None = None
    memories: str | None = None
    router: str | None = None
    assignments: tuple[str, ...] = ()
    readonly: bool = False
    json: bool = False

    def open(self, **keywords: Any) -> Agent:
        """The agent that these options describe."""
        from agentmem.agent import Agent

        given: dict[str, Any] = {
            "model": self.model,
            "local_model": self.local_model,
            "memories": self.memories,
            "router": self.router,
        }
        return Agent.open(
            self.home,
            namespace=self.namespace,
            thread=self.thread,
            readonly=self.readonly,
            settings=self.assignments,
            **{**given, **keywords},
        )

    def print(self, data: Any, text: str) -> None:
        """The result: ``data`` as JSON with --json, otherwise ``text``."""
        if self.json:
            sys.stdout.write(json.dumps(plain(data), ensure_ascii=False) + "\n")
        elif text:
            sys.stdout.write(text.rstrip("\n") + "\n")

    @staticmethod
    def of(arguments: argparse.Namespace) -> Options:
        home = arguments.home or os.environ.get("AGENTMEM_HOME") or "~/.agentmem"
        return Options(
            home=str(Path(home).expanduser()),
            namespace=arguments.namespace or "",
            thread=arguments.thread or "main",
            model=arguments.model,
            local_model=arguments.local_model,
            memories=arguments.memories,
            router=arguments.router,
            assignments=tuple(arguments.assignments or ()),
            readonly=bool(arguments.readonly),
            json=bool(arguments.json),
        )


def add_global_options(parser: argparse.ArgumentParser, *, json: bool = True) -> None:
    """The global options; accepted before and after the sub-command, where the later one counts."""
    group = parser.add_argument_group("global options")

    def option(*names: str, **keywords: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **keywords)

    option("--home", metavar="DIR", help="where the memories live (AGENTMEM_HOME, else ~/.agentmem)")
    option("--namespace", metavar="A/B", help="whose memories: a path; a prefix sees everything below it")
    option("--thread", metavar="NAME", help="the conversation (default: main)")
    option("--model", metavar="MODEL", help="extractive, openai:NAME, local:PATH, provider:NAME")
    option("--local-model", metavar="PATH", help="weights that can be edited: demo, or a folder")
    option("--memories", metavar="A,B,C", help="which memories are switched on")
    option("--router", metavar="NAME", help="what decides who is asked: calibrated, rules, static or llm")
    option("--set", dest="assignments", action="append", metavar="NAME=VALUE", help="a setting, or MEMORY.NAME=VALUE")
    option("--readonly", action="store_true", help="leave no trace in the home")
    if json:
        option("--json", action="store_true", help="print JSON for programs")


GLOBAL_DEFAULTS: Mapping[str, Any] = {
    "home": None,
    "namespace": None,
    "thread": None,
    "model": None,
    "local_model": None,
    "memories": None,
    "router": None,
    "assignments": None,
    "readonly": False,
    "json": False,
}


def plain(value: Any) -> Any:
    """A value as JSON takes it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def moment(text: str, *, end_of_day: bool = False) -> float:
    """Seconds since the epoch of an ISO date or time (local time unless it says otherwise)."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            raise BadInput(f"'{text}' is no date; write 2026-11-20 or 2026-11-20T14:30") from None
    if end_of_day and len(text) == 10:
        when = when.replace(hour=23, minute=59, second=59, microsecond=999999)
    return when.timestamp()


def clock_text(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def columns(rows: Sequence[Sequence[str]], *, gap: str = "  ") -> str:
    """Rows as aligned columns; the last one is left as long as it is."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append(gap.join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


def shortened(text: str, width: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
