from __future__ import annotations

from pathlib import Path

from chatting import ask, chatting, typed, until
from textual.pilot import Pilot
from textual.widgets import Input, Static

from agentmem.agent import Agent
from agentmem_tui.app import ChatApp
from agentmem_tui.screens.asking import Choose
from agentmem_tui.screens.chat import ChatScreen
from agentmem_tui.screens.memory import MemoryScreen
from agentmem_tui.screens.settings import SettingsScreen
from agentmem_tui.widgets.recordtable import RecordTable


async def memory(app: ChatApp, pilot: Pilot[None]) -> RecordTable:
    await pilot.press("f4")
    await until(pilot, lambda: isinstance(app.screen, MemoryScreen) and app.screen.query_one(RecordTable).rows)
    return app.screen.query_one(RecordTable)


async def test_a_change_is_found_by_typing_and_taken_back_from_the_memory_screen(home: Path, agent: Agent) -> None:
    receipt = agent.remember("The harbour office is on Pier 4.")
    agent.remember("Mira repairs engines.")
    agent.correct(receipt.record_id, "The harbour office is on Pier 6.")
    async with chatting(home) as (app, pilot):
        table = await memory(app, pilot)
        await pilot.press("slash")
        await typed(pilot, "harbour")
        await until(pilot, lambda: len(table.rows) == 1 and "Pier 6" in table.rows[0].cells[-1])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MemoryScreen) and app.screen.view().looked)
        await pilot.press("u")
        await until(pilot, lambda: table.rows and "Pier 4" in table.rows[0].cells[-1])
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen))
        assert "Pier 4" in await ask(app, pilot, "Where is the harbour office?")
        await pilot.press("f10")
        await until(pilot, lambda: app.chat.transcript.entries[-1].level == "undone")
        assert "Pier 6" in await ask(app, pilot, "Where is the harbour office?")


async def test_a_purge_shows_what_goes_and_then_its_receipt(home: Path, agent: Agent) -> None:
    agent.remember("The code of the safe is 4711.")
    async with chatting(home) as (app, pilot):
        table = await memory(app, pilot)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("left", "enter")
        await until(pilot, lambda: isinstance(app.screen, Choose) and app.screen._title == "receipt of the purge")
        await pilot.press("escape")
        await until(pilot, lambda: not table.rows)
        assert list(agent.records()) == []


async def test_settings_are_tried_and_kept(home: Path, agent: Agent) -> None:
    async with chatting(home) as (app, pilot):
        await pilot.press("f7")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen) and app.screen._known)
        told = app.screen.query_one("#told", Static)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "embedder hash" in str(told.render()))
        app.screen.query_one("#field-k", Input).value = "0"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "setting 'k' = 0 is not right" in str(told.render()))
        app.screen.query_one("#field-k", Input).value = "7"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "it holds from now on" in str(told.render()))
    assert "k = 7" in (home / "agentmem.toml").read_text(encoding="utf-8")
