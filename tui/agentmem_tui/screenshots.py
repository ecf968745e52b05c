"""``python -m agentmem_tui.screenshots [FOLDER]``: pictures of every screen, as SVG written by the app itself.

Makes a small home in a temporary folder with the hash embedder and a clock that stands still, so that the same version
draws the same pictures. The screens are also what the tests compare.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from textual.css.query import NoMatches
from textual.widgets import Input, Static

from agentmem_tui.app import ChatApp
from agentmem_tui.preferences import DARK, LIGHT
from agentmem_tui.widgets.welcome import SAMPLE

if TYPE_CHECKING:
    from textual.pilot import Pilot
    from textual.widget import Widget

    from agentmem.agent import Agent

MEMORIES = ("bm25", "context", "hipporag", "selfnotes", "hiagent")
ASSIGNMENTS = ("embedder=hash", f"memories={','.join(MEMORIES)}")
SIZES = ((80, 24), (120, 40), (200, 60))
_THEN = 1_760_000_000.0  # when the pictures' conversation takes place
_PATIENCE_S = 60.0


class StillClock:
    """Moves a minute a call, so that records have an order."""

    def __init__(self) -> None:
        self._now = _THEN

    def now(self) -> float:
        self._now += 0.001
        return self._now


def open_demo(folder: Path, *, at_length: bool = False) -> Agent:
    """A home with facts, a corrected one, a pending one and a short conversation; ``at_length`` one question more."""
    from agentmem.agent import Agent
    from agentmem.records import Draft, Status

    agent = Agent.open(folder, embedder="hash", memories=MEMORIES, router="rules", clock=StillClock(), seed=7)
    agent.ingest(str(SAMPLE))
    receipt = agent.remember("The harbour office is on Pier 4.", speaker="user")
    agent.ask("Where is the harbour office?", thread="t-harbour")
    agent.correct(receipt.record_id, "The harbour office is on Pier 6 since October.", reason="it moved")
    if at_length:
        agent.ask("Where is the harbour office now?", thread="t-harbour")
    agent.ask("Who keeps the lighthouse, and who is the deputy?", thread="t-harbour")
    agent.ask("What does Jon Aske do in May?", thread="t-people")
    draft = Draft(body="The last ferry leaves at ten.", kind="fact")
    agent.home.write([draft], verb="remember", actor="agent", status=Status.PENDING)
    return agent


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Wait for something that happens on another thread."""
    end = time.monotonic() + _PATIENCE_S
    while not _holds(holds):
        if time.monotonic() > end:
            raise TimeoutError("the screen did not become ready")
        await pilot.pause(0.02)


def _holds(holds: Callable[[], object]) -> bool:
    try:
        return bool(holds())
    except NoMatches:
        return False  # the screen is still being built


async def ready(app: ChatApp, pilot: Pilot[None]) -> None:
    """The home is open and the thread is shown."""
    await until(pilot, lambda: app.desk.opened.is_set() and not app.chat.status.busy)
    app.chat.composer.cursor_blink = False
    await pilot.pause(0.1)


async def _chat(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.widgets.why import HitLine, WhyPanel

    panel = app.chat.query_one(WhyPanel)
    if app.size.width >= 120 and not panel.display:
        app.chat.action_toggle_why()
    entry = app.chat.transcript.last("assistant")
    app.chat.show_why(entry)
    if panel.display:
        await until(pilot, lambda: list(panel.query(HitLine)))


async def _welcome(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.widgets.welcome import Welcome

    app.chat.action_new_thread()
    await until(pilot, lambda: list(app.chat.query(Welcome)))


async def _commands(app: ChatApp, pilot: Pilot[None]) -> None:
    app.chat.composer.insert("/re")
    await pilot.pause(0.1)


async def _memory(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.screens.memory import MemoryScreen
    from agentmem_tui.widgets.recordtable import RecordTable

    await pilot.press("f4")
    await until(pilot, lambda: isinstance(app.screen, MemoryScreen) and app.screen.query_one(RecordTable).rows)
    assert isinstance(app.screen, MemoryScreen)
    table = app.screen.query_one(RecordTable)
    table.cursor = next(i for i, row in enumerate(table.rows) if "Pier 6" in row.cells[-1])
    view = app.screen.view()
    key = table.key()
    await until(pilot, lambda: view.looked and view.looked.record and view.looked.record.id == key)


async def _record(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.screens.record import RecordScreen

    found = next(r for r in app.desk.agent.records(kinds=("fact",)) if "Pier 6" in r.body)
    app.open_record(found.id)
    await until(pilot, lambda: isinstance(app.screen, RecordScreen) and app.screen.view().looked)


async def _panels(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.screens.panels import PanelsScreen
    from agentmem_tui.widgets.pluginpane import PluginPane
    from agentmem_tui.widgets.recordview import RecordView

    await pilot.press("f5")
    await until(pilot, lambda: isinstance(app.screen, PanelsScreen) and len(list(app.screen.query(PluginPane))) == 3)
    assert isinstance(app.screen, PanelsScreen)
    view = app.screen.query_one(RecordView)
    await until(pilot, lambda: view.looked)


async def _graph(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.widgets.graphview import GraphView
    from agentmem_tui.widgets.pluginpane import PluginPane

    await _panels(app, pilot)
    await pilot.press("tab", "tab")
    pane = next(pane for pane in app.screen.query(PluginPane) if pane.shown.name == "hipporag")
    await until(pilot, lambda: pane.region.area and pane.place().has_focus and "asking" not in _text(pane))
    pane.ask("Jon Aske")
    await until(pilot, lambda: pane.query_one(GraphView).edge())


def _text(pane: Widget) -> str:
    return str(pane.query_one("#lines", Static).render())


async def _doctor(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.screens.doctor import DoctorScreen

    await pilot.press("f8")
    await until(pilot, lambda: isinstance(app.screen, DoctorScreen) and len(app.screen.query("#lines Static")) > 1)


async def _threads(app: ChatApp, pilot: Pilot[None]) -> None:
    await pilot.press("f2")
    await pilot.pause(0.1)


async def _find(app: ChatApp, pilot: Pilot[None]) -> None:
    await pilot.press("ctrl+f")
    app.chat.query_one("#find Input", Input).value = "lighthouse"
    await pilot.pause(0.2)


async def _settings(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.screens.settings import SettingsScreen

    await pilot.press("f7")
    await until(pilot, lambda: isinstance(app.screen, SettingsScreen) and app.screen._known)


async def _ingest(app: ChatApp, pilot: Pilot[None]) -> None:
    await pilot.press("f6")
    await pilot.pause(0.1)


async def _keys(app: ChatApp, pilot: Pilot[None]) -> None:
    await pilot.press("f1")
    await pilot.pause(0.1)


async def _purge(app: ChatApp, pilot: Pilot[None]) -> None:
    from agentmem_tui.screens.asking import Choose

    await _record(app, pilot)
    await pilot.press("p")
    await until(pilot, lambda: isinstance(app.screen, Choose))


SCENES: dict[str, Callable[[ChatApp, Pilot[None]], Awaitable[None]]] = {
    "chat": _chat,
    "welcome": _welcome,
    "commands": _commands,
    "memory": _memory,
    "record": _record,
    "panels": _panels,
    "graph": _graph,
    "doctor": _doctor,
    "threads": _threads,
    "find": _find,
    "settings": _settings,
    "ingest": _ingest,
    "keys": _keys,
    "purge": _purge,
}

DOCUMENTED = ("chat", "welcome", "memory", "record", "panels", "graph", "keys")


@asynccontextmanager
async def staged(agent: Agent, scene: str, size: tuple[int, int], theme: str = DARK) -> AsyncIterator[ChatApp]:
    """The app with one of the `SCENES` on its screen."""
    from agentmem.cli.options import Options

    options = Options(home=str(agent.home.folder), thread="t-harbour", readonly=True, assignments=ASSIGNMENTS)
    app = ChatApp(options, agent=agent)
    async with app.run_test(size=size) as pilot:
        await ready(app, pilot)
        app.theme = theme
        await SCENES[scene](app, pilot)
        await pilot.pause(0.1)
        yield app


async def draw(agent: Agent, scene: str, size: tuple[int, int], theme: str) -> str:
    """One screen as SVG."""
    async with staged(agent, scene, size, theme) as app:
        return app.export_screenshot(title="agentmem chat")


def main(arguments: list[str]) -> int:
    """Draw the pictures of the documents, or with ``--all`` every screen in every size and both themes."""
    everything = "--all" in arguments
    given = [argument for argument in arguments if not argument.startswith("--")]
    target = Path(given[0] if given else "docs/images")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open_demo(Path(folder) / "home", at_length=True) as agent:
        for scene in SCENES if everything else DOCUMENTED:
            for size in SIZES if everything else ((120, 36),):
                for theme in (DARK, LIGHT) if everything else (DARK,):
                    suffix = f"-{size[0]}x{size[1]}-{theme.removeprefix('agentmem-')}" if everything else ""
                    (target / f"{scene}{suffix}.svg").write_text(
                        asyncio.run(draw(agent, scene, size, theme)), encoding="utf-8"
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
