"""The README's Python is executed as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def run(block: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 (our own text, executed so that it stays true)
    return names


def test_the_ten_lines_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AGENTMEM_EMBEDDER", "hash")
    run(BLOCKS[0])
    printed = capsys.readouterr().out
    assert "The harbour office moved to Pier 4. [1]" in printed
    assert "The harbour office moved to Pier 6. [1]" in printed
    assert "op='undo'" in printed


def test_the_memory_of_the_readme_keeps_the_contract() -> None:
    from agentmem.contract import Memory

    memory = run(BLOCKS[1])["KeywordMemory"]
    assert isinstance(memory, type)
    assert issubclass(memory, Memory)
