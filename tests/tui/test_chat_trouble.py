from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from chatting import chatting, typed, until

from agentmem.agent import Agent
from agentmem.cli.options import Options
from agentmem.errors import PluginError
from agentmem.panels import Table
from agentmem.testing.streaming import ScriptedStream
from agentmem_tui import panelsdata, preferences
from agentmem_tui.attaching import with_files
from agentmem_tui.command import run
from agentmem_tui.desk import Desk
from agentmem_tui.panelsdata import Shown, as_rows, ask_panel
from agentmem_tui.plaintext import cited_markdown, clean


async def test_escape_stops_a_reply_and_keeps_what_was_said(home: Path) -> None:
    chat = ScriptedStream([piece for _ in range(3000) for piece in ("word ", 0.01)])
    with Agent.open(home, embedder="hash", memories=("bm25",), chat=chat) as agent:
        async with chatting(home, agent=agent) as (app, pilot):
            await typed(pilot, "Tell me a story")
            await pilot.press("enter")
            await until(pilot, lambda: app.chat.transcript.answers() and app.chat.transcript.answers()[-1].text)
            await pilot.press("escape")
            await until(pilot, lambda: not app.chat.is_answering)
            entry = app.chat.transcript.answers()[-1]
            assert entry.text.startswith("word")
            assert "stopped" in entry.stopped


async def test_a_change_that_waits_is_approved_in_the_conversation(home: Path) -> None:
    async with chatting(home) as (app, pilot):
        app.desk.agent.home.settings = app.desk.agent.settings.model_copy(update={"approval": "ask"})
        await typed(pilot, "/remember The ferry leaves at ten")
        await pilot.press("enter")
        await until(pilot, lambda: app.desk.agent.pending())
        await pilot.press("f5")
        await until(pilot, lambda: app.screen.query("RecordTable") and app.screen.query("RecordTable").first().rows)  # type: ignore[attr-defined]
        await pilot.press("a")
        await until(pilot, lambda: not app.desk.agent.pending())
        assert [r.body for r in app.desk.agent.records(kinds=("fact",))] == ["The ferry leaves at ten"]


class Raises:
    title = "raises"

    def table(self, home: object, namespace: object) -> Table:
        raise RuntimeError("out of luck")


class Hangs(Raises):
    def table(self, home: object, namespace: object) -> Table:
        time.sleep(2.0)
        return Table()


def test_a_panel_that_raises_or_hangs_is_told_by_its_name(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panelsdata, "_WAIT_S", 0.1)
    desk = Desk(Options(home=str(agent.home.folder)), agent=agent)
    with pytest.raises(PluginError, match="panel 'bad' failed: RuntimeError: out of luck"):
        ask_panel(desk, Shown("bad", "bad", "", Raises()))
    with pytest.raises(PluginError, match="panel 'slow' took longer than"):
        ask_panel(desk, Shown("slow", "slow", "", Hangs()))


def test_a_panels_table_is_cleaned_and_gets_widths() -> None:
    columns, rows = as_rows(Table(("a", "text"), (("x\x1b[31m", "one\ntwo"),)))
    assert columns[-1].width == 0
    assert rows[0].cells == ("x�[31m", "one two")


def test_text_from_outside_brings_no_codes_to_the_terminal() -> None:
    assert clean("a\x1b]52;c;eA==\x07b\u202e") == "a�]52;c;eA==�b�"
    assert cited_markdown("so [1].") == "so [\\[1\\]](cite:1)."


def test_a_short_file_goes_along_and_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Pier 4", encoding="utf-8")
    read: list[Path] = []
    text, notes = with_files(f"see @{tmp_path}/a.md and @{tmp_path} and @nobody", lambda p: read.append(p) or "1 new")
    assert "Pier 4" in text
    assert read == [tmp_path]
    assert notes == [f"read {tmp_path} into the memory: 1 new"]


def test_settings_are_written_beside_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / "agentmem.toml").write_text("# mine\nk = 5\n", encoding="utf-8")
    preferences.write(tmp_path, {"chat.theme": "agentmem-light", "model": "extractive", "k": None})
    text = (tmp_path / "agentmem.toml").read_text(encoding="utf-8")
    assert text.startswith("# mine\n")
    assert "k = 5" not in text
    assert preferences.read(tmp_path).theme == "agentmem-light"


def test_where_there_is_no_terminal_the_chat_is_line_by_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("/help\n"))
    assert run([], Options(home=str(home), assignments=("embedder=hash", "memories=bm25"))) == 0
    assert "/remember" in capsys.readouterr().out
