"""Every screen as text at three sizes, compared with what was looked at; in both themes and without colours.

``UPDATE_SNAPSHOTS=1 pytest tests/tui`` writes them anew. Lines that repeat are counted, so that the files stay small.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from textual.color import Color
from textual.strip import Strip

from agentmem.agent import Agent
from agentmem.cli.options import Options
from agentmem_tui.app import ChatApp
from agentmem_tui.conversation import Why, WhyHit
from agentmem_tui.desk import Desk
from agentmem_tui.preferences import DARK, LIGHT
from agentmem_tui.screenshots import SCENES, SIZES, open_demo, staged

KEPT = Path(__file__).parent / "snapshots"
UNSTEADY = ("doctor",)  # tells of the machine
READABLE = 3.0  # least contrast of what counts (WCAG: large text); what is dimmed on purpose is let off below
DIMMED = 1.5
_MASKS = (
    (r"\b[0-9a-f]{12}\b", "<record id>"),
    (r"20\d\d-\d\d-\d\d \d\d:\d\d", "<when>"),
    (r"\b\d+ (y|mo|d)\b", "<age>"),
)


@pytest.fixture(autouse=True)
def fixed_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which memories are asked and how they rank is the routers' business: the panel is drawn from plain data."""

    def why(desk: Desk, turn: str) -> Why:
        records = sorted(desk.agent.records(kinds=("chunk", "fact")), key=lambda record: record.body)
        scores = (1.0, 0.66, 0.0)
        hits = [
            WhyHit(record.id, "hipporag+bm25", score, 1 if score == 1 else None, record, path=("Jon Aske", "Osterby"))
            for record, score in zip(records, scores, strict=True)
        ]
        recalls = (
            {"memory": "bm25", "ms": 12.0, "hits": [0, 0, 0]},
            {"memory": "selfnotes", "ms": 7.0, "abstain": "no notes are written: no chat model is set"},
            {"memory": "wise", "ms": 5000.0, "error": "took longer than 5 s"},
        )
        return Why(
            turn,
            "extractive",
            "asked every memory that ranks (unknown question)",
            ("bm25", "selfnotes", "wise"),
            {"context": "the hits are ranked"},
            recalls,
            tuple(hits),
            ("1f813fab50cd: says the same as 67e3bd111e56",),
            (("route", 1.0), ("recall bm25", 12.0), ("recall selfnotes", 7.0), ("compose", 1.0)),
            ("the harbour office is on Pier 6, said later",),
            tokens_in=186,
            seconds=0.04,
        )

    monkeypatch.setattr(Desk, "why", why)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with open_demo(tmp_path_factory.mktemp("demo") / "home") as agent:
        yield agent


def drawn(app: ChatApp) -> list[Strip]:
    return list(app.screen._compositor.render_strips())


def as_text(strips: list[Strip]) -> str:
    """The screen with what differs from run to run taken out (as wide as it was) and repeated lines counted."""
    lines = []
    for strip in strips:
        line = strip.text.rstrip()
        for pattern, word in _MASKS:
            line = re.sub(pattern, lambda found, word=word: word.ljust(len(found.group()))[: len(found.group())], line)
        lines.append(line.rstrip())
    out = []
    for line, same in groupby(lines):
        count = len(list(same))
        out += [line] * count if count < 3 else [line, f"… {count} such lines"]
    return "\n".join(out) + "\n"


def contrasts(strips: list[Strip]) -> Iterator[tuple[float, bool, str]]:
    """For each piece of text: its contrast, whether it is dimmed on purpose, and its words."""
    for strip in strips:
        for segment in strip:
            style = segment.style
            if not re.search(r"\w", segment.text) or style is None or style.color is None or style.bgcolor is None:
                continue
            front, back = (Color.from_rich_color(c) for c in (style.color, style.bgcolor))
            light, dark = sorted((_luminance(front), _luminance(back)), reverse=True)
            yield (light + 0.05) / (dark + 0.05), bool(style.dim), segment.text


def _luminance(color: Color) -> float:
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene not in UNSTEADY])
async def test_a_screen_looks_as_it_was_looked_at(demo: Agent, scene: str, size: tuple[int, int]) -> None:
    path = KEPT / f"{scene}-{size[0]}x{size[1]}.txt"
    async with staged(demo, scene, size, LIGHT if size[0] == 120 else DARK) as app:
        text = as_text(drawn(app))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("scene", ["chat", "memory", "record", "panels", "graph", "settings", "ingest", "threads"])
async def test_both_themes_say_the_same_and_can_be_read(demo: Agent, scene: str) -> None:
    async with staged(demo, scene, (120, 40)) as app:
        dark = drawn(app)
        app.theme = LIGHT
        await app.workers.wait_for_complete()
        app.screen.refresh(layout=True)
        await _settle(app)
        light = drawn(app)
    assert as_text(dark) == as_text(light)
    for strips in (dark, light):
        for contrast, dimmed, words in contrasts(strips):
            assert contrast >= (DIMMED if dimmed else READABLE), f"{contrast:.1f}: {words!r}"


async def _settle(app: ChatApp) -> None:
    from textual.pilot import Pilot

    await Pilot(app).pause(0.2)


async def test_without_colours_every_screen_is_told_apart_by_text_alone(
    demo: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for scene in ("chat", "memory", "panels"):
        async with staged(demo, scene, (80, 24)) as app:
            assert app.no_color
            shown = drawn(app)
            assert as_text(shown) == (KEPT / f"{scene}-80x24.txt").read_text(encoding="utf-8")
            for strip in shown:
                for filtered in strip.apply_filter(app._filters[0], app.screen.background_colors[1]):
                    color = filtered.style and filtered.style.color
                    if color is not None and color.triplet is not None:
                        assert len(set(color.triplet)) == 1, f"{filtered.text!r} has the colour {color.name}"


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
