"""``pytest --agentmem-plugin pkg:Class``: the contract of a memory run on any class, with a report.

pytest loads this module in every run of anybody who has agentmem installed, so it imports the suite only when the
option is given. It knows how to collect and to report; what is checked stands in `agentmem.testing`.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agentmem.contract import Memory

_HERE = Path(__file__)
_REPORTS = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("agentmem", "the contract of agentmem's memories")
    group.addoption(
        "--agentmem-plugin",
        action="append",
        default=[],
        metavar="PKG:CLASS",
        help="run the contract on this memory class (or on an installed memory's name); may be given several times",
    )
    group.addoption("--agentmem-config", metavar="JSON", help="settings of the memory, as a JSON object")
    group.addoption("--agentmem-report", metavar="FILE", help="write what was kept and broken as JSON")
    group.addoption("--agentmem-badge", metavar="FILE", help="write a badge as SVG")


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--agentmem-plugin")
    if not wanted and not config.getoption("--agentmem-report") and not config.getoption("--agentmem-badge"):
        return
    from agentmem.testing.report import Reports

    config.stash[_REPORTS] = Reports()
    if wanted:
        config.args[:] = [str(_HERE)]  # the contract alone, not the tests that happen to lie around
        config.pluginmanager.register(_Collecting(), "agentmem-contract")


class _Collecting:
    """Collects a test class for every memory that was asked for, in the place of this file's (missing) tests."""

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        return _Contracts.from_parent(parent, path=file_path) if file_path == _HERE else None


class _Contracts(pytest.Module):
    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType("agentmem_contract")
        for target in self.config.getoption("--agentmem-plugin"):
            case = _test_class(load(target, self.config.invocation_params.dir), self.config)
            setattr(module, case.__name__, case)
        return module


def load(target: str, folder: Path) -> type[Memory]:
    """The class behind "pkg:Class" (importable from ``folder``) or behind an installed memory's name."""
    from agentmem import registry
    from agentmem.contract import Memory
    from agentmem.errors import AgentmemError

    module, colon, name = target.partition(":")
    if not colon:
        try:
            return registry.load_memory(target)
        except AgentmemError as error:
            raise pytest.UsageError(str(error)) from error
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"--agentmem-plugin {target}: {error}; give an importable module:Class") from error
    if not (isinstance(found, type) and issubclass(found, Memory)):
        raise pytest.UsageError(f"--agentmem-plugin {target}: not a subclass of agentmem.contract.Memory")
    return found


def _test_class(memory: type[Memory], config: pytest.Config) -> type:
    from agentmem.testing import MemoryContract

    given = config.getoption("--agentmem-config")
    settings = memory.Config.model_validate_json(given) if given else None

    class Case(MemoryContract):
        @pytest.fixture
        def memory_class(self) -> type[Memory]:
            return memory

        @pytest.fixture
        def memory_config(self) -> Any:
            return settings

    Case.__name__ = Case.__qualname__ = f"Test{memory.__name__}"
    return Case


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    outcome = yield
    reports = item.config.stash.get(_REPORTS, None)
    if reports is not None:
        reports.note(item, call, outcome.get_result())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    reports = config.stash.get(_REPORTS, None)
    if reports is None or not reports.plugins:
        return
    terminalreporter.section("agentmem contract")
    for line in reports.lines():
        terminalreporter.write_line(line)
    if target := config.getoption("--agentmem-report"):
        Path(target).write_text(json.dumps(reports.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if target := config.getoption("--agentmem-badge"):
        Path(target).write_text(reports.badge(), encoding="utf-8")
