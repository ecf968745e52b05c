"""Turns that are cut off by ``kill -9``: resumed or discarded as the user says, nothing written twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentmem import events
from agentmem.checkpoints import TurnStore
from agentmem.errors import NotFound
from agentmem.testing.streaming import ScriptedStream
from tests.core.loop_fakes import Noting, bodies, files_that_hold, open_agent, turns

_CHILD = """
import os, sys, signal
sys.path.insert(0, {root!r})
from pathlib import Path
from agentmem.models.protocol import ToolCall
from agentmem.testing.streaming import ScriptedStream
from tests.core.loop_fakes import Noting, open_agent

def die(*_, **__):
    Path({home!r}, "dying").write_text("now")
    os.kill(os.getpid(), signal.SIGKILL)

{patch}
agent = open_agent(Path({home!r}), {model}, memories={{"noting": Noting}}, {keywords})
agent.ask({text!r})
"""
BOAT = "My boat is blue and lies at Pier 9."
_ROOT = str(Path(__file__).parents[2])
MID_ANSWER = """
def speaks(messages, tools):
    yield "It is "
    die()
"""
IN_A_TOOL = """
def speaks(messages, tools):
    yield ToolCall("c1", "remember", {"text": "My boat is blue."})
import agentmem.graph as g
kept = g.Graph._tell_written
def tell(self, turn, receipt, what):
    if what == "remember":
        die()
    kept(self, turn, receipt, what)
g.Graph._tell_written = tell
"""
IN_WRITE_BACK = """
speaks = "It is written."
import agentmem.writing as w
w.Writer._exchange = die
"""
AFTER_ANSWER = """
speaks = "It is written."
import agentmem.writing as w
w.Writer._observe = die
"""
AFTER_OBSERVE = """
speaks = "It is written."
import agentmem.home as h
h.Home.maintain = die
"""
AFTER_ALL = """
speaks = "It is written."
import agentmem.checkpoints as c
c.TurnStore.end = die
"""


def cut_off(home: Path, patch: str, text: str, *, model: str = "ScriptedStream(speaks)", keywords: str = "") -> None:
    """A process that dies by its own ``kill -9`` at a chosen moment of a turn."""
    code = _CHILD.format(root=_ROOT, home=str(home), patch=patch, model=model, text=text, keywords=keywords)
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (home / "dying").exists()


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        pytest.param(MID_ANSWER, BOAT, id="in mid-answer"),
        pytest.param(IN_A_TOOL, "Remember that my boat is blue.", id="in a tool"),
        pytest.param(IN_WRITE_BACK, BOAT, marks=pytest.mark.slow, id="in write back"),
        pytest.param(AFTER_ANSWER, BOAT, id="after the answer"),
        pytest.param(AFTER_OBSERVE, BOAT, marks=pytest.mark.slow, id="after observe"),
        pytest.param(AFTER_ALL, BOAT, marks=pytest.mark.slow, id="at the very end"),
    ],
)
def test_a_killed_turn_is_resumed_and_written_once(tmp_path: Path, patch: str, text: str) -> None:
    cut_off(tmp_path, patch, text)
    with open_agent(tmp_path, ScriptedStream("It is written."), memories={"noting": Noting}) as agent:
        (cut,) = agent.loop.cut_off("main")
        assert cut.start["text"] == text
        answer = agent.resume()
        assert answer is not None
        assert answer.text == "It is written."
        assert [r.body for r in turns(agent)] == [text, "It is written."]
        facts = bodies(agent, kinds=("fact",))
        assert facts == (["My boat is blue."] if "Remember" in text else [])
        assert sorted(bodies(agent, kinds=("note",))) == sorted(["noted: It is written.", f"noted: {text}"])
        assert len(list(agent.records(kinds=("trace",)))) == 1
        assert agent.loop.cut_off() == []
        with pytest.raises(NotFound, match="nothing to resume"):
            agent.resume()


def test_a_turn_killed_in_a_tool_goes_on_from_the_reply_that_called_it(tmp_path: Path) -> None:
    cut_off(tmp_path, IN_A_TOOL, "Remember that my boat is blue.")
    model = ScriptedStream("It is written.")
    with open_agent(tmp_path, model, memories={"noting": Noting}) as agent:
        agent.resume()
        (messages,) = model.calls
        assert [m.get("tool_call_id") for m in messages[-2:]] == [None, "c1"]
        (trace,) = agent.records(kinds=("trace",))
        assert '"event": "memory_asked"' not in trace.body  # nothing was searched again


@pytest.mark.parametrize("patch", [IN_WRITE_BACK, AFTER_ANSWER])
def test_a_model_that_has_answered_is_not_asked_again(tmp_path: Path, patch: str) -> None:
    cut_off(tmp_path, patch, BOAT)
    model = ScriptedStream("Something else.")
    with open_agent(tmp_path, model, memories={"noting": Noting}) as agent:
        answer = agent.resume()
        assert answer is not None
        assert answer.text == "It is written."
        assert model.calls == []


def test_a_turn_killed_before_the_model_has_spoken_keeps_only_what_was_asked(tmp_path: Path) -> None:
    cut_off(tmp_path, MID_ANSWER, BOAT)
    store = TurnStore(tmp_path / "turns.db")
    with store.saver.cursor(transaction=False) as cursor:
        counts = [cursor.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("checkpoints", "writes")]
    assert counts == [0, 0]
    assert [turn.start["text"] for turn in store.open_turns()] == [BOAT]
    store.close()


def test_a_killed_turn_is_discarded_and_leaves_no_words(tmp_path: Path) -> None:
    cut_off(tmp_path, MID_ANSWER, "My secret boat is heliotrope.")
    with open_agent(tmp_path, ScriptedStream("Fine.")) as agent:
        agent.resume(discard=True)
        assert turns(agent) == []
        assert agent.loop.cut_off() == []
    assert files_that_hold(tmp_path, "heliotrope") == []


def test_a_new_message_goes_on_beside_a_turn_that_was_cut_off(tmp_path: Path) -> None:
    cut_off(tmp_path, MID_ANSWER, "My boat is blue and lies at Pier 9.")
    with open_agent(tmp_path, ScriptedStream("Fine.")) as agent:
        told = list(agent.stream("What is new in the harbour?"))
        assert any("were cut off" in e.text for e in told if isinstance(e, events.Notice))
        assert len(agent.loop.cut_off()) == 1
        assert agent.resume() is not None
        assert len(turns(agent)) == 4


def test_a_pending_approval_is_still_pending_after_a_kill(tmp_path: Path) -> None:
    cut_off(tmp_path, IN_A_TOOL, "Remember that my boat is blue.", keywords="approval='ask'")
    with open_agent(tmp_path, ScriptedStream("Fine."), memories={"noting": Noting}, approval="ask") as agent:
        (waiting,) = agent.pending()
        agent.resume()
        assert [r.id for r in agent.pending()] == [waiting.id]
        agent.approve(waiting.id)
        assert bodies(agent, kinds=("fact",)) == ["My boat is blue."]


def test_a_purge_takes_what_a_cut_off_turn_quotes_along(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        secret = agent.remember("The vault of the harbour opens with zanzibar.").record_id
    cut_off(tmp_path, MID_ANSWER, "Does the vault of the harbour open with zanzibar?")
    with open_agent(tmp_path, ScriptedStream("Fine.")) as agent:
        assert files_that_hold(tmp_path, "zanzibar") != []
        receipt = agent.purge(secret)
        assert any("cut off" in note for note in receipt.notes)
        assert agent.loop.cut_off() == []
        assert files_that_hold(tmp_path, "zanzibar") == []


def test_an_answer_that_quotes_what_was_purged_meanwhile_is_not_kept(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        secret = agent.remember("The vault opens with zanzibar.").record_id

    def purges(*_: object) -> list[str]:
        agent.purge(secret)
        return ["It opens with zanzibar [1]."]

    with open_agent(tmp_path, ScriptedStream(purges)) as agent:
        agent.ask("What opens the vault?")
        assert not any("zanzibar" in body for body in bodies(agent))


def test_a_finished_turn_leaves_no_checkpoint(tmp_path: Path) -> None:
    with open_agent(tmp_path, ScriptedStream("Fine.")) as agent:
        agent.ask("Where is the heliotrope boat of mine?")
        store: TurnStore = agent.loop._turn_store()
        with store.saver.cursor(transaction=False) as cursor:
            counts = [cursor.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("checkpoints", "writes")]
        assert counts == [0, 0]
        assert store.open_turns() == []


def test_a_turn_that_runs_in_another_process_is_not_taken_for_cut_off(tmp_path: Path) -> None:
    patch = "def speaks(*_):\n    yield 'on '\n    yield 60.0\n"
    code = _CHILD.format(
        root=_ROOT, home=str(tmp_path), patch=patch, model="ScriptedStream(speaks)", text="Talk on.", keywords=""
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        store_path = tmp_path / "turns.db"
        deadline = time.monotonic() + 30
        running: list[bool] = []
        while time.monotonic() < deadline and not running:
            time.sleep(0.1)
            if store_path.exists():
                store = TurnStore(store_path)
                running = [turn.is_running for turn in store.open_turns()]
                store.close()
        assert running == [True]
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    store = TurnStore(store_path)
    assert [turn.is_running for turn in store.open_turns()] == [False]
    store.close()
