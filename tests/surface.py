"""Describes the public surface as data: names, signatures, settings, command lines. ``--write`` accepts a change."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import inspect
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).with_name("surface.json")
ROOT = Path(__file__).parent.parent
MODULES = ("agentmem.records", "agentmem.contract", "agentmem.errors", "agentmem.router", "agentmem.panels")


def describe() -> dict[str, Any]:
    import importlib

    import agentmem
    from agentmem.agent import Agent
    from agentmem.contract import API_VERSION
    from agentmem.settings import BudgetSettings, Settings

    found: dict[str, Any] = {
        "api_version": API_VERSION,
        "agentmem": sorted(agentmem.__all__),
        "agentmem.Agent": members(Agent),
        "agentmem.testing": sorted(importlib.import_module("agentmem.testing").__all__),
        "settings": {name: repr(field.default) for name, field in Settings.model_fields.items() if name != "budget"},
        "settings.budget": {name: repr(field.default) for name, field in BudgetSettings.model_fields.items()},
        "entry points": entry_points(),
        "command line": command_line(),
    }
    for name in MODULES:
        module = importlib.import_module(name)
        public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
        found[name] = {
            key: shape(value)
            for key, value in sorted(public.items())
            if getattr(value, "__module__", None) == name and (inspect.isclass(value) or inspect.isfunction(value))
        }
    return found


def shape(thing: Any) -> Any:
    """A class's members, an enumeration's names, a function's signature."""
    if inspect.isfunction(thing):
        return str(inspect.signature(thing))
    if issubclass(thing, enum.Enum):
        return list(thing.__members__)
    if issubclass(thing, BaseException):
        return [base.__name__ for base in thing.__bases__]
    found = members(thing)
    if dataclasses.is_dataclass(thing):
        fields = {field.name: str(field.type) for field in dataclasses.fields(thing)}
        return {"fields": fields, **({"methods": found} if found else {})}
    return found


def members(cls: type) -> dict[str, str]:
    """Public methods and properties that the class, or one of ours that it is made of, defines, in order."""
    found = {}
    ours = [one for one in cls.__mro__ if one is cls or one.__module__.startswith("agentmem.verbs")]
    for name, value in [pair for one in ours for pair in vars(one).items()]:
        if name.startswith("_") or name in found:
            continue
        function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if inspect.isfunction(function):
            found[name] = str(inspect.signature(function))
        elif isinstance(function, property):
            found[name] = "property"
    return found


def entry_points() -> dict[str, list[str]]:
    """The names that our own distribution offers, group by group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {group: sorted(names) for group, names in sorted(project["entry-points"].items())}


def command_line() -> dict[str, list[str]]:
    """Every command with its options and arguments; the global ones under the empty name."""
    from agentmem.cli.main import build_parser

    parser = build_parser()
    (commands,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    everywhere = options(parser)
    found = {"": everywhere}
    found |= {name: [o for o in options(sub) if o not in everywhere] for name, sub in sorted(commands.choices.items())}
    return found


def options(parser: argparse.ArgumentParser) -> list[str]:
    actions = (a for a in parser._actions if not isinstance(a, argparse._SubParsersAction))
    return sorted("/".join(action.option_strings) or str(action.dest) for action in actions)


if __name__ == "__main__":
    text = json.dumps(describe(), indent=1, ensure_ascii=False) + "\n"
    if "--write" in sys.argv:
        SNAPSHOT.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
