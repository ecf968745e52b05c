"""The shape of the project: what importing costs, what is packaged, what stands where."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from agentmem import registry

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
HEAVY = (
    "torch transformers onnxruntime chromadb langgraph langchain_core llama_index textual pydantic_settings tantivy"
).split(" ")


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running the code."""
    program = f"{code}\nimport sys; sys.stderr.write(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import agentmem",
        "import agentmem.agent",
        "from agentmem.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from agentmem.cli import main\nmain(['plugins', 'list'])",
    ],
)
def test_starting_up_loads_nothing_heavy(code: str) -> None:
    assert not modules_after(code) & set(HEAVY)


def test_every_package_folder_is_in_the_wheel() -> None:
    folders = {"agentmem"}
    for source in ("plugins", "cuda_ext", "tui"):
        folders |= {f"{source}/{p.parent.name}" for p in (ROOT / source).glob("agentmem_*/__init__.py")}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize("group", registry.GROUPS)
def test_every_entry_point_loads(group: str) -> None:
    ours = [p for p in entry_points(group=f"agentmem.{group}") if p.dist and p.dist.name == "agentmem-framework"]
    for point in ours:
        assert point.load() is not None, point
    declared = PROJECT["project"]["entry-points"].get(f"agentmem.{group}", {})
    assert {p.name for p in ours} == set(declared)


def test_every_plugin_has_a_readme_and_a_test() -> None:
    tests = " ".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    for source in ("plugins", "cuda_ext"):
        for package in (ROOT / source).glob("agentmem_*/__init__.py"):
            assert (package.parent / "README.md").exists(), f"{package.parent.name} has no README"
            assert package.parent.name in tests, f"{package.parent.name} has no test"


def test_every_extra_is_part_of_all() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    listed = set(everything.partition("[")[2].rstrip("]").split(","))
    assert listed == set(extras) - {"all", "dev"}


def test_constraints_name_exact_versions_and_a_cpu_torch() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
    assert "torch==2.13.0" in lines
    assert all("==" in line for line in lines)
