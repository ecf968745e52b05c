"""The conversation of the README, in the terminal: ingest, ask, correct, ask, undo, ask, quit, open again, ask."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentmem.cli.plain import PlainChat
from agentmem.testing.streaming import ScriptedStream
from tests.core.loop_fakes import open_agent, turns

QUESTION = "Where is the harbour office?"


def chat(home: Path, *lines: str, options: tuple[str, ...] = (), timeout_s: float = 100) -> list[str]:
    """What the chat says to these lines, in a process of its own."""
    command = [sys.executable, "-c", "import sys; from agentmem.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [*command, "chat", "--plain", "--home", str(home), *options],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--memories", "chroma", "--set", "embedder=hash"), id="hashed words"),
        pytest.param((), id="the defaults", marks=pytest.mark.slow),
    ],
)
def test_a_conversation_is_right_each_time_and_after_opening_again(tmp_path: Path, options: tuple[str, ...]) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "harbour.md").write_text("# Harbour\n\nThe harbour office is at Pier 4.\n")
    (docs / "tea.md").write_text("# Tea\n\nThe tea house closes at nine in the evening.\n")
    home = tmp_path / "home"
    wrong = "Actually, the harbour office is at Pier 6, not Pier 4."
    said = chat(home, f"/ingest {docs}", QUESTION, wrong, QUESTION, "/undo", QUESTION, "/quit", options=options)
    answers = [line for line in said if line.startswith("The harbour office is at")]
    assert answers == [f"The harbour office is at Pier {n}. [1]" for n in (4, 6, 4)]
    again = chat(home, QUESTION, options=options)
    assert again[0] == "The harbour office is at Pier 4. [1]"
    assert again[1].endswith("docs/harbour.md")


def test_the_plain_chat_streams_tells_notices_and_stays_on_after_errors(tmp_path: Path) -> None:
    source = io.StringIO(
        "My key is sk-abcdefghijklmnop123 for the door.\n\n/correct\n/nonsense\n/pending\n/quit\nmore\n"
    )
    target = io.StringIO()
    with open_agent(tmp_path, ScriptedStream("I will keep that.")) as agent:
        assert PlainChat(agent, source, target).run() == 0
        assert len(turns(agent)) == 2
    lines = target.getvalue().splitlines()
    assert lines[0] == "I will keep that."
    assert "  ! redacted before storing: API key" in lines
    assert "! something is missing: /correct ID TEXT" in lines
    assert "! no command '/nonsense'; /help lists them" in lines
    assert "nothing waits for approval" in lines


def test_a_turn_that_was_cut_off_is_offered_and_resumed(tmp_path: Path) -> None:
    with open_agent(tmp_path, ScriptedStream("Here I am.")) as agent:
        asked = agent.loop._asked("Where is my boat?", thread="main")
        agent.loop._turn_store().begin(asked["id"], "main", asked)
        agent.loop._turn_store().release(asked["id"])
        target = io.StringIO()
        PlainChat(agent, io.StringIO("/resume\n"), target).run()
        lines = target.getvalue().splitlines()
        assert lines[0] == "A turn was cut off: 'Where is my boat?'. /resume finishes it, /discard drops it."
        assert lines[1] == "Here I am."


@pytest.mark.slow
def test_control_c_stops_the_answer_and_not_the_chat(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from pathlib import Path\n"
        "from agentmem.cli.plain import PlainChat\n"
        "from agentmem.testing.streaming import ScriptedStream\n"
        "from tests.core.loop_fakes import open_agent\n"
        "def endless(*_):\n    while True:\n        yield 'on '\n        yield 0.02\n"
        f"with open_agent(Path({str(tmp_path)!r}), ScriptedStream(endless, 'second answer')) as agent:\n"
        "    sys.exit(PlainChat(agent, sys.stdin, sys.stdout).run())\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("Talk on about the sea and the ships.\n")
    child.stdin.flush()
    assert child.stdout.read(6) == "on on "
    os.kill(child.pid, signal.SIGINT)
    time.sleep(1)
    child.stdin.write("And now?\n")
    out, _ = child.communicate(timeout=60)
    assert "! stopped" in out
    assert out.rstrip().endswith("second answer")
    assert child.returncode == 0
