"""Every screen as text at three sizes, compared with what was looked at; colours are a theme's business.

``UPDATE_SNAPSHOTS=1 pytest tests/tui`` writes them anew.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.agent import Agent
from agentmem.cli.options import Options
from agentmem_tui.app import ChatApp
from agentmem_tui.preferences import DARK, LIGHT
from agentmem_tui.screenshots import SCENES, SIZES, open_demo, ready

KEPT = Path(__file__).parent / "snapshots"
SHOWN = ("chat", "memory", "record", "settings", "keys")
_MASKS = ((r"\b[0-9a-f]{12}\b", "<record id>"), (r"20\d\d-\d\d-\d\d \d\d:\d\d", "<when>          "))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with open_demo(tmp_path_factory.mktemp("demo") / "home") as agent:
        yield agent


def masked(text: str) -> str:
    for pattern, word in _MASKS:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip() + "\n"


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("scene", SHOWN)
async def test_a_screen_looks_as_it_was_looked_at(demo: Agent, scene: str, size: tuple[int, int]) -> None:
    app = ChatApp(Options(home=str(demo.home.folder), thread="t-harbour", readonly=True), agent=demo)
    async with app.run_test(size=size) as pilot:
        await ready(app, pilot)
        app.theme = LIGHT if size[0] == 120 else DARK
        if scene != "chat":
            await SCENES[scene](app, pilot)
        await pilot.pause(0.2)
        drawn = masked("\n".join(strip.text for strip in app.screen._compositor.render_strips()))
    path = KEPT / f"{scene}-{size[0]}x{size[1]}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


async def test_a_key_is_answered_while_a_memory_hangs(home: Path) -> None:
    """Opening takes as long as it wants: typing does not wait for it."""

    class Slow(Options):
        def open(self, **keywords: object) -> Agent:
            time.sleep(1.5)
            return super().open(**keywords)

    app = ChatApp(Slow(home=str(home), assignments=("embedder=hash", "memories=bm25")))
    async with app.run_test() as pilot:
        await pilot.press("h", "i")
        assert app.chat.composer.text == "hi"
        assert not app.desk.opened.is_set()
