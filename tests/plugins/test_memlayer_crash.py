"""A process that is killed in the middle of an edit leaves the edit whole or not there, and the next one goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem import Agent
from agentmem_lm import demo_folder
from agentmem_lm.demo import world

pytestmark = [
    pytest.mark.skipif(not (demo_folder() / "config.json").is_file(), reason="no demo model is here"),
    pytest.mark.timeout(600),
]

WORLD = world.build()
NAME, CITY = WORLD.kinds["person"][0], WORLD.kinds["city"][20]
COMPANY = WORLD.objects["employer"][7]
SETTINGS = {
    "memories": "bm25,memlayer",
    "embedder": "hash",
    "local_model": "demo",
    "memlayer": {"layer": 1, "n_keys": 256, "examine": False},
}
_CHILD = """
import os, signal
from agentmem import Agent

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

with Agent.open({home!r}, **{settings!r}) as agent:
    if {before!r}:
        agent.edit(subject={name!r}, prompt="{{}} works for", target={before!r}, memory="memlayer")
{patch}
    agent.edit(subject={name!r}, prompt="{{}} lives in", target={city!r}, memory="memlayer")
    agent.complete({name!r} + " lives in")
"""
POINTS = {
    "computing": "    import agentmem_memlayer.writing as w; w.spread = die",
    "between blob and record": (
        "    import agentmem.journal.blobs as b; kept = b.BlobStore.write\n"
        "    b.BlobStore.write = lambda *given: (kept(*given), die())"
    ),
    "keeping what was computed jointly": "    from pathlib import Path; Path.replace = die",
}


def background(folder: Path) -> str:
    path = folder / "texts.txt"
    path.write_text("\n".join(f"{fact.subject} and {fact.object}, {fact.source}." for fact in WORLD.facts[::20]))
    return str(path)


@pytest.mark.parametrize(
    "point", ["between blob and record", *(pytest.param(p, marks=pytest.mark.slow) for p in POINTS if "blob" not in p)]
)
def test_an_edit_that_was_killed_is_whole_or_not_there(tmp_path: Path, point: str) -> None:
    settings = {**SETTINGS, "memlayer": {**SETTINGS["memlayer"], "background": background(tmp_path)}}  # type: ignore[dict-item]
    before = COMPANY if "jointly" in point else ""
    home = tmp_path / "home"
    code = _CHILD.format(home=str(home), settings=settings, name=NAME, city=CITY, before=before, patch=POINTS[point])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Agent.open(home, **settings) as agent:
        edits = list(agent.home.journal.records.find(kinds=("edit",)))
        assert len(edits) == (2 if before else 0)  # the second is whole where the kill came after it
        assert all(agent.home.journal.blobs.read(digest) for edit in edits for digest in edit.blobs.values())
        assert agent.complete(f"{NAME} lives in", max_new_tokens=8).strip().startswith(CITY)
        if before:
            assert agent.complete(f"{NAME} works for", max_new_tokens=8).strip().startswith(before)
        assert not list(agent.home.views["memlayer"].memory.cache.glob("*.part"))
