"""Finds plugins through entry points: names without importing anything, one loaded on demand, all with their faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from agentmem.deadline import Call, Overdue
from agentmem.errors import PluginError, UnknownName

IMPORT_TIMEOUT_S = 30.0
"""After which a memory that is still being imported is left out."""
GROUPS = ("memories", "routers", "extractors", "models", "embedders", "commands", "benches", "panels")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point, not imported: where it comes from and, when it cannot be used, why."""

    group: str
    name: str
    value: str
    distribution: str
    version: str
    fault: str = ""


@cache
def _points(group: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"agentmem.{group}"))


def forget_listing() -> None:
    """Read the entry points anew (a package was installed in this process)."""
    _points.cache_clear()


def plugins(group: str) -> list[Plugin]:
    """What is installed, by name; nothing is imported."""
    found: dict[str, list[EntryPoint]] = {}
    for point in _points(group):
        found.setdefault(point.name, []).append(point)
    out = []
    for name, points in sorted(found.items()):
        offers = sorted({f"{_distribution(p)[0]} ({p.value})" for p in points})
        fault = f"two packages offer this name: {', '.join(offers)}; uninstall one" if len(offers) > 1 else ""
        out.append(Plugin(group, name, points[0].value, *_distribution(points[0]), fault))
    return out


def names(group: str) -> list[str]:
    return [plugin.name for plugin in plugins(group)]


def load(group: str, name: str) -> Any:
    """The object behind a name; UnknownName lists what there is, PluginError says why it cannot be used."""
    plugin = next((p for p in plugins(group) if p.name == name), None)
    if plugin is None:
        known = ", ".join(names(group)) or "none"
        raise UnknownName(f"no {_singular(group)} named '{name}'; installed: {known}")
    if plugin.fault:
        raise PluginError(f"{_singular(group)} '{name}' cannot be chosen: {plugin.fault}", name)
    point = next(p for p in _points(group) if p.name == name)
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # a plugin's import may do anything, calling sys.exit() included
        raise PluginError(
            f"{_singular(group)} '{name}' of {plugin.distribution} cannot be imported: "
            f"{type(error).__name__}: {error}; reinstall or remove that package",
            name,
        ) from error


def load_memory(name: str) -> type[Any]:
    """The class of a memory, checked against the contract."""
    from agentmem.contract import API_VERSION, Memory

    found = load("memories", name)
    if not (isinstance(found, type) and issubclass(found, Memory)):
        raise PluginError(
            f"memory '{name}' is a {type(found).__name__}, not a subclass of agentmem.contract.Memory; "
            "its entry point should name the class",
            name,
        )
    if found.api_version != API_VERSION:
        newer = "agentmem" if found.api_version > API_VERSION else f"memory '{name}'"
        raise PluginError(
            f"memory '{name}' speaks contract {found.api_version}, this agentmem speaks {API_VERSION}; upgrade {newer}",
            name,
        )
    return found


def load_all(group: str, wanted: Iterable[str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Everything of a group that loads, and the faults of what does not: (name -> object, name -> sentence)."""
    good: dict[str, Any] = {}
    bad: dict[str, str] = {}
    loader = load_memory if group == "memories" else partial(load, group)
    for name in names(group) if wanted is None else wanted:
        try:
            good[name] = Call(partial(loader, name), f"import-{name}").result(IMPORT_TIMEOUT_S)
        except (PluginError, UnknownName) as error:
            bad[name] = str(error)
        except Overdue:
            bad[name] = (
                f"{_singular(group)} '{name}' is left out: its import takes longer than {IMPORT_TIMEOUT_S:g} s; "
                "reinstall or remove its package"
            )
    return good, bad


def _singular(group: str) -> str:
    return {"memories": "memory", "benches": "benchmark"}.get(group, group.removesuffix("s"))


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist is not None else ("?", "?")
