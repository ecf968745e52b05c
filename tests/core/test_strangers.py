"""Packages of strangers: fifty of them cost nothing until they are used, and a broken one only itself."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentmem import Agent, registry
from agentmem.cli.options import Options
from agentmem.doctor import examine
from agentmem.errors import PluginError

Install = Callable[[str, str], None]

_SOUND = """
from agentmem.contract import Memory
from agentmem.records import Hit, Recall

class Sound(Memory):
    name = "sound"
    held = None

    def apply(self, changes):
        self.held = {**(self.held or {}), **{c.record_id: c.record for c in changes if c.record is not None}}

    def recall(self, query):
        return Recall.best([Hit(r, 1.0) for r in (self.held or {}).values() if query.admits(r)], query.k)
"""

FAULTS = {
    "raises_at_import": "raise ValueError('no luck today')",
    "exits_at_import": "import sys; sys.exit(3)",
    "slow_to_import": "import time; time.sleep(60)",
    "of_another_type": "Sound = 'not a class'",
    "of_another_version": _SOUND + "    api_version = 99\n",
    "raises_when_made": _SOUND + "    def __init__(self, context, config=None): raise KeyError('nothing')\n",
    "raises_in_apply": _SOUND + "    def apply(self, changes): raise KeyError('apply')\n",
    "raises_in_recall": _SOUND + "    def recall(self, query): raise KeyError('recall')\n",
    "raises_in_check": _SOUND + "    def check(self): raise KeyError('check')\n",
    "returns_the_wrong_type": _SOUND + "    def recall(self, query): return ['a hit']\n",
    "hangs_in_recall": _SOUND + "    def recall(self, query):\n        import time\n        time.sleep(60)\n",
}
HARMLESS = {  # faults that leave the memory's answers whole, so that doctor need not complain
    "raises_in_observe": _SOUND + "    def observe(self, event): raise KeyError('observe')\n",
    "raises_in_maintain": _SOUND + "    def maintain(self, phase): raise KeyError('maintain')\n",
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one memory, as pip would leave it."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def put(name: str, source: str) -> None:
        info = site / f"stranger_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[agentmem.memories]\n{name} = stranger_{name}:Sound\n")
        (site / f"stranger_{name}.py").write_text(source)
        registry.forget_listing()

    yield put
    registry.forget_listing()


@pytest.mark.parametrize("name", [*FAULTS, *HARMLESS])
def test_an_agent_answers_without_what_is_broken_and_doctor_names_it(
    name: str, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "IMPORT_TIMEOUT_S", 1.0)
    install("sound", _SOUND)
    install(name, {**FAULTS, **HARMLESS}[name])
    home = tmp_path / "home"
    settings = (f'memories=["sound", "{name}"]', "recall_timeout_s=0.5", "embedder=hash")
    started = time.monotonic()
    with Agent.open(home, settings=settings) as agent:
        agent.remember("The harbour office is at Pier 4.")
        answer = agent.ask("Where is the harbour office?")
    assert "Pier 4" in answer.text
    assert time.monotonic() - started < 30  # of a fault of 60 s
    said = [line for line in examine(Options(str(home), assignments=settings)) if line.level in ("warning", "error")]
    if name in FAULTS:
        assert any(f"'{name}'" in line.text for line in said), said
    else:
        assert not any(f"'{name}'" in line.text for line in said), said


def test_two_packages_of_one_name_are_both_left_out_and_named(install: Install) -> None:
    install("sound", _SOUND)
    install("other", _SOUND)
    folder = next(Path(p) for p in sys.path if p.endswith("site"))
    (folder / "stranger_other-1.0.dist-info" / "entry_points.txt").write_text(
        "[agentmem.memories]\nsound = stranger_other:Sound\n"
    )
    registry.forget_listing()
    with pytest.raises(PluginError, match=r"two packages offer this name: stranger-other .*, stranger-sound"):
        registry.load_memory("sound")


@pytest.mark.parametrize(("version", "who"), [(99, "upgrade agentmem"), (0, "upgrade memory 'old'")])
def test_the_contracts_version_is_checked_both_ways(version: int, who: str, install: Install) -> None:
    install("old", _SOUND + f"    api_version = {version}\n")
    sys.modules.pop("stranger_old", None)
    with pytest.raises(PluginError, match=who):
        registry.load_memory("old")


def test_fifty_plugins_are_listed_and_none_is_imported(install: Install, tmp_path: Path) -> None:
    for number in range(50):
        install(f"n{number}", "import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()")
    program = "import sys; from agentmem.cli import main; sys.exit(main(['plugins', 'list']))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sum(f"stranger-n{number} " in done.stdout for number in range(50)) == 50
    assert not list((tmp_path / "site").glob("*.imported"))
