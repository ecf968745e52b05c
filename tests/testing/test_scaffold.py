"""A new plugin's package is complete, passes its own tests, and is the same as the example."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from agentmem.cli import main
from agentmem.errors import BadInput
from agentmem.scaffold import KINDS, render, write_package

ROOT = Path(__file__).parents[2]


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank lines, comments and docstrings."""
    lines: set[int] = set()
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        kind = token.type
        if kind in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        if not (kind == tokenize.STRING and before in (tokenize.NEWLINE, tokenize.INDENT)) and kind != tokenize.NEWLINE:
            lines.update(range(token.start[0], token.end[0] + 1))
        before = kind
    return len(lines)


def test_a_keyword_memory_takes_at_most_25_lines() -> None:
    assert code_lines(ROOT / "examples" / "keyword_memory.py") <= 25


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_complete(kind: str, tmp_path: Path) -> None:
    folder = write_package("sea_notes", kind, tmp_path)
    assert folder == tmp_path / "agentmem-sea-notes"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"pyproject.toml", "README.md", ".gitignore", ".github/workflows/test.yml"} <= files
    for path in files:
        text = (folder / path).read_text(encoding="utf-8")
        assert "@name@" not in text
        assert "@Name@" not in text
        if path.endswith(".py"):
            compile(text, path, "exec")


def test_the_example_is_the_template_with_a_name() -> None:
    example = ROOT / "examples" / "plugin_template"
    written = {
        str(path.relative_to(example)): path.read_text(encoding="utf-8")
        for path in example.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert written == render("notes", "memory"), "render the template again into examples/plugin_template"


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("Notes", "memory", "small letters"),
        ("../x", "memory", "small letters"),
        ("notes", "store", "known: memory, router"),
    ],
)
def test_a_wrong_name_or_kind_is_refused_with_the_remedy(name: str, kind: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=why):
        write_package(name, kind, tmp_path)


def test_the_command_line_writes_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "sea_notes", "--kind", "panel"]) == 0
    assert str(tmp_path / "agentmem-sea-notes") in capsys.readouterr().out
    assert main(["plugins", "new", "sea_notes"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    write_package("notes", "memory", tmp_path)
    with pytest.raises(BadInput, match="exists already"):
        write_package("notes", "router", tmp_path)


def test_new_packages_pass_their_tests_at_once(tmp_path: Path) -> None:
    folders = [str(write_package(f"my_{kind}", kind, tmp_path)) for kind in KINDS if kind != "memory"]
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(folders)}
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders, cwd=tmp_path, **environment)


@pytest.mark.slow
def test_a_new_memory_passes_its_tests_at_once(tmp_path: Path) -> None:
    folder = write_package("notes", "memory", tmp_path)
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(folder)}
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, **environment)


@pytest.mark.slow
def test_the_wheel_of_a_stranger_is_listed_loaded_and_sound_beside_ours(tmp_path: Path) -> None:
    folder = write_package("notes", "memory", tmp_path)
    wheels = tmp_path / "wheels"
    for source in (ROOT, folder):
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(wheels), str(source), cwd=tmp_path)
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"), cwd=tmp_path)
    python = str(tmp_path / "venv" / "bin" / "python")
    run(python, "-m", "pip", "install", "-q", "--no-deps", *map(str, wheels.glob("*.whl")), cwd=tmp_path)
    # What our wheel depends on is borrowed from this environment, so that nothing is downloaded.
    borrowed = tmp_path / "venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (borrowed / "zz_borrowed.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")) + "\n")
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": ""}
    agentmem = str(tmp_path / "venv" / "bin" / "agentmem")
    assert "notes" in run(agentmem, "plugins", "list", cwd=tmp_path, **environment)
    where = run(python, "-c", "import agentmem; print(agentmem.__file__)", cwd=tmp_path, **environment)
    assert str(tmp_path) in where, f"the wheel is not what is imported: {where}"
    home = str(tmp_path / "home")
    options = ("--home", home, "--memories", "notes")
    run(agentmem, "remember", "The office is at Pier 4.", *options, cwd=tmp_path, **environment)
    found = run(agentmem, "recall", "office Pier", *options, cwd=tmp_path, **environment)
    assert "Pier 4" in found
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests"), cwd=tmp_path, **environment)
