"""The documentation builds without a warning, and what it shows works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """(language, title, text) of every fenced block of a page."""
    return [(m[1], m[2] or "", m[3]) for m in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = [text for language, title, text in blocks(page) if language == "python" and not title]
    if not programs:
        pytest.skip("the page has no example to run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AGENTMEM_EMBEDDER", "hash")
    exec(compile("\n".join(programs), str(page), "exec"), {"__name__": "example"})  # noqa: S102 (our own pages)


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert str(page.relative_to(ROOT / "docs")) in listed, f"{page} is in no menu"


def test_the_picture_is_drawn_from_the_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import picture

    arrows = picture.arrows(ROOT)
    assert ("agentmem_bm25", "agentmem") in arrows
    assert not any(one == "agentmem" for one, _ in arrows), "the core imports a plugin"
    drawn = picture.draw(ROOT)
    assert all(f">{name}</text>" in drawn for name in picture.packages(ROOT))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "explain" / "memories" / "bm25.html").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_works_when_it_is_followed_literally(tmp_path: Path) -> None:
    """Every file of the page is written and every line after a ``$`` is typed, in their order."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    borrow(tmp_path / "venv")
    program = ["set -eu", f'export HOME="{tmp_path}" PATH="{tmp_path}/venv/bin:$PATH"']
    for language, title, text in blocks(ROOT / "docs" / "tutorial.md"):
        if title:
            program.append(f"cat > {title} <<'END_OF_FILE'\n{text}END_OF_FILE")
        elif language == "console":
            program += [line.removeprefix("$ ") for line in text.splitlines()]
    environment = {"AGENTMEM_EMBEDDER": "hash", "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    done = subprocess.run(
        ["bash", "-c", "\n".join(program)],
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert "The ferry leaves from Pier 4" in said
    assert "returns unsorted hits" in said


def borrow(venv: Path) -> None:
    """Let an environment use this one's packages, so that nothing is downloaded."""
    site = next((venv / "lib").glob("python*/site-packages"))
    folders = [str(ROOT / source) for source in ("", "plugins", "cuda_ext", "tui")]
    folders += [path for path in sys.path if path.endswith("site-packages")]
    (site / "zz_borrowed.pth").write_text("\n".join(folders) + "\n")
    for name, call in (("agentmem", "agentmem.cli.main:main"), ("pytest", "pytest:console_main")):
        module, _, function = call.partition(":")
        script = venv / "bin" / name
        script.write_text(f"#!{venv}/bin/python\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        script.chmod(0o755)
