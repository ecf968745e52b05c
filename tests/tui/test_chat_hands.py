"""The whole way by keys alone and by mouse alone: ingest, ask, open a citation, correct, ask, undo, ask."""

from __future__ import annotations

from pathlib import Path

from chatting import answered, ask, chatting, typed, until
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button, TextArea

from agentmem_tui.app import ChatApp
from agentmem_tui.screens.asking import AskText
from agentmem_tui.screens.chat import ChatScreen
from agentmem_tui.screens.ingest import IngestScreen
from agentmem_tui.screens.record import RecordScreen
from agentmem_tui.widgets.message import Answered
from agentmem_tui.widgets.transcript import Transcript
from agentmem_tui.widgets.welcome import Welcome

QUESTION = "Where is the harbour office?"


def note(folder: Path) -> Path:
    path = folder / "harbour.md"
    path.write_text("The harbour office is on Pier 4.\n", encoding="utf-8")
    return path


async def in_record(app: ChatApp, pilot: Pilot[None]) -> RecordScreen:
    await until(pilot, lambda: isinstance(app.screen, RecordScreen) and app.screen.view().looked)
    assert isinstance(app.screen, RecordScreen)
    return app.screen


async def in_chat(app: ChatApp, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: isinstance(app.screen, ChatScreen))


async def test_everything_can_be_done_by_keys_alone(home: Path, tmp_path: Path) -> None:
    async with chatting(home) as (app, pilot):
        await typed(pilot, f"/ingest {note(tmp_path)}")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, IngestScreen) and app.screen.report is not None)
        await pilot.press("escape")
        await in_chat(app, pilot)
        assert "Pier 4" in await ask(app, pilot, QUESTION)
        await pilot.press("shift+tab")
        await until(pilot, lambda: isinstance(app.chat.focused, Answered))
        await pilot.press("1")
        record = await in_record(app, pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, AskText) and app.screen.query(TextArea))
        await pilot.press("backspace", "backspace", "6", "full_stop", "ctrl+s")
        await until(pilot, lambda: record.view().looked and "Pier 6" in str(record.view().looked))
        await pilot.press("escape")
        await in_chat(app, pilot)
        assert "Pier 6" in await ask(app, pilot, QUESTION)
        await pilot.press("f9")
        await until(pilot, lambda: app.chat.transcript.entries[-1].level == "undone")
        assert "Pier 4" in await ask(app, pilot, QUESTION)


async def paste(app: ChatApp, pilot: Pilot[None], text: str) -> None:
    """What a mouse does: the middle button, or the terminal's menu."""
    app.post_message(events.Paste(text))
    await pilot.pause(0.05)


async def test_everything_can_be_done_by_mouse_alone(home: Path) -> None:
    async with chatting(home, size=(130, 40)) as (app, pilot):

        async def click(name: str) -> None:
            await until(pilot, lambda: [b for b in app.screen.query(Button) if b.name == name and b.region.area])
            await pilot.pause(0.05)
            await pilot.click(next(b for b in app.screen.query(Button) if b.name == name and b.region.area))

        async def question() -> str:
            before = len(app.chat.transcript.answers())
            await pilot.click("#composer")
            await paste(app, pilot, QUESTION)
            await pilot.click("#send")
            return await answered(app, pilot, before)

        await until(pilot, lambda: app.chat.query(Welcome))
        await click("sample")
        await until(pilot, lambda: isinstance(app.screen, IngestScreen) and app.screen.report is not None)
        await click("start")
        await in_chat(app, pilot)
        assert "Pier 4" in await question()
        answer = app.chat.query_one(Transcript).query(Answered).last()
        place = answer.entry.text.index("[1]")
        await until(pilot, lambda: answer.query("MarkdownParagraph"))
        await pilot.pause(0.1)
        await pilot.click(answer.query("MarkdownParagraph").first(), offset=(place + 1, 0))
        record = await in_record(app, pilot)
        await click("correct")
        await until(pilot, lambda: isinstance(app.screen, AskText) and app.screen.query(TextArea))
        area = app.screen.query_one(TextArea)
        await pilot.click(area, times=3, offset=(6, 1))
        await pilot.pause(0.05)
        area.select_all()
        await paste(app, pilot, "The harbour office is on Pier 6.")
        await click("save")
        await until(pilot, lambda: record.view().looked and "Pier 6" in str(record.view().looked))
        await click("leave")
        await in_chat(app, pilot)
        assert "Pier 6" in await question()
        place = str(app.chat.query_one(".keybar").render()).index("Undo")
        await pilot.click(".keybar", offset=(place + 2, 0))
        await until(pilot, lambda: app.chat.transcript.entries[-1].level == "undone")
        assert "Pier 4" in await question()
