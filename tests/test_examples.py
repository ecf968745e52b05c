"""The examples for other frameworks remember across restarts, are undone, and stand in the documentation."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentmem import Agent

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "howto" / "agents.md").read_text(encoding="utf-8")
NEEDS = {"langgraph": "langgraph", "langchain": "langchain", "llamaindex": "llama_index.core"}
FERRY, QUESTION = "The ferry leaves from Pier 4.", "Where does the ferry leave from?"


def program(name: str) -> Path:
    pytest.importorskip(NEEDS[name], reason=f"{name} is not installed")
    return ROOT / "examples" / f"in_{name}.py"


@pytest.mark.parametrize("name", NEEDS)
def test_an_example_remembers_across_restarts_and_is_undone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTMEM_EMBEDDER", "hash")
    done = subprocess.run([sys.executable, str(path), FERRY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ask: Any = runpy.run_path(str(path))["ask"]
    other_thread = () if name == "langgraph" else ("other",)
    assert FERRY in ask(QUESTION, *other_thread)
    with Agent.open("home") as agent:
        said = next(record for record in agent.records() if record.body == FERRY)
        agent.undo(agent.history(said.id)[0].receipt_id, cascade=True)
    assert FERRY not in ask(QUESTION, *("third" for _ in other_thread))


@pytest.mark.parametrize("name", NEEDS)
def test_an_example_is_ten_lines_and_stands_in_the_documentation(name: str) -> None:
    code = program(name).read_text(encoding="utf-8").partition('"""\n')[2]
    shown = code.replace("import sys\n\n", "").partition("\n\nif __name__")[0].strip()
    assert shown in PAGE, f"{name}: paste the example into docs/howto/agents.md again"
    own = shown.partition("def ask" if name != "langgraph" else "def reply")[2]
    assert len([line for line in own.splitlines() if line.strip()]) <= 10
