"""`agentmem_mcp` as assistants use it: over a real process with the SDK's client, alone and three at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters

from agentmem import Agent
from agentmem.remote import Remote
from agentmem_mcp import build

MAIN = "import sys; from agentmem.cli import main; sys.exit(main())"
LIGHT = ["--memories", "chroma,bm25", "--set", "embedder=hash"]


def command(home: Path, *more: str) -> StdioServerParameters:
    arguments = ["-c", MAIN, "mcp", "--home", str(home), *LIGHT, *more]
    return StdioServerParameters(command=sys.executable, args=arguments)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with Agent.open(tmp_path / "home", embedder="hash", memories=("chroma", "bm25"), namespace="alice") as opened:
        yield opened


@asynccontextmanager
async def connected(agent: Agent, **how: Any) -> AsyncIterator[Client]:
    async with Client(build(Remote(agent, actor="mcp", redacts=True, **how))) as client:
        yield client


async def call(client: Client, name: str, **given: Any) -> Any:
    """The values a tool returns; what it says as an error."""
    result = await client.call_tool(name, given)
    return result.content[0].text if result.is_error else result.structured_content


async def test_what_is_remembered_is_recalled_corrected_forgotten_and_taken_back(agent: Agent) -> None:
    async with connected(agent) as client:
        written = await call(client, "remember", text="The harbour office is at Pier 4.")
        record_id = written["records"][0]["id"]
        found = await client.call_tool("recall", {"query": "harbour office"})
        assert found.structured_content["hits"][0]["id"] == record_id
        assert record_id[:12] in found.content[0].text
        corrected = await call(client, "correct", id=record_id[:8], text="The harbour office is at Pier 6.")
        assert corrected["records"][0]["version"] == 2
        await call(client, "undo")
        assert agent.show(record_id).body == "The harbour office is at Pier 4."
        forgotten = await call(client, "forget", id=record_id, reason="moved away")
        assert (await call(client, "recall", query="harbour office"))["hits"] == []
        await call(client, "undo", receipt=forgotten["receipt"])
        assert len((await call(client, "recall", query="harbour office"))["hits"]) == 1
        changes = (await call(client, "history", id=record_id))["changes"]
        assert [c["verb"] for c in changes] == ["add", "correct", "undo", "retract", "undo"]
        assert all(c["actor"].startswith("mcp") for c in changes)
        assert len((await call(client, "history", limit=3))["changes"]) == 3


async def test_errors_are_one_sentence_that_says_what_would_be_right(agent: Agent) -> None:
    async with connected(agent) as client:
        for name, given, said in [
            ("recall", {}, "'query' is missing; known: namespace, query"),
            ("recall", {"query": "x", "depth": 1}, "no argument named 'depth'; known:"),
            ("recall", {"query": "x", "k": 0}, "'k' = 0 is not right: input should be greater than or equal to 1"),
            ("recall", {"query": "x", "memory": ["chrome"]}, "no memory named 'chrome'; switched on: chroma, bm25"),
            ("remember", {"text": " "}, "nothing to remember in an empty text"),
            ("correct", {"id": "abcdef", "text": "x"}, "no record 'abcdef' in this namespace"),
            ("forget", {"id": "abcdef", "how": "purge"}, "should be 'retract' or 'archive'"),
            ("undo", {}, "nothing was changed through this connection"),
            ("undo", {"receipt": "f" * 32}, "no receipt"),
            ("sing", {}, "no tool named 'sing'; there are recall"),
        ]:
            result = await client.call_tool(name, given)
            assert result.is_error, (name, given)
            assert said in result.content[0].text
            assert "\n" not in result.content[0].text


async def test_a_client_sees_and_changes_only_its_namespace(agent: Agent) -> None:
    other = agent.remember("Bob's office is at Pier 9.", namespace="bob")
    async with connected(agent) as client:
        assert (await call(client, "recall", query="office Pier"))["hits"] == []
        assert "no record" in await call(client, "correct", id=other.record_id, text="x")
        assert "no receipt" in await call(client, "undo", receipt=other.id)
        assert (await call(client, "history"))["changes"] == []
        with pytest.raises(MCPError, match="in this namespace"):
            await client.read_resource(f"memory://records/{other.record_id}")
        inside = await call(client, "remember", text="Alice's desk is by the window.", namespace="work")
        assert inside["records"][0]["namespace"] == "alice/work"


async def test_purging_is_offered_only_when_it_is_switched_on(agent: Agent) -> None:
    async with connected(agent) as client:
        (forget,) = [t for t in (await client.list_tools()).tools if t.name == "forget"]
        assert forget.input_schema["properties"]["how"]["enum"] == ["retract", "archive"]
    receipt = agent.remember("The code of the vault is 4711.")
    async with connected(agent, may_purge=True) as client:
        (forget,) = [t for t in (await client.list_tools()).tools if t.name == "forget"]
        assert "purge" in forget.input_schema["properties"]["how"]["enum"]
        await call(client, "forget", id=receipt.record_id, how="purge")
    assert b"4711" not in b"".join(p.read_bytes() for p in agent.home.folder.rglob("*") if p.is_file())


async def test_records_are_resources_in_pages(agent: Agent) -> None:
    agent.remember_many([_draft(i) for i in range(120)])
    async with connected(agent) as client:
        listed, cursor = [], None
        while True:
            page = await client.list_resources(cursor=cursor)
            listed += page.resources
            cursor = page.next_cursor
            if cursor is None:
                break
        assert listed[0].uri == "memory://recent"
        assert len({r.uri for r in listed}) == 121
        assert listed[1].title == "note 119"
        record = json.loads((await client.read_resource(listed[1].uri)).contents[0].text)
        assert record["text"] == "note 119"
        history = json.loads((await client.read_resource(f"{listed[1].uri}/history")).contents[0].text)
        assert [entry["verb"] for entry in history] == ["add"]
        assert {t.uri_template for t in (await client.list_resource_templates()).resource_templates} == {
            "memory://records/{id}",
            "memory://records/{id}/history",
        }
        with pytest.raises(MCPError, match=r"no resource 'memory://../secret'"):
            await client.read_resource("memory://../secret")


async def test_secrets_are_taken_out_and_answers_write_nothing(agent: Agent) -> None:
    async with connected(agent) as client:
        written = await call(client, "remember", text="the key is ghp_abcdefghijklmnopqrstuvwxyz012345, keep it")
        assert "ghp_" not in written["records"][0]["text"]
        assert "redacted" in written["notes"][0]
        before = agent.home.journal.records.head()
        answer = await call(client, "ask", question="Which key is kept?")
        assert answer["text"]
        assert agent.home.journal.records.head() == before


def test_every_tool_tells_a_model_when_to_use_it(agent: Agent) -> None:
    from agentmem_mcp.tools import verbs

    for verb in verbs(may_purge=True).values():
        tool = verb.tool()
        assert len(tool.description) > 100
        assert tool.output_schema is not None
        for name, field in tool.input_schema["properties"].items():
            assert field.get("description"), f"{tool.name}.{name} is not described"
            assert "anyOf" not in field


async def test_three_clients_on_one_home_lose_nothing_when_the_owner_is_killed_in_mid_write(tmp_path: Path) -> None:
    home = tmp_path / "home"
    kept: list[str] = []

    async def write(client: Client, name: str, count: int) -> None:
        for i in range(count):
            text = f"{name} wrote note {i} about the harbour"
            await client.call_tool("remember", {"text": text})
            kept.append(text)

    async with Client(command(home)) as first, Client(command(home)) as second, Client(command(home)) as third:
        await call(first, "remember", text="first owns the home")
        owner = int((home / "owner.lock").read_text())
        writing = asyncio.create_task(write(first, "first", 10_000))
        others = [asyncio.create_task(write(c, n, 25)) for c, n in ((second, "second"), (third, "third"))]
        while sum(text.startswith("first") for text in kept) < 5:
            await asyncio.sleep(0.01)
        os.kill(owner, signal.SIGKILL)
        with pytest.raises(MCPError):
            await writing
        await asyncio.gather(*others)  # they go on
        for asking, name in ((second, "third"), (third, "second")):
            found = await call(asking, "recall", query=f"{name} wrote note 24", k=3)
            assert f"{name} wrote note 24 about the harbour" in [hit["text"] for hit in found["hits"]]
            assert not [reason for reason in found["unanswered"] if "process" in reason], found
        assert int((home / "owner.lock").read_text()) != owner
    with Agent.open(home, embedder="hash", memories=("chroma", "bm25")) as agent:
        bodies = {record.body for record in agent.records()}
        assert set(kept) <= bodies
        assert len(kept) >= 55
        assert agent.home.journal.fold() == agent.home.journal.table()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_standard_output_carries_the_protocol_only_and_a_signal_ends_it_cleanly(
    tmp_path: Path, number: signal.Signals
) -> None:
    parameters = command(tmp_path / "home")
    process = subprocess.Popen(
        [parameters.command, *parameters.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "a test", "version": "1"},
        },
    }
    process.stdin.write(json.dumps(hello).encode() + b"\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert answer["result"]["serverInfo"]["name"] == "agentmem"
    assert "long-term memory" in answer["result"]["instructions"]
    started = time.monotonic()
    process.send_signal(number)
    process.stdin.flush()
    rest, errors = process.stdout.read(), process.stderr.read()
    process.wait(20)
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    assert time.monotonic() - started < 10
    assert rest == b""
    assert process.returncode == 128 + number
    assert b"Traceback" not in errors


def _draft(i: int) -> Any:
    from agentmem.records import Draft

    return Draft(body=f"note {i}", namespace=("alice",))
