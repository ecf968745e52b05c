"""HiAgent over message lists: nothing lost, one chunk raw, expand and collapse undo each other."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from agentmem.acting import Run
from agentmem.bench.worlds.policies import decide
from agentmem.bench.worlds.scenes import KINDS
from agentmem.home import Home
from agentmem_hiagent import HiAgentMemory
from agentmem_hiagent.bench_working import full, main, render, window
from agentmem_hiagent.chunks import HEADING, answer, count_tokens, cut, view
from agentmem_hiagent.summary import Summary, complaint, extract, write


def made(name: str, id: int, **args: Any) -> list[BaseMessage]:
    call = AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"c{id}"}])
    told = "Go on." if name != "act" else f"block{id} is on block{id + 1}. the hand has nothing."
    return [call, ToolMessage(told, tool_call_id=f"c{id}")]


@st.composite
def histories(draw: st.DrawFn) -> list[BaseMessage]:
    messages: list[BaseMessage] = [HumanMessage("Build a tower.")]
    for number in range(draw(st.integers(0, 25))):
        match draw(st.sampled_from(["act", "act", "subgoal", "expand", "collapse", "human", "words", "notice"])):
            case "act":
                messages += made("act", number, text=f"move {number}")
            case "subgoal":
                messages += made("subgoal", number, text=draw(st.sampled_from(["put a on b", "", "look"])))
            case "human":
                messages.append(HumanMessage("And now?"))
            case "words":
                messages.append(AIMessage("I am done."))
            case "notice":
                messages += [AIMessage(""), HumanMessage("neither", name="notice")]
            case other:
                messages += made(str(other), number, number=draw(st.integers(0, 5)))
    return messages


@given(histories())
@settings(max_examples=150, deadline=None)
def test_every_raw_message_is_recoverable_and_open_chunks_are_raw(messages: list[BaseMessage]) -> None:
    transcript = cut(messages)
    assert transcript.raw == messages
    numbers = frozenset(chunk.number for chunk in transcript.chunks)
    assert view(messages, expanded=numbers) == messages
    visible = view(messages)
    assert all(message in visible for chunk in transcript.chunks if not chunk.closed for message in chunk.messages)
    assert sum(not chunk.closed for chunk in transcript.chunks) <= 1


@given(histories(), st.integers(0, 6))
@settings(max_examples=150, deadline=None)
def test_expand_then_collapse_is_the_identity(messages: list[BaseMessage], number: int) -> None:
    before = view(messages)
    expanded = frozenset({number})
    assert view(messages, expanded=expanded - {number}) == before
    # The same by calls of the model: only the two calls themselves are new.
    asked = messages + made("expand", 90, number=number)
    shown = {c.number for c in cut(messages).chunks if not c.closed}
    if shown:
        both = asked + made("collapse", 91, number=number)
        kept = messages + made("collapse", 90, number=number) + made("collapse", 91, number=number)
        assert view(both)[:-4] == view(kept)[:-4]


@given(histories(), st.integers(40, 400))
@settings(max_examples=100, deadline=None)
def test_a_budget_never_hides_the_newest_pair_or_a_person(messages: list[BaseMessage], budget: int) -> None:
    visible = view(messages, budget_tokens=budget)
    assert visible[-1].text == messages[-1].text or visible[-1].text.startswith(HEADING)
    told = [m for m in messages if isinstance(m, HumanMessage) and m.name != "notice"]
    assert all(m in visible for m in told)


def test_the_view_is_never_longer_than_the_history_by_more_than_its_heading() -> None:
    messages: list[BaseMessage] = [HumanMessage("Build.")]
    for number in range(60):
        if number % 5 == 0:
            messages += made("subgoal", 1000 + number, text=f"put block{number} on block{number + 1}")
        messages += made("act", number, text=f"move block{number}")
        assert count_tokens(view(messages)) <= count_tokens(messages) + count_tokens([HumanMessage(HEADING)])
    assert count_tokens(view(messages)) < 0.7 * count_tokens(messages)


def test_closed_chunks_show_as_one_line_each_with_their_verdict() -> None:
    messages: list[BaseMessage] = [
        HumanMessage("Build."),
        *made("subgoal", 1, text="lift a"),
        *made("act", 2, text="x"),
    ]
    failed = AIMessage("", tool_calls=[{"name": "act", "args": {"text": "y"}, "id": "c4"}])
    messages += made("subgoal", 3, text="lift b")
    messages += [failed, ToolMessage("Nothing happens; lift b needs (clear b).", tool_call_id="c4")]
    messages += made("subgoal", 5, text="lift c")
    lines = view(messages)[1].text.splitlines()
    assert lines[0] == HEADING
    assert lines[1] == "1. lift a [met]: block2 is on block3. the hand has nothing."
    assert lines[2] == "2. lift b [not met, Nothing happens; lift b needs (clear b)]:"
    assert view(messages)[2:] == messages[-2:]


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("expand", {"number": 7}, "There is no subgoal 7; subgoals so far: 1."),
        ("collapse", {"number": None}, "There is no subgoal None; subgoals so far: 1."),
        ("expand", {"number": 1}, "Subgoal 1 shows its raw steps."),
        ("subgoal", {"text": " "}, "A subgoal needs a text: one sentence that says what to reach."),
        ("subgoal", {"text": "b", "previous_summary": ""}, "The summary is empty; write one line of 1 to 80 words"),
        (
            "subgoal",
            {"text": "b", "previous_summary": "la " * 99},
            "The summary has 99 words; write one line of at most 80",
        ),
        ("subgoal", {"text": "b", "previous_summary": "a is up", "previous_met": True}, "Go on."),
    ],
)
def test_mistakes_with_subgoals_get_one_clear_observation(name: str, args: dict[str, Any], told: str) -> None:
    messages = [HumanMessage("Build."), *made("subgoal", 1, text="lift a"), *made("act", 2, text="x")]
    assert answer(messages, name, args).startswith(told)


def test_a_summary_that_is_too_long_or_empty_is_replaced_by_the_extractive_one() -> None:
    for said in ("", "la " * 99):
        messages = [HumanMessage("Build."), *made("subgoal", 1, text="lift a"), *made("act", 2, text="x")]
        messages += made("subgoal", 3, text="next", previous_summary=said, previous_met=False)
        assert (
            view(messages)[1].text.splitlines()[1] == "1. lift a [not met]: block2 is on block3. the hand has nothing."
        )


def test_a_chat_model_that_writes_nonsense_is_asked_again_and_then_replaced() -> None:
    replies = iter(["", "word " * 200])
    summary = write(lambda prompt: next(replies), "lift a", [("lift a", "a is up.")], 80)
    assert summary == Summary("a is up.", True)
    assert write(lambda prompt: "NOT MET: the door is shut", "go", [("go", "no")], 80) == Summary(
        "the door is shut", False
    )


def test_the_extractive_summary_keeps_the_newest_of_what_excludes_each_other() -> None:
    told = ["a is in room1. the shed keeps lime. the shed keeps sand.", "a is in room2. b has nothing."]
    assert extract(told).text == "the shed keeps lime. the shed keeps sand. a is in room2. b has nothing."
    assert extract([]).reason == "nothing was done"
    assert complaint("one two", 2) is None


def test_the_other_views_of_the_bench_keep_to_their_budget() -> None:
    messages: list[BaseMessage] = [HumanMessage("Build.")]
    for number in range(80):
        messages += made("act", number, text=f"move {number}")
    for see in (full, window):
        visible = see(messages, 500)
        assert count_tokens(visible) <= 500
        assert visible[0] == messages[0]
        assert visible[-1] == messages[-1]
    assert messages[1] in full(messages, 500)
    assert messages[1] not in window(messages, 500)


def act_as(domain: str) -> Any:
    def reply(messages: list[BaseMessage]) -> AIMessage:
        line = decide(domain, render(messages), random.Random(len(messages)))
        name, said = ("subgoal", line[9:]) if line.startswith("Subgoal: ") else ("act", line[8:])
        return AIMessage("", tool_calls=[{"name": name, "args": {"text": said}, "id": f"c{len(messages)}-{said[:9]}"}])

    return reply


def test_a_run_through_a_home_keeps_subgoals_as_records_that_name_their_steps(tmp_path: Path) -> None:
    with Home.open(tmp_path / "home", memories={"hiagent": HiAgentMemory}) as home:
        memory = home.views["hiagent"].memory
        assert isinstance(memory, HiAgentMemory)
        run = Run(
            home,
            act_as("gripper"),
            environment=KINDS["gripper"].world(0),
            tools=memory.tools(),
            view=memory.view,
        )
        assert run.go().reward == 1.0
        closed = list(home.journal.records.find(kinds=("subgoal",)))
        steps = list(home.journal.records.find(kinds=("step",)))
        assert [r.attributes["number"] for r in closed] == list(range(1, len(closed) + 1))
        assert {i for r in closed for i in r.derived_from} == {step.id for step in steps}
        assert sum(len(r.derived_from) for r in closed) == len(steps)
        home.views["hiagent"].catch_up()
        keys = {chunk.key for chunk in cut(run.messages).chunks if chunk.closed}
        assert keys <= set(memory.summaries())
        memory.expand(1)
        assert all(m in memory.view(run.messages) for m in cut(run.messages).chunks[0].messages)
        memory.collapse(1)
        assert memory.view(run.messages) == view(run.messages, memory.summaries())


class ToolModel(GenericFakeChatModel):
    """A scripted model that notes what it is shown."""

    shown: list[list[BaseMessage]] = []  # noqa: RUF012 (a pydantic field, copied for each model)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        self.shown.append(list(messages))
        return super()._generate(messages, *args, **kwargs)


def test_the_middleware_works_in_a_plain_langchain_agent() -> None:
    agents = pytest.importorskip("langchain.agents", reason="langchain is not installed")
    from agentmem_hiagent.middleware import HiAgentMiddleware

    @tool
    def look(what: str) -> str:
        """Look at a thing."""
        return f"{what} is red. the hand has nothing."

    replies = [
        *(made("subgoal", 1, text="see a")[:1] + made("look", 2, what="a")[:1]),
        AIMessage(""),
        *(made("look", 3, what="b")[:1] + made("subgoal", 4, text="see c", previous_met=True)[:1]),
        *(made("look", 5, what="c")[:1] + made("expand", 6, number=9)[:1] + made("expand", 7, number=1)[:1]),
        AIMessage("All are red."),
    ]
    model = ToolModel(messages=iter(replies), shown=[])
    out = agents.create_agent(model, [look], middleware=[HiAgentMiddleware()]).invoke({"messages": [("user", "go")]})
    texts = [message.text for message in out["messages"]]
    assert texts[-1] == "All are red."
    assert any(text.startswith("That was neither a subgoal nor an action") for text in texts)
    assert "There is no subgoal 9; subgoals so far: 1, 2." in texts
    collapsed, expanded = model.shown[-3], model.shown[-1]
    assert "1. see a [met]: a is red. b is red." in collapsed[2].text
    assert sum(isinstance(m, ToolMessage) and m.text.startswith("a is red") for m in collapsed) == 0
    assert sum(isinstance(m, ToolMessage) and m.text.startswith("a is red") for m in expanded) == 1
    assert [s["met"] for s in out["hiagent_summaries"].values()] == [True]


def test_the_bench_prints_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "working.json"
    assert main(["--problems", "1", "--domains", "vaults", "--json", str(file)]) == 0
    assert '"vaults.hiagent.success": 100.0' in file.read_text("utf-8")
    assert '"tokens_ratio"' in file.read_text("utf-8")
    assert "hiagent" in capsys.readouterr().out
