"""Acting in an environment and with tools: errors are observations, limits end a run, a killed run goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool

from agentmem import Agent
from agentmem.acting import NO_ACTION, Ended, Limits, Run
from agentmem.bench.worlds.policies import decide
from agentmem.bench.worlds.scenes import KINDS
from agentmem.contract import Message
from agentmem.errors import BadInput, Missing
from agentmem.home import Home
from agentmem.models.protocol import Delta, ToolCall, ToolSpec
from agentmem.records import Record


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.open(tmp_path / "home", memories={}) as opened:
        yield opened


def call(name: str, **args: object) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"{name}-{random.random()}"}])


def scripted(*replies: AIMessage) -> Callable[[Sequence[BaseMessage]], AIMessage]:
    waiting = list(replies)
    return lambda messages: waiting.pop(0)


def render(messages: Sequence[BaseMessage]) -> str:
    lines: list[str] = []
    for message in messages:
        for made in message.tool_calls if isinstance(message, AIMessage) else ():
            lines.append(f"Action: {made['args'].get('text', '')}")
        lines.append(message.text)
    return "\n".join(lines)


def planner(domain: str) -> Callable[[Sequence[BaseMessage]], AIMessage]:
    """The scripted policy as a model; subgoals are left out."""

    def reply(messages: Sequence[BaseMessage]) -> AIMessage:
        text, rng = render(messages), random.Random(len(messages))
        line = decide(domain, text, rng)
        if line.startswith("Subgoal: "):
            line = decide(domain, f"{text}\n{line}", rng)
        return AIMessage("", tool_calls=[{"name": "act", "args": {"text": line[8:]}, "id": f"c{len(messages)}"}])

    return reply


@tool
def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


@tool
def fail() -> str:
    """Always fails."""
    raise RuntimeError("the pump is broken")


@tool
def long_list() -> str:
    """A long result."""
    return "\n".join(f"line {i}" for i in range(2000))


def results(run: Run) -> list[ToolMessage]:
    return [m for m in run.messages if isinstance(m, ToolMessage)]


def test_a_run_calls_tools_until_the_model_answers_in_words(home: Home) -> None:
    run = Run(home, scripted(call("double", number=21), AIMessage("It is 42.")), task="double 21", tools=[double])
    ended = run.go()
    assert ended == Ended("run", "It is 42.", 2, 0.0, True)
    assert results(run)[0].text == "42"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (call("fail"), "Error: RuntimeError: the pump is broken"),
        (call("missing"), "There is no tool 'missing'; tools: double, fail, read_result."),
        (call("double", number="many"), "Error: ValidationError"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model_and_the_run_goes_on(home: Home, reply: AIMessage, told: str) -> None:
    run = Run(home, scripted(reply, AIMessage("well")), task="try", tools=[double, fail])
    assert run.go().text == "well"
    assert results(run)[0].text.startswith(told)
    assert results(run)[0].status == "error"


def test_a_long_result_is_stored_and_can_be_read_on(home: Home) -> None:
    seen: list[str] = []

    def model(messages: Sequence[BaseMessage]) -> AIMessage:
        if len(messages) == 1:
            return call("long_list")
        seen.append(messages[-1].text)
        if len(messages) == 3:
            name = seen[0].split("id='")[1].split("'")[0]
            return call("read_result", id=name, start=500)
        return AIMessage("done")

    Run(home, model, task="list", tools=[long_list], limits=Limits(result_chars=1000)).go()
    whole = long_list.invoke({})
    assert seen[0].startswith(whole[:500])
    assert f"{len(whole)} characters in all" in seen[0]
    assert seen[1] == whole[500:1000]
    assert [r.body for r in home.journal.records.find(kinds=("result",))] == [whole]


def test_a_reply_with_neither_subgoal_nor_action_is_told_so(home: Home) -> None:
    world = KINDS["gripper"].world(0)
    run = Run(home, scripted(AIMessage(""), AIMessage("I think"), AIMessage("still")), environment=world)
    ended = run.go()
    assert [m.text for m in run.messages if m.name == "notice"] == [NO_ACTION] * 3
    assert ended.stopped == "3 replies on end called no tool"


def test_limits_end_a_run_with_what_it_has(home: Home) -> None:
    run = Run(home, planner("gripper"), environment=KINDS["gripper"].world(0), limits=Limits(steps=7))
    ended = run.go()
    assert (ended.steps, ended.done, ended.stopped) == (7, False, "the limit of 7 steps")


def test_a_run_without_task_and_environment_is_refused(home: Home) -> None:
    with pytest.raises(BadInput, match="needs a task, an environment, or both"):
        Run(home, scripted()).go()


@pytest.mark.parametrize("domain", ["blocksworld", "vaults"])
def test_a_scripted_policy_reaches_its_goal(home: Home, domain: str) -> None:
    ended = Run(home, planner(domain), environment=KINDS[domain].world(1)).go()
    assert ended.done
    assert ended.reward == 1.0


def final_state(folder: Path, die_at: int | None) -> tuple[Ended, object, list[str]]:
    """A run that dies at a reply (None: never) and is then resumed by a new home and a new world."""
    policy, count = planner("gripper"), 0

    def mortal(messages: Sequence[BaseMessage]) -> AIMessage:
        nonlocal count
        count += 1
        if count == die_at:
            raise SystemExit("killed")
        return policy(messages)

    world = KINDS["gripper"].world(2)
    opened = Home.open(folder, memories={})
    try:
        run = Run(opened, mortal, environment=world)
        ended = run.go()
    except SystemExit:
        opened.abandon()
        world = KINDS["gripper"].world(2)
        opened = Home.open(folder, memories={})
        run = Run(opened, policy, environment=world)
        ended = run.go()
    steps: list[Record] = list(opened.journal.records.find(kinds=("step",)))
    opened.close()
    return ended, world.snapshot(), [step.body for step in steps]


def test_a_run_killed_at_a_random_step_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole = final_state(tmp_path / "whole", None)
    for die_at in random.Random(5).sample(range(1, whole[0].steps), 4):
        assert final_state(tmp_path / str(die_at), die_at) == whole


def test_a_process_killed_in_the_middle_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    whole = final_state(tmp_path / "whole", None)
    script = f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_acting import *
        policy = planner("gripper")
        def slow(messages):
            print(len(messages), flush=True)
            time.sleep(0.01)
            return policy(messages)
        Run(Home.open({str(tmp_path / "killed")!r}, memories={{}}), slow, environment=KINDS["gripper"].world(2)).go()
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    while int(process.stdout.readline() or 10_000) < 60:
        assert time.monotonic() < deadline
    process.kill()
    process.wait()
    process.stdout.close()
    assert final_state(tmp_path / "killed", None) == whole


class Streams:
    """A chat model of ours that calls a tool and then answers."""

    name = "streams"

    def __init__(self) -> None:
        self.offered: list[str] = []

    def chat(self, messages: Sequence[Message], **_: Any) -> str:
        raise AssertionError("a run streams")

    def stream(self, messages: Sequence[Any], *, tools: Sequence[ToolSpec] = (), **_: Any) -> Iterator[Delta]:
        self.offered = [spec.name for spec in tools]
        if messages[-1]["role"] == "tool":
            yield Delta(f"It is {messages[-1]['content']}.")
        else:
            yield Delta(tool_calls=(ToolCall("c1", "double", {"number": 4}),))

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return 0.0


def test_an_agent_acts_with_its_own_chat_model_and_the_tools_it_is_given(tmp_path: Path) -> None:
    model = Streams()
    with Agent.open(tmp_path / "home", memories=(), chat=model) as agent:
        ended = agent.act("double 4", tools=[double], name="once")
        assert (ended.text, ended.done) == ("It is 8.", True)
        assert model.offered == ["double", "read_result"]
        assert [r.kind for r in agent.home.journal.records.find(kinds=("run", "step"))] == ["run", "step", "step"]
        assert agent.act("double 4", tools=[double], name="once") == ended  # the run of that name is over


def test_acting_without_a_chat_model_says_what_is_missing(tmp_path: Path) -> None:
    with Agent.open(tmp_path / "home", memories=()) as agent, pytest.raises(Missing, match="needs a chat model"):
        agent.act("double 4", tools=[double])


def test_a_run_that_is_over_can_be_undone_step_by_step(home: Home) -> None:
    run = Run(home, scripted(call("double", number=21), AIMessage("It is 42.")), task="double 21", tools=[double])
    run.go()
    last = home.journal.records.transactions(limit=1)[0]
    home.journal.undo(last.id)
    again = Run(home, scripted(AIMessage("Surely 42.")), task="double 21", tools=[double])
    assert again.go().text == "Surely 42."
