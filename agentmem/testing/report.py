"""What a run of the contract found, as lines, as JSON and as a badge. Knows pytest's reports and no memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from agentmem.contract import API_VERSION, Capability, Memory
from agentmem.testing.suite import MemoryContract

_BADGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}: {text}">
<rect rx="3" width="{width}" height="20" fill="#555"/>
<rect rx="3" x="{left}" width="{right}" height="20" fill="{colour}"/>
<g fill="#fff" font-family="Verdana,sans-serif" font-size="11"><text x="6" y="14">{label}</text>
<text x="{start}" y="14">{text}</text></g></svg>
"""


@dataclass
class Promise:
    """One check: what it promises, how it went, and why when it did not pass."""

    check: str
    promise: str
    outcome: str  # "passed" | "failed" | "skipped"
    reason: str = ""
    seconds: float = 0.0


@dataclass
class PluginReport:
    """One memory's checks and figures."""

    name: str
    memory: str = ""
    capabilities: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        return sum(promise.outcome == outcome for promise in self.promises)


class Reports:
    """Gathers reports of checks by test class."""

    def __init__(self) -> None:
        self.plugins: dict[str, PluginReport] = {}

    def note(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take in one phase of one test; other tests than the contract's are left out."""
        case = getattr(item, "cls", None)
        if case is None or not issubclass(case, MemoryContract) or not isinstance(item, pytest.Function):
            return
        plugin = self.plugins.setdefault(case.__name__, PluginReport(case.__name__))
        self._describe(plugin, item)
        if report.when != "call" and not (report.failed or report.skipped):
            return
        sentence = ((item.function.__doc__ or item.name).strip().splitlines() or [item.name])[0]
        plugin.promises.append(
            Promise(
                check=item.originalname,
                promise=sentence,
                outcome=report.outcome,
                reason=_reason(call),
                seconds=round(report.duration, 3),
            )
        )
        numbers = ((key, value) for key, value in report.user_properties if isinstance(value, (int, float)))
        plugin.figures.update({key: round(value, 4) for key, value in numbers})

    def lines(self) -> Iterator[str]:
        """The report as text: a line for each memory, one for each promise that is broken."""
        for plugin in self.plugins.values():
            kept, broken, skipped = (plugin.count(outcome) for outcome in ("passed", "failed", "skipped"))
            flags = ", ".join(plugin.capabilities) or "none"
            yield f"{plugin.name}: {kept} promises kept, {broken} broken, {skipped} do not apply; declares {flags}"
            for promise in plugin.promises:
                if promise.outcome == "failed":
                    yield f"  broken: {promise.promise} - {promise.reason}"
            for name, value in plugin.figures.items():
                yield f"  {name} = {value:g}"

    def as_json(self) -> dict[str, Any]:
        plugins = [
            {
                **asdict(plugin),
                "passed": plugin.count("passed"),
                "failed": plugin.count("failed"),
                "skipped": plugin.count("skipped"),
            }
            for plugin in self.plugins.values()
        ]
        return {"api_version": API_VERSION, "plugins": plugins}

    def badge(self) -> str:
        """An SVG that says how many of the promises that apply are kept."""
        kept = sum(plugin.count("passed") for plugin in self.plugins.values())
        broken = sum(plugin.count("failed") for plugin in self.plugins.values())
        label, text = "agentmem contract", f"{kept} kept" if not broken else f"{broken} broken"
        left, right = 7 * len(label), 8 * len(text) + 10
        colour = "#2e7d32" if not broken else "#c62828"
        return _BADGE.format(
            width=left + right, left=left, right=right, start=left + 6, label=label, text=text, colour=colour
        )

    def _describe(self, plugin: PluginReport, item: pytest.Function) -> None:
        memory = item.funcargs.get("memory_class")
        if plugin.memory or not (isinstance(memory, type) and issubclass(memory, Memory)):
            return
        plugin.name = memory.name
        plugin.memory = f"{memory.__module__}:{memory.__qualname__}"
        plugin.capabilities = [flag.name or "" for flag in Capability if flag in memory.capabilities and flag.value]
        plugin.kinds = sorted(memory.kinds)


def _reason(call: pytest.CallInfo[None]) -> str:
    """The sentence of the exception: its first line."""
    if call.excinfo is None:
        return ""
    said = str(call.excinfo.value).strip().splitlines()
    return said[0].removeprefix("AssertionError: ") if said else call.excinfo.typename
