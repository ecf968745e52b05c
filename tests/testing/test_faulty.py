"""The suite catches twenty faulty memories and names what each of them does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faulty import FAULTS, Fault
from keyword_memory import KeywordMemory

from agentmem.contract import Memory
from agentmem.testing import Bench, MemoryContract, Rig, Witness

HERE = Path(__file__).parent


@pytest.fixture
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_check(memory: type[Memory], check: str, folder: Path) -> None:
    """One check of the suite, without the fixtures around it."""
    bench = Bench(memory_class=memory, witness=Witness(deadline_s=1.0))
    rigs: list[Rig] = []

    def new_rig(name: str) -> Rig:
        rigs.append(Rig(folder / name, bench))
        return rigs[-1]

    test = getattr(MemoryContract(), check)
    wanted = test.__func__.__code__.co_varnames[1 : test.__func__.__code__.co_argcount]
    given = {"rig": lambda: new_rig("rig"), "new_rig": lambda: new_rig, "tmp_path": lambda: folder}
    try:
        test(**{name: given[name]() for name in wanted})
    finally:
        for rig in rigs:
            rig.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.memory.name)
def test_each_fault_is_caught_and_named(fault: Fault, in_an_empty_folder: Path) -> None:
    with pytest.raises(AssertionError, match=fault.named):
        run_check(fault.memory, fault.check, in_an_empty_folder)


@pytest.mark.parametrize("check", sorted({fault.check for fault in FAULTS} - {"test_as_of_answers_from_that_time"}))
def test_the_sound_memory_passes_the_same_checks(check: str, in_an_empty_folder: Path) -> None:
    run_check(KeywordMemory, check, in_an_empty_folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_of_twenty_are_named_by_the_command_line(tmp_path: Path) -> None:
    names = [f"faulty:{fault.memory.__name__}" for fault in FAULTS]
    targets = [f"--agentmem-plugin={name}" for name in [*names, "keyword_memory:KeywordMemory"]]
    report = tmp_path / "report.json"
    checks = " or ".join(sorted({fault.check for fault in FAULTS}))
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "agentmem.pytest_plugin",
            *targets,
            f"--agentmem-report={report}",
            "-k",
            checks,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), run.stdout[-2000:] + run.stderr[-2000:]
    found = {plugin["name"]: plugin for plugin in json.loads(report.read_text())["plugins"]}
    assert found["keyword"]["failed"] == 0, found["keyword"]
    for fault in FAULTS:
        said = [promise["reason"] for promise in found[fault.memory.name]["promises"] if promise["outcome"] == "failed"]
        assert any(fault.named in reason for reason in said), f"{fault.memory.name}: {said}"
