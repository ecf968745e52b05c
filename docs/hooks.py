"""Pages that are made from code when the documentation is built: the picture, the command line, settings, memories."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import picture  # noqa: E402 (found by the line before)

from agentmem.cli.main import build_parser  # noqa: E402
from agentmem.sessions import SummarySettings  # noqa: E402
from agentmem.settings import BudgetSettings, Settings  # noqa: E402
from agentmem.weighing import RoutingSettings  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    made: dict[str, str] = {
        "explain/architecture.svg": picture.draw(ROOT),
        "explain/memories.md": memories_page(),
        "reference/cli.md": cli_page(),
        "reference/settings.md": settings_page(),
    }
    for name, path in plugin_readmes().items():
        made[f"explain/memories/{name}.md"] = readme(path)
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    return files


def plugin_readmes() -> dict[str, Path]:
    """The README of every memory that the project declares, by the memory's name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    points = project["project"]["entry-points"]["agentmem.memories"]
    folders = {name: target.partition(":")[0].partition(".")[0] for name, target in points.items()}
    readmes = {name: ROOT / "plugins" / folder / "README.md" for name, folder in folders.items()}
    return {name: path for name, path in sorted(readmes.items()) if path.exists()}


def readme(path: Path) -> str:
    """A plugin's README as a page; links to files that are no page stay as their names."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)[^)]+\)", r"`\1`", text)


def memories_page() -> str:
    """One line for each memory: its title, and where its README stands."""
    rows = []
    for name, path in plugin_readmes().items():
        title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        rows.append(f"| [{name}](memories/{name}.md) | {title.partition(':')[2].strip() or title} |")
    table = "\n".join(["| memory | what it is |", "|---|---|", *rows])
    return (
        "# The memories\n\nEach is a view of the journal. Switched on are those named in `memories = [...]`; "
        "`agentmem plugins list` shows what is installed. Every page says what the memory remembers, what it costs, "
        f"what was measured (also what did not help), its limits and its source.\n\n{table}\n"
    )


def settings_page() -> str:
    """Every setting with its type, default and meaning."""
    lines = [
        "# Settings",
        "",
        "Keyword before environment (`AGENTMEM_NAME`, `AGENTMEM_MEMORY__NAME`) before `agentmem.toml` in the home "
        "before the default. On the command line `--set NAME=VALUE` and `--set MEMORY.NAME=VALUE`. A misspelt name is "
        "an error that lists the right ones. Each memory has a section of its own, described on its page.",
    ]
    tables: tuple[tuple[str, type[BaseModel]], ...] = (
        ("Settings of a home", Settings),
        ("`budget`: what one turn may spend", BudgetSettings),
        ("`summaries`: sessions summed up by the chat model", SummarySettings),
        ("`routing`: what the router may ask", RoutingSettings),
    )
    for title, model in tables:
        lines += ["", f"## {title}", "", "| name | type | default | meaning |", "|---|---|---|---|"]
        for name, known in model.model_fields.items():
            kind = inspect.formatannotation(known.annotation).replace("typing.", "").replace("|", "or")
            default = "" if name in ("budget", "sections") else f"`{known.default!r}`"
            lines.append(
                f"| `{name}` | {kind.removeprefix('agentmem.settings.')} | {default} | {known.description or ''} |"
            )
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """Every command with its own options; the global ones once."""
    parser = build_parser()
    lines = ["# Command line", "", str(parser.description), "", "Exit code 0 only on success; errors are one sentence."]
    lines += [
        "",
        "## Global options",
        "",
        "Accepted before and after the command.",
        "",
        *options_of(parser, everywhere=True),
    ]
    (commands,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for name, sub in commands.choices.items():
        lines += ["", f"## agentmem {name}", "", str(sub.description), "", *options_of(sub, everywhere=False)]
    return "\n".join(lines) + "\n"


def options_of(parser: argparse.ArgumentParser, *, everywhere: bool) -> Iterator[str]:
    """Rows for the global options, or for those that are a command's own."""
    chosen: list[Any] = []
    for group in parser._action_groups:
        if (group.title == "global options") is everywhere:
            chosen += [a for a in group._group_actions if not isinstance(a, argparse._SubParsersAction)]
    rows = [a for a in chosen if "--help" not in a.option_strings and "--version" not in a.option_strings]
    if rows:
        yield from ("| option | meaning |", "|---|---|")
    for action in rows:
        names = ", ".join(action.option_strings) or str(action.dest)
        value = f" {action.metavar or str(action.dest).upper()}" if action.option_strings and action.nargs != 0 else ""
        choices = f" (one of {', '.join(map(str, action.choices))})" if action.choices else ""
        yield f"| `{names}{value}` | {(action.help or '').replace('|', '/')}{choices} |"
