from __future__ import annotations

from pathlib import Path

from chatting import ask, chatting, until

from agentmem.agent import Agent
from agentmem_tui.screens.record import RecordScreen
from agentmem_tui.widgets.composer import Composer
from agentmem_tui.widgets.why import HitLine, WhyPanel


async def test_an_answer_is_streamed_with_citations_that_open_their_record(home: Path, agent: Agent) -> None:
    agent.remember("The harbour office moved to Pier 4.")
    async with chatting(home) as (app, pilot):
        assert "Pier 4" in await ask(app, pilot, "Where is the harbour office?")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, RecordScreen) and app.screen.view().looked)
        assert isinstance(app.screen, RecordScreen)
        looked = app.screen.view().looked
        assert looked is not None
        assert looked.record is not None
        assert looked.record.body == "The harbour office moved to Pier 4."


async def test_undo_and_redo_from_the_conversation_change_what_the_next_answer_knows(home: Path, agent: Agent) -> None:
    agent.remember("The harbour office moved to Pier 4.")
    async with chatting(home) as (app, pilot):
        await ask(app, pilot, "Correction: the harbour office moved to Pier 6.")
        assert "Pier 6" in await ask(app, pilot, "Where is the harbour office?")
        count = len(app.chat.transcript.entries)
        await pilot.press("f9")
        await until(pilot, lambda: len(app.chat.transcript.entries) > count)
        assert "Pier 4" in await ask(app, pilot, "Where is the harbour office now?")
        count = len(app.chat.transcript.entries)
        await pilot.press("f10")
        await until(pilot, lambda: len(app.chat.transcript.entries) > count)
        assert "Pier 6" in await ask(app, pilot, "So where is the harbour office?")


async def test_the_why_panel_tells_route_hits_and_times(home: Path, agent: Agent) -> None:
    agent.remember("Captain Ilse Thorne keeps the lighthouse.")
    async with chatting(home) as (app, pilot):
        await ask(app, pilot, "Who keeps the lighthouse?")
        await pilot.press("f3")
        panel = app.chat.query_one(WhyPanel)
        await until(pilot, lambda: list(panel.query(HitLine)))
        told = "\n".join(str(line.render()) for line in panel.query("Static"))
        assert "bm25" in told
        assert "recall bm25" in told


async def test_a_thread_is_there_again_after_the_chat_was_left(home: Path) -> None:
    async with chatting(home) as (app, pilot):
        await ask(app, pilot, "My boat is called Petrel.")
    async with chatting(home) as (app, pilot):
        assert app.chat.transcript.said() == ["My boat is called Petrel."]


async def test_an_error_stands_in_the_conversation_with_its_remedy(home: Path, agent: Agent) -> None:
    async with chatting(home) as (app, pilot):
        app.chat.composer.insert("/correct nothing here")
        await pilot.press("enter")
        await until(pilot, lambda: app.chat.transcript.entries)
        entry = app.chat.transcript.entries[-1]
        assert entry.level == "error"
        assert "no record 'nothing'" in entry.text


async def test_a_completion_of_what_was_written_a_moment_ago_is_not_taken(home: Path, agent: Agent) -> None:
    async with chatting(home) as (app, pilot):
        composer = app.chat.composer
        await pilot.press("slash")
        assert composer.completions is not None
        await until(pilot, lambda: composer.completions is not None and composer.completions.display)
        with composer.prevent(Composer.Changed):  # the list lags behind, as it does when keys come quickly
            composer.insert("undo nothing")
        await pilot.press("enter")
        await until(pilot, lambda: app.chat.transcript.entries)
        assert "'nothing'" in app.chat.transcript.entries[-1].text
