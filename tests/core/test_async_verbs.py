"""Every verb that waits has an async twin, and an event loop goes on while it waits."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentmem.agent import Agent
from agentmem.contract import Memory
from agentmem.errors import BadInput, NotFound
from agentmem.records import Change, Query, Recall

_AT_ONCE = {"cancel"}  # waits for nothing


def test_every_verb_that_waits_has_an_async_twin_with_the_same_parameters() -> None:
    verbs = {
        name: function
        for name, function in inspect.getmembers(Agent, inspect.isfunction)
        if not name.startswith("_") and name not in _AT_ONCE and not (name[0] == "a" and hasattr(Agent, name[1:]))
    }
    assert {"remember", "recall", "undo", "ask", "stream", "records", "complete", "export", "close"} <= set(verbs)
    for name, verb in verbs.items():
        twin = getattr(Agent, f"a{name}", None)
        assert twin is not None, f"no async twin of {name}"
        assert list(inspect.signature(twin).parameters) == list(inspect.signature(verb).parameters), name
        assert (twin.__doc__ or "").startswith(f"The async twin of `{name}`"), name


async def test_a_record_is_written_found_corrected_and_taken_back_without_blocking_the_loop(tmp_path: Path) -> None:
    async with await Agent.aopen(tmp_path, embedder="hash") as agent:
        receipt = await agent.aremember("The harbour office moved to Pier 4.")
        await agent.acorrect(receipt.record_id, "The harbour office moved to Pier 6.")
        assert [hit.record.body for hit in await agent.arecall("harbour office", k=1)] == [
            "The harbour office moved to Pier 6."
        ]
        await agent.aundo()
        assert [record.body async for record in agent.arecords()] == ["The harbour office moved to Pier 4."]
        assert (await agent.aask("Where is the harbour office?")).citations
        assert len(await agent.ahistory(receipt.record_id)) == 3
        with pytest.raises(BadInput, match="empty text"):
            await agent.aremember(" ")
        with pytest.raises(NotFound):
            await agent.ashow("0" * 32)


class _Slow(Memory):
    """Answers once somebody on the event loop says so: on the loop's own thread that would never be."""

    name = "slow"
    go = threading.Event()

    def apply(self, changes: Sequence[Change]) -> None:
        pass

    def recall(self, query: Query) -> Recall:
        assert self.go.wait(30), "the event loop stood still"
        return Recall(abstain="waited")


async def test_the_event_loop_goes_on_while_a_memory_is_slow(tmp_path: Path) -> None:
    with Agent.open(
        tmp_path, embedder="hash", memories=("slow",), plugins={"slow": _Slow}, recall_timeout_s=60
    ) as agent:
        agent.remember("Pier 4 is closed.")
        _Slow.go.clear()
        asked = asyncio.create_task(agent.asearch("Pier 4", memory="slow"))
        await asyncio.sleep(0)
        _Slow.go.set()
        assert [recall.abstain for recall in (await asked).recalls] == ["waited"]


async def test_an_async_reading_that_is_left_early_lets_go_of_its_iterator(tmp_path: Path) -> None:
    with Agent.open(tmp_path, embedder="hash") as agent:
        for number in range(3):
            agent.remember(f"Pier {number} is open.")
        heard = []
        pieces = agent.alisten(["The ferry leaves at nine. ", "It is late. ", "Nobody waits."])
        async for one in pieces:
            heard.append(one)
            break
        await pieces.aclose()
        assert len(heard) == 1
        bodies = [record.body async for record in agent.arecords(kinds=("chunk",))]
        assert len(bodies) == 1, "what was heard is written down when the caller stops"
        assert bodies[0].startswith("The ferry leaves at nine.")
