"""A chat on a terminal of its own that is killed in mid-reply: the terminal is given back and nothing is lost."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import termios
import time
from pathlib import Path

import pytest

from agentmem.agent import Agent
from agentmem.cli.options import Options
from agentmem_tui.desk import Desk

_PATIENCE_S = 60.0
_CHAT = """
import sys
from agentmem.agent import Agent
from agentmem.cli.options import Options
from agentmem.testing.streaming import ScriptedStream
from agentmem_tui.app import ChatApp
from agentmem_tui.guardian import guarded

class Slow(Options):
    def open(self, **keywords):
        story = ScriptedStream([piece for _ in range(3000) for piece in ("word ", 0.02)])
        return Agent.open(self.home, embedder="hash", memories=("bm25",), chat=story)

with guarded():
    ChatApp(Slow(home=sys.argv[1])).run()
"""


def read_until(terminal: int, wanted: bytes, heard: bytes = b"") -> bytes:
    """What the terminal was sent until these bytes came (or the other side is gone)."""
    end = time.monotonic() + _PATIENCE_S
    while wanted not in heard:
        assert time.monotonic() < end, f"{wanted!r} did not come; the end was {heard[-500:]!r}"
        if select.select([terminal], [], [], 0.2)[0]:
            heard += os.read(terminal, 65536)
    return heard


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP], ids=["kill -9", "hang-up"])
def test_a_chat_that_is_killed_gives_the_terminal_back_and_offers_the_turn(tmp_path: Path, how: signal.Signals) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    before = termios.tcgetattr(theirs)
    home = tmp_path / "home"
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", _CHAT, str(home)],
        {**os.environ, "TERM": "xterm-256color"},
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs, number) for number in (0, 1, 2)],
        setsigdef=[signal.SIGHUP],  # tests that run under nohup would hand down that it is ignored
    )
    try:
        read_until(ours, b" records")
        os.write(ours, b"Tell me a story\r")
        read_until(ours, b"word word")
        os.kill(process, how)
        os.waitpid(process, 0)
        read_until(ours, b"\x1b[?1049l")  # back from the other screen; mouse reports were switched off before
        end = time.monotonic() + _PATIENCE_S
        while termios.tcgetattr(theirs)[3] != before[3] and time.monotonic() < end:
            time.sleep(0.02)
        assert termios.tcgetattr(theirs)[3] == before[3], "keys are echoed and read in lines again"
    finally:
        os.close(ours)
        os.close(theirs)
    with Agent.open(home, embedder="hash", memories=("bm25",)) as agent:
        opened = Desk(Options(home=str(home)), agent=agent).opened_thread()
        assert opened.cut_off == ["Tell me a story"]
        assert [entry.text for entry in opened.entries if entry.role == "assistant"] == []
