"""A turn from message to answer: what is asked, said, written, and what is not."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph.message import add_messages

from agentmem import events
from agentmem.agent import Agent
from agentmem.errors import BadInput, UnknownName
from agentmem.records import Status
from agentmem.testing.streaming import ScriptedStream
from tests.core.loop_fakes import Failing, FromWeights, Noting, Words, bodies, files_that_hold, open_agent, turns

HARBOUR = "The harbour office is at Pier 4."
QUESTION = "Where is the harbour office?"


class Chat(TypedDict):
    """The state of somebody else's graph."""

    messages: Annotated[list[Any], add_messages]


def test_an_answer_quotes_cites_and_is_written_down(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        fact = agent.remember(HARBOUR).record_id
        answer = agent.ask(QUESTION)
        assert "Pier 4" in answer.text
        assert [c.record_id for c in answer.citations] == [fact]
        said, spoken = turns(agent)
        assert (said.body, spoken.body) == (QUESTION, answer.text)
        assert said.id in spoken.derived_from
        assert fact in spoken.derived_from
        assert [r.verb for r in answer.receipts] == ["turn"]
        assert answer.trace is not None
        trace = json.loads(agent.show(answer.trace).body)
        assert [s["event"] for s in trace["steps"]] == ["routed", "memory_asked", "recalled", "composed"]
        assert trace["outcome"]["cited"] == [[1, fact]]
        assert HARBOUR not in agent.show(answer.trace).body, "a trace names records and quotes none"


def test_events_come_in_order_and_end_with_one_answer(tmp_path: Path) -> None:
    with open_agent(tmp_path, ScriptedStream("It is at Pier 4 [1].")) as agent:
        agent.remember(HARBOUR)
        told = [events.name_of(e) for e in agent.stream(QUESTION)]
    once = list(dict.fromkeys(told))
    assert once == [
        "turn_started",
        "routed",
        "memory_asked",
        "recalled",
        "composed",
        "token",
        "model_called",
        "written",
        "answered",
    ]
    assert told.count("answered") == 1


def test_every_event_becomes_json(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        agent.remember(HARBOUR)
        lines = [json.loads(events.as_json(e)) for e in agent.stream(QUESTION)]
    assert lines[0]["text"] == QUESTION
    assert lines[-1]["answer"]["text"]
    recalled = next(line for line in lines if line["event"] == "recalled")
    assert recalled["hits"][0]["record"]["body"] == HARBOUR


def test_tokens_stream_before_the_model_has_ended(tmp_path: Path) -> None:
    go_on = threading.Event()

    def slowly(*_: Any) -> Any:
        yield "first "
        go_on.wait(10)
        yield "second"

    with open_agent(tmp_path, ScriptedStream(slowly)) as agent:
        said = []
        for event in agent.stream("Tell me something please"):
            if isinstance(event, events.Token):
                said.append(event.text)
                go_on.set()
        assert said == ["first ", "second"]


def test_a_question_that_is_asked_often_does_not_push_its_answer_out(tmp_path: Path) -> None:
    with open_agent(tmp_path, k=3) as agent:
        agent.remember(HARBOUR)
        for _ in range(8):
            answer = agent.ask(QUESTION)
        assert "Pier 4" in answer.text
        assert len(turns(agent)) == 16, "the exchanges are in the journal all the same"


def test_undoing_what_was_said_takes_answer_trace_and_derivations_along(tmp_path: Path) -> None:
    with open_agent(tmp_path, memories={"noting": Noting}) as agent:
        agent.remember(HARBOUR)
        before = agent.home.journal.state_hash()
        answer = agent.ask("My boat is called Marigold.")
        assert any("noted: My boat" in body for body in bodies(agent))
        agent.undo(answer.receipts[0])
        assert agent.home.journal.state_hash() == before


def test_correcting_a_record_takes_back_the_answers_that_quoted_it(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        fact = agent.remember(HARBOUR).record_id
        spoken = agent.ask(QUESTION).receipts[0].record_ids[1]
        receipt = agent.correct(fact, "The harbour office is at Pier 6.")
        assert agent.show(spoken).status is Status.RETRACTED
        assert "Pier 6" in agent.ask(QUESTION).text
        agent.undo(receipt)
        assert agent.show(spoken).status is Status.ACTIVE
        assert "Pier 4" in agent.ask(QUESTION).text


def test_a_conversation_corrects_forgets_and_takes_back(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        agent.ask("Remember that the harbour office is at Pier 4.")
        assert "Pier 4" in agent.ask(QUESTION).text
        agent.ask("Actually, the harbour office is at Pier 6, not Pier 4.")
        corrected = agent.ask(QUESTION).text
        assert "Pier 6" in corrected
        assert "Pier 4" not in corrected
        agent.ask("undo that")
        assert "Pier 4" in agent.ask(QUESTION).text
        agent.ask("Forget everything about the harbour office.")
        assert "Pier" not in agent.ask(QUESTION).text


def test_an_incognito_turn_writes_nothing(tmp_path: Path) -> None:
    with open_agent(tmp_path, ScriptedStream("Heliotrope it is.")) as agent:
        agent.remember(HARBOUR)
        before, head = agent.home.journal.state_hash(), agent.home.journal.records.head()
        answer = agent.ask("Remember that my colour is heliotrope.", incognito=True)
        assert answer.text == "Heliotrope it is."
        assert answer.trace is None
        assert (agent.home.journal.state_hash(), agent.home.journal.records.head()) == (before, head)
    assert files_that_hold(tmp_path, "heliotrope") == []


def test_an_incognito_wish_is_refused_with_its_reason(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        answer = agent.ask("Remember that my colour is heliotrope.", incognito=True)
        assert "writes nothing down" in answer.text
        assert bodies(agent) == []


def test_secrets_are_taken_out_before_anything_is_stored_and_the_user_is_told(tmp_path: Path) -> None:
    model = ScriptedStream("Noted.")
    with open_agent(tmp_path, model) as agent:
        told = list(agent.stream("Remember my key sk-verysecretindeed1234 and card 4111 1111 1111 1111."))
        notices = [e.text for e in told if isinstance(e, events.Notice)]
        assert notices[0] == "redacted before storing: API key, card number"
        assert "verysecret" not in str(model.calls)
    assert files_that_hold(tmp_path, "verysecret") == []
    assert files_that_hold(tmp_path, "4111 1111") == []


def test_a_cancel_keeps_what_was_said_so_far(tmp_path: Path) -> None:
    def endless(*_: Any) -> Any:
        yield "It was a dark night. "
        while True:
            yield 0.02

    with open_agent(tmp_path, ScriptedStream(endless)) as agent:
        started = time.monotonic()
        for event in agent.stream("Tell me a story about ships and storms"):
            if isinstance(event, events.Token) and agent.loop.running("main"):
                assert agent.cancel() >= 1
        assert isinstance(event, events.Answered)
        assert event.answer.text.startswith("It was a dark night.")
        assert event.answer.stopped == "stopped by the user"
        assert time.monotonic() - started < 5
        assert turns(agent)[1].attributes["stopped"] == "stopped by the user"


def test_a_listener_that_leaves_stops_the_turn(tmp_path: Path) -> None:
    def endless(*_: Any) -> Any:
        while True:
            yield "on "
            yield 0.01

    with open_agent(tmp_path, ScriptedStream(endless)) as agent:
        stream = agent.stream("Say something endless about the sea")
        while not isinstance(next(stream), events.Token):
            pass
        stream.close()  # type: ignore[attr-defined]
        assert agent.loop.running() == []
        assert agent.loop.cut_off() == []
        assert len(turns(agent)) == 2


def test_fifty_threads_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    def echo(messages: Any, _: Any) -> Any:
        yield "heard: "
        yield messages[-1]["question"]

    with open_agent(tmp_path, ScriptedStream(echo), synchronous="NORMAL") as agent:

        def talk(n: int) -> None:
            for turn in range(2):
                answer = agent.ask(f"Note number {n} in round {turn} for the log.", thread=f"t{n}")
                assert answer.text == f"heard: Note number {n} in round {turn} for the log."

        workers = [threading.Thread(target=talk, args=(n,)) for n in range(50)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(100)
        for n in range(50):
            said = [r.body for r in turns(agent, f"t{n}") if r.attributes["role"] == "user"]
            assert said == [f"Note number {n} in round {turn} for the log." for turn in range(2)]
        assert len(list(agent.records(kinds=("trace",)))) == 100
        assert agent.loop.cut_off() == []


def test_turns_on_one_thread_run_one_after_another_in_order(tmp_path: Path) -> None:
    model = ScriptedStream(lambda *_: ["a ", 0.05, "b"])
    with open_agent(tmp_path, model) as agent:
        streams = [agent.stream(f"Message number {n} of this thread.") for n in range(4)]
        answers = [list(stream)[-1] for stream in streams]
        assert all(isinstance(a, events.Answered) for a in answers)
        roles = [r.attributes["role"] for r in turns(agent)]
        assert roles == ["user", "assistant"] * 4
        said = [r.body for r in turns(agent) if r.attributes["role"] == "user"]
        assert said == [f"Message number {n} of this thread." for n in range(4)]


def test_a_waiting_turn_can_be_cancelled_before_it_begins(tmp_path: Path) -> None:
    hold = threading.Event()

    def waits(*_: Any) -> Any:
        yield "…"
        hold.wait(10)

    with open_agent(tmp_path, ScriptedStream(waits, "never")) as agent:
        first = agent.stream("The first message holds the thread.")
        second = agent.stream("The second message waits for it.")
        time.sleep(0.1)
        agent.cancel()
        hold.set()
        assert isinstance(list(first)[-1], events.Answered)
        last = list(second)[-1]
        assert isinstance(last, events.TurnFailed)
        assert last.kind == "Cancelled"
        assert not last.resumable


def test_a_memory_that_fails_does_so_alone(tmp_path: Path) -> None:
    with open_agent(tmp_path, memories={"words": Words, "failing": Failing}) as agent:
        agent.remember(HARBOUR)
        told = list(agent.stream(QUESTION))
        errors = {e.memory: e.error for e in told if isinstance(e, events.Recalled)}
        assert errors == {"words": None, "failing": "RuntimeError: the index is upside down"}
        assert isinstance(told[-1], events.Answered)
        assert "Pier 4" in told[-1].answer.text


def test_what_a_memory_says_from_its_weights_is_evidence_too(tmp_path: Path) -> None:
    with open_agent(tmp_path, memories={"weights": FromWeights}) as agent:
        answer = agent.ask("What is the capital of Velmark?")
        assert "Osterby" in answer.text
        assert [c.memory for c in answer.citations] == ["weights"]


def test_the_model_sees_the_thread_and_its_namespace_only(tmp_path: Path) -> None:
    model = ScriptedStream("Fine.")
    with open_agent(tmp_path, model) as agent:
        agent.ask("I keep bees on the roof.", thread="a", namespace="alice")
        agent.ask("I keep goats in the yard.", thread="b", namespace="bob")
        agent.ask("And what do I keep?", thread="a", namespace="alice")
        seen = str(model.calls[-1])
        assert "bees" in seen
        assert "goats" not in seen


def test_as_of_asks_the_memory_of_an_earlier_time(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        agent.remember(HARBOUR)
        with pytest.raises(BadInput, match="empty message"):
            agent.ask("   ")
        with pytest.raises(UnknownName, match="switched on: words"):
            agent.ask(QUESTION, memory="chrome")
        answer = agent.ask(QUESTION, as_of=1.0)
        assert answer.hits == (), "no memory here can answer for an earlier time"


async def test_the_async_twins_do_the_same(tmp_path: Path) -> None:
    agent = open_agent(tmp_path, ScriptedStream("At Pier 4 [1]."))
    agent.remember(HARBOUR)
    answers = await asyncio.gather(*(agent.aask(QUESTION, thread=f"t{n}") for n in range(5)))
    assert {a.text for a in answers} == {"At Pier 4 [1]."}
    told = [e async for e in agent.astream(QUESTION)]
    assert isinstance(told[0], events.TurnStarted)
    assert isinstance(told[-1], events.Answered)
    agent.close()


async def test_cancelling_an_async_task_stops_its_turn(tmp_path: Path) -> None:
    def endless(*_: Any) -> Any:
        while True:
            yield "on "
            yield 0.01

    agent = open_agent(tmp_path, ScriptedStream(endless))
    task = asyncio.create_task(agent.aask("Talk on and on about the weather"))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        if not agent.loop.running():
            break
        await asyncio.sleep(0.05)
    assert agent.loop.running() == []
    agent.close()


def test_the_graph_can_be_embedded_in_another_graph(tmp_path: Path) -> None:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, StateGraph

    with open_agent(tmp_path) as agent:
        agent.remember(HARBOUR)
        builder = StateGraph(Chat)
        builder.add_node("memory", agent.graph)
        builder.add_edge(START, "memory")
        builder.add_edge("memory", END)
        outer = builder.compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "outside"}}
        for n in (2, 4):
            asked: Any = {"messages": [("user", QUESTION)]}
            told: list[Any] = [event for _, event in outer.stream(asked, config, stream_mode="custom", subgraphs=True)]
            assert {"routed", "recalled", "composed", "token", "written"} <= {events.name_of(e) for e in told}
            messages = outer.get_state(config).values["messages"]
            assert len(messages) == n
            assert "Pier 4" in messages[-1].text
        assert len(turns(agent, "outside")) == 4, "the exchanges are written under the other graph's thread"
        assert agent.loop._main.turns == {}


def test_closing_the_agent_stops_its_turns_and_leaves_nothing_open(tmp_path: Path) -> None:
    def endless(*_: Any) -> Any:
        while True:
            yield "on "
            yield 0.01

    agent: Agent = open_agent(tmp_path, ScriptedStream(endless))
    stream = agent.stream("Say something endless about the sea")
    while not isinstance(next(stream), events.Token):
        pass
    agent.close()
    with open_agent(tmp_path) as again:
        assert again.loop.cut_off() == []
        assert len(turns(again)) == 2


def test_a_turn_that_is_cancelled_at_once_ends_with_a_sentence(tmp_path: Path) -> None:
    with open_agent(tmp_path, ScriptedStream("late")) as agent:
        stream = agent.stream("What is the tide today?")
        agent.cancel()
        last = list(stream)[-1]
        told = last.answer.stopped if isinstance(last, events.Answered) else getattr(last, "error", "")
        assert told == "stopped by the user"


def test_a_turn_has_its_session_and_its_time_and_the_session_ends_with_the_agent(tmp_path: Path) -> None:
    ends: list[str] = []

    class Tidy(Words):
        def maintain(self, phase: str) -> Any:
            ends.append(phase)
            return ()

    with open_agent(tmp_path, memories={"tidy": Tidy}) as agent:
        agent.ask("My boat is blue.")
        agent.ask("My car is red.", session="yesterday", at=1_700_000_000.0, speaker="Ines")
        first, second = (r for r in turns(agent) if r.attributes["role"] == "user")
        assert first.session == agent.loop.session
        assert first.valid_from is not None
        assert (second.session, second.valid_from, second.speaker) == ("yesterday", 1_700_000_000.0, "Ines")
        assert ends == ["turn", "turn"]
    assert ends == ["turn", "turn", "session"]


def test_memories_hear_how_an_answer_fared_and_what_a_correction_says_of_it(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    class Learns(Words):
        def feedback(self, event: Any) -> Any:
            heard.append(dict(event.data))
            return ()

    with open_agent(tmp_path, memories={"learns": Learns}) as agent:
        fact = agent.remember(HARBOUR).record_id
        agent.ask(QUESTION)
        agent.ask("Actually, I meant the harbour office of Brack.")
    assert heard[0]["cited"] == [fact]
    assert heard[1]["question"] == QUESTION
    assert heard[1]["clarification"].startswith("Actually")


def test_a_number_means_the_evidence_that_the_model_saw_under_it(tmp_path: Path) -> None:
    """Hits that are turns of this thread are shown as the conversation, not as evidence, and take no number."""
    chat = ScriptedStream(["I do not know."], ["Pier 4. [1]"])
    with open_agent(tmp_path, chat) as agent:
        fact = agent.remember("The harbour office is at Pier 4.").record_id
        agent.ask("Where is the harbour office, please?")
        answer = agent.ask("Where is the harbour office, please?")
        assert [(c.number, c.record_id) for c in answer.citations] == [(1, fact)]
