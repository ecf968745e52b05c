"""The chat endpoint of `agentmem_serve` by the `openai` client: whole, streamed, with tools of the caller."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from serving import serving

from agentmem import Agent

sys.path.insert(0, str(Path(__file__).parent.parent / "core"))

from chat_server import ChatServer
from chat_server import serving as serving_model

TOKEN = "a-token-that-is-long-enough"
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def connected(url: str, **how: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0, **how)


@pytest.fixture
def quoting(tmp_path: Path) -> Iterator[tuple[Agent, openai.OpenAI]]:
    """An agent without a model, and a client of it."""
    with Agent.open(tmp_path / "home", embedder="hash", memories=("chroma", "bm25")) as agent:
        agent.remember("The harbour office is at Pier 4.")
        with serving(agent, token=TOKEN) as url, connected(url) as client:
            yield agent, client


@pytest.fixture
def model() -> Iterator[ChatServer]:
    with serving_model(ChatServer()) as server:
        yield server


@pytest.fixture
def talking(tmp_path: Path, model: ChatServer) -> Iterator[tuple[Agent, openai.OpenAI]]:
    """An agent with a scripted model, and a client of it."""
    with Agent.open(
        tmp_path / "home", embedder="hash", memories=("chroma", "bm25"), model="openai:stub", base_url=model.url
    ) as agent:
        agent.remember("The harbour office is at Pier 4.")
        with serving(agent, token=TOKEN) as url, connected(url) as client:
            yield agent, client


def ask(client: openai.OpenAI, text: str, **how: Any) -> Any:
    messages = [*how.pop("before", []), {"role": "user", "content": text}]
    return client.chat.completions.create(model="agentmem", messages=messages, **how)


def test_an_answer_comes_whole_with_usage_and_what_it_rests_on(quoting: tuple[Agent, openai.OpenAI]) -> None:
    agent, client = quoting
    answer = ask(client, "Where is the harbour office?")
    assert "Pier 4" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    memory = answer.model_extra["agentmem"]
    assert memory["citations"][0]["number"] == 1
    assert {r.body for r in agent.records(kinds=("turn",))} >= {"Where is the harbour office?"}
    agent.undo(memory["receipts"][0])
    assert not list(agent.records(kinds=("turn",)))


def test_a_stream_is_the_same_answer_in_pieces_and_ends_with_done(quoting: tuple[Agent, openai.OpenAI]) -> None:
    _, client = quoting
    whole = ask(client, "Where is the harbour office?").choices[0].message.content
    stream = ask(client, "Where is the harbour office?", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens > 0
    with client.with_streaming_response.chat.completions.create(
        model="agentmem", messages=[{"role": "user", "content": "Where is the office?"}], stream=True
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)


def test_the_models_are_listed_and_others_refused(quoting: tuple[Agent, openai.OpenAI]) -> None:
    _, client = quoting
    assert [m.id for m in client.models.list()] == ["agentmem", "extractive"]
    assert client.models.retrieve("agentmem").owned_by == "agentmem"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9'; there are agentmem, extractive"):
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.AuthenticationError, match="not the right one"):
        client.with_options(api_key="wrong").models.list()
    for messages, why in [
        ([{"role": "assistant", "content": "x"}], "no message of role 'user'"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], "no message of role"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]}],
            "only parts of type 'text'",
        ),
    ]:
        with pytest.raises(openai.BadRequestError, match=why):
            client.chat.completions.create(model="agentmem", messages=messages)
    parts: Any = [{"type": "text", "text": "Where is the harbour office?"}]
    assert "Pier 4" in ask(client, parts).choices[0].message.content


def test_a_conversation_keeps_its_thread_by_header_or_by_what_was_said(quoting: tuple[Agent, openai.OpenAI]) -> None:
    _, client = quoting

    def thread(answer: Any) -> str:
        return str(answer.model_extra["agentmem"]["thread"])

    first = ask(client, "Where is the harbour office?")
    before = [
        {"role": "user", "content": "Where is the harbour office?"},
        {"role": "assistant", "content": first.choices[0].message.content},
    ]
    assert thread(ask(client, "And what is near it?", before=before)) == thread(first)
    assert thread(ask(client, "Where is the harbour office?")) != thread(first)
    changed = [before[0], {"role": "assistant", "content": "something else"}]
    assert thread(ask(client, "And what is near it?", before=changed)) != thread(first)
    named = ask(client, "Where is the harbour office?", extra_headers={"x-agentmem-thread": "tuesday"})
    assert thread(named) == "tuesday"
    apart = ask(client, "Where is the harbour office?", extra_headers={"x-agentmem-namespace": "bob"})
    assert "Pier 4" not in apart.choices[0].message.content


def test_the_model_behind_the_agent_streams_through(talking: tuple[Agent, openai.OpenAI], model: ChatServer) -> None:
    agent, client = talking
    chunks = list(ask(client, "Where is the harbour office?", stream=True))
    assert len([c for c in chunks if c.choices and c.choices[0].delta.content]) > 3
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == model.text
    assert "Pier 4" in str(model.seen[0]["messages"])  # the memory was shown to it
    answer = ask(client, "Where is the harbour office?")
    assert answer.usage.prompt_tokens == 50
    assert [m.id for m in client.models.list()][1] == agent.home.chat.name


@pytest.mark.parametrize("stream", [False, True])
def test_the_callers_tools_go_to_the_model_and_its_calls_to_the_caller(
    talking: tuple[Agent, openai.OpenAI], model: ChatServer, stream: bool
) -> None:
    agent, client = talking
    model.tool = {"name": "weather", "args": {"place": "the harbour"}}
    question = "What is the weather at the harbour office?"
    if stream:
        chunks = list(ask(client, question, tools=[TOOL], stream=True))
        (call,) = [c for chunk in chunks if chunk.choices for c in chunk.choices[0].delta.tool_calls or ()]
        finish = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]
    else:
        (choice,) = ask(client, question, tools=[TOOL]).choices
        (call,), finish = choice.message.tool_calls, choice.finish_reason
    assert (call.function.name, call.function.arguments) == ("weather", '{"place": "the harbour"}')
    assert finish == "tool_calls"
    assert not list(agent.records(kinds=("turn",)))  # the exchange is not over
    assert [t["function"]["name"] for t in model.seen[-1]["tools"]] == ["weather"]
    assert "Pier 4" in str(model.seen[-1]["messages"])
    model.text = "It rains."
    messages: Any = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]
    answer = client.chat.completions.create(model="agentmem", messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == "It rains."
    assert model.seen[-1]["messages"][-1] == {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    assert [r.body for r in agent.records(kinds=("turn",))] == [question, "It rains."]


def test_a_system_message_of_the_caller_reaches_the_model(
    talking: tuple[Agent, openai.OpenAI], model: ChatServer
) -> None:
    _, client = talking
    ask(client, "Where is the harbour office?", before=[{"role": "system", "content": "Speak like a pirate."}])
    system, asked = model.seen[-1]["messages"]
    assert system["content"].startswith("Speak like a pirate.")
    assert "<memory-" in asked["content"]


def test_a_model_that_fails_is_told_and_never_a_broken_stream(
    talking: tuple[Agent, openai.OpenAI], model: ChatServer
) -> None:
    _, client = talking
    model.behave = "error"
    answer = ask(client, "Where is the harbour office?")  # the agent answers with what it has and says why
    assert "Pier 4" in answer.choices[0].message.content
    assert "overloaded" in answer.model_extra["agentmem"]["stopped"]
    with pytest.raises(openai.APIStatusError, match="overloaded") as refused:
        ask(client, "Where is the harbour office?", tools=[TOOL])
    assert refused.value.status_code == 502
    with pytest.raises(openai.APIError, match="overloaded"):
        list(ask(client, "Where is the harbour office?", tools=[TOOL], stream=True))


def test_a_listener_that_leaves_cancels_its_turn(talking: tuple[Agent, openai.OpenAI], model: ChatServer) -> None:
    agent, client = talking
    model.behave = "drip"
    stream = ask(client, "Where is the harbour office?", stream=True)
    next(iter(stream))
    assert agent.loop.running()
    stream.close()
    deadline = 100
    while agent.loop.running() and deadline:
        httpx.get(f"{str(client.base_url)[:-4]}/v1/health", trust_env=False)
        deadline -= 1
        time.sleep(0.05)
    assert not agent.loop.running()
