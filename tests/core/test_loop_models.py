"""Chat models behind an OpenAI-compatible server: streaming, tools, failures, and secrets that stay secret."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem import events
from agentmem.contract import Message
from agentmem.errors import BadInput, Missing, ModelError
from agentmem.models.loading import load_chat_model
from agentmem.settings import Settings
from tests.core.chat_server import ChatServer, serving
from tests.core.loop_fakes import bodies, files_that_hold, open_agent, turns

HARBOUR = "The harbour office is at Pier 4."
QUESTION = "Where is the harbour office?"
PATIENCE = 18.0  # seconds: the server hangs for longer
KEY = "sk-notforanybodyelse12345"


@pytest.fixture(scope="module")
def shared() -> Iterator[ChatServer]:
    with serving(ChatServer()) as server:
        yield server


@pytest.fixture
def server(shared: ChatServer, monkeypatch: pytest.MonkeyPatch) -> ChatServer:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    shared.behave, shared.tool, shared.text = "well", None, "The harbour office is at Pier 4 [1]."
    shared.seen.clear()
    return shared


def test_an_answer_streams_from_a_compatible_server(tmp_path: Path, server: ChatServer) -> None:
    with open_agent(tmp_path, model="openai:stub", base_url=server.url) as agent:
        fact = agent.remember(HARBOUR).record_id
        told = list(agent.stream(QUESTION))
        tokens = [e.text for e in told if isinstance(e, events.Token)]
        assert len(tokens) > 5
        last = told[-1]
        assert isinstance(last, events.Answered)
        assert last.answer.text == "".join(tokens) == "The harbour office is at Pier 4 [1]."
        assert [c.record_id for c in last.answer.citations] == [fact]
        assert (last.answer.cost.tokens_in, last.answer.cost.tokens_out) == (50, 10)
        assert last.answer.model == "openai:stub"
        assert HARBOUR in server.seen[0]["messages"][-1]["content"]
        assert server.keys[-1] == f"Bearer {KEY}"


def test_prices_make_money_of_tokens(tmp_path: Path, server: ChatServer) -> None:
    prices = {"input": 2.0, "output": 10.0}
    with open_agent(tmp_path, model="openai:stub", base_url=server.url, prices=prices) as agent:
        assert agent.ask(QUESTION).cost.money == pytest.approx((50 * 2 + 10 * 10) / 1e6)


def test_a_tool_call_in_pieces_is_carried_out(tmp_path: Path, server: ChatServer) -> None:
    server.tool = {"name": "remember", "args": {"text": "My boat is blue."}}
    server.text = "I have kept it."
    with open_agent(tmp_path, model="openai:stub", base_url=server.url) as agent:
        assert agent.ask("Remember that my boat is blue.").text == "I have kept it."
        assert bodies(agent, kinds=("fact",)) == ["My boat is blue."]
        offered = [tool["function"]["name"] for tool in server.seen[0]["tools"]]
        assert offered == ["recall", "remember"]
        assert server.seen[1]["messages"][-1] == {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": "remembered: My boat is blue.",
        }


def test_tool_arguments_that_are_no_json_become_a_sentence_for_the_model(tmp_path: Path, server: ChatServer) -> None:
    server.tool = {"name": "recall", "args": '{"query": "harb'}
    with open_agent(tmp_path, model="openai:stub", base_url=server.url) as agent:
        told = [e for e in agent.stream(QUESTION) if isinstance(e, events.ToolReturned)]
        assert [e.ok for e in told] == [False]
        assert "no JSON object" in told[0].text


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("error", "overloaded"),
        ("garbage", "model"),
        ("garbled", "model openai:stub failed"),
        ("break", "model openai:stub failed"),
        ("hang", "the limit of 1.5 seconds"),
        ("drip", "the limit of 1.5 seconds"),
        ("flood", "the limit of 5000 tokens"),
    ],
)
def test_whatever_the_server_does_the_turn_ends_with_a_sentence(
    tmp_path: Path, server: ChatServer, behaviour: str, why: str
) -> None:
    server.behave = behaviour
    limits = {"seconds": 1.5 if "seconds" in why else 60.0, "tokens": 5000}
    with open_agent(tmp_path, model="openai:stub", base_url=server.url, budget=limits, openai={"max_retries": 0}) as a:
        a.remember(HARBOUR)
        started = time.monotonic()
        answer = a.ask(QUESTION)
        assert time.monotonic() - started < PATIENCE
        assert why in answer.stopped
        assert "(" in answer.text
        assert len(answer.text) < 30_000
        assert len(turns(a)) == 2


def test_keys_are_in_no_representation_log_error_file_or_export(
    tmp_path: Path, server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.behave = "key"
    caplog.set_level(logging.DEBUG)
    with open_agent(tmp_path / "home", model="openai:stub", base_url=server.url) as agent:
        answer = agent.ask(QUESTION)
        assert "Incorrect API key" in answer.stopped
        shown = f"{agent.home.chat!r} {vars(agent.home.chat)} {agent.settings!r} {answer!r}"
        assert KEY not in shown
        agent.export(tmp_path / "export")
    assert KEY not in caplog.text
    assert files_that_hold(tmp_path, KEY) == []


def test_structured_output_is_asked_for_and_survives_a_server_without_it(server: ChatServer) -> None:
    settings = Settings(model="openai:stub", base_url=server.url)
    model = load_chat_model(settings)
    assert model is not None
    server.text = '```json\n{"facts": []}\n```'
    schema = {"type": "object"}
    assert json.loads(model.chat([Message("user", "extract")], schema=schema)) == {"facts": []}
    assert server.seen[-1]["response_format"]["type"] == "json_schema"
    server.behave = "no json"
    assert json.loads(model.chat([Message("user", "extract")], schema=schema)) == {"facts": []}
    assert "response_format" not in server.seen[-1]


def test_a_model_without_a_key_or_package_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = load_chat_model(Settings(model="openai:gpt-4o"))
    assert model is not None
    with pytest.raises(Missing, match="set OPENAI_API_KEY"):
        model.chat([Message("user", "hello")])
    with pytest.raises(BadInput, match="give extractive"):
        load_chat_model(Settings(model="gpt-4o"))
    with pytest.raises(Missing, match="not installed"):
        load_chat_model(Settings(model="anthropic:claude"))


def test_a_server_that_is_not_there_is_a_sentence(server: ChatServer) -> None:
    model = load_chat_model(
        Settings(model="openai:stub", base_url="http://127.0.0.1:9/v1", sections={"openai": {"max_retries": 0}})
    )
    assert model is not None
    with pytest.raises(ModelError, match="Connection error"):
        model.chat([Message("user", "hello")])


def test_importing_and_help_load_no_langchain() -> None:
    code = (
        "import sys, agentmem, agentmem.agent\nfrom agentmem.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "main(['plugins', 'list'])\n"
        "loaded = [n for n in ('langchain_core', 'langgraph', 'langsmith', 'openai', 'torch') if n in sys.modules]\n"
        "print('LOADED', loaded)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "LOADED []" in out.stdout, out.stdout[-500:] + out.stderr
