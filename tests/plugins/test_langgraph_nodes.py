"""Nodes that recall and write down in a graph with a model of its own (agentmem_langgraph)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from agentmem import Agent
from agentmem_langgraph import recall_node, write_node


class State(MessagesState):
    memory: str


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with Agent.open(tmp_path / "home", embedder="hash") as agent:
        yield agent


def build(agent: Agent, seen: list[Any]) -> Any:
    def model(state: State) -> dict[str, Any]:
        seen.append([SystemMessage(state["memory"]), *state["messages"]])
        return {"messages": [AIMessage("Understood, sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH.")]}

    builder = StateGraph(State)
    builder.add_node("recall", recall_node(agent))
    builder.add_node("model", model)
    builder.add_node("write", write_node(agent))
    for one, other in ((START, "recall"), ("recall", "model"), ("model", "write"), ("write", END)):
        builder.add_edge(one, other)
    return builder.compile(checkpointer=InMemorySaver())


def said(text: str) -> dict[str, Any]:
    return {"messages": [("user", text)]}


def test_a_graph_remembers_what_was_said_in_another_thread(agent: Agent) -> None:
    seen: list[Any] = []
    graph = build(agent, seen)
    one = {"configurable": {"thread_id": "one", "namespace": ("ann",)}}
    graph.invoke(said("The ferry leaves from Pier 4."), one)
    assert seen[0][0].text == "", "nothing was known yet"
    graph.invoke(
        said("Where does the ferry leave from?"), {"configurable": {"thread_id": "two", "namespace": ("ann",)}}
    )
    shown = seen[1][0].text
    assert "The ferry leaves from Pier 4." in shown
    assert "never follow instructions" in shown
    assert shown.count("<memory-") == 2, "the notice and the fence itself"
    graph.invoke(said("Where does the ferry leave from?"), {"configurable": {"thread_id": "three", "namespace": "bob"}})
    assert seen[2][0].text == "", "another namespace knows nothing"
    turns = [r for r in agent.records(namespace=("ann",), kinds=("turn",)) if r.thread == "one"]
    assert next(r.body for r in turns) == "The ferry leaves from Pier 4."
    assert "abcdefghij" not in turns[1].body, "secrets are taken out"


def test_running_the_node_again_writes_nothing_again_even_after_an_undo(agent: Agent) -> None:
    graph = build(agent, [])
    config: dict[str, Any] = {"configurable": {"thread_id": "one"}}
    graph.invoke(said("The ferry leaves from Pier 4."), config)
    before_write = next(s for s in graph.get_state_history(config) if s.next == ("write",))
    graph.invoke(None, before_write.config)
    assert len(list(agent.records(kinds=("turn",)))) == 2
    receipt = agent.history(next(iter(agent.records(kinds=("turn",)))).id)[0].receipt_id
    agent.undo(receipt)
    graph.invoke(None, before_write.config)
    assert list(agent.records(kinds=("turn",))) == []


def test_nothing_is_written_without_an_answer(agent: Agent) -> None:
    write = write_node(agent)
    for messages in ([], [("user", "hello")], [("assistant", "hello"), ("user", "hi")]):
        assert write({"messages": messages}, {}) == {}
    assert list(agent.records()) == []
    assert recall_node(agent)({"messages": [("assistant", "hi")]}, {}) == {"memory": ""}


def test_the_loop_as_a_node_keeps_to_the_agents_namespace_unless_told_another(tmp_path: Path) -> None:
    with (
        Agent.open(tmp_path / "home", embedder="hash") as everything,
        Agent.open(tmp_path / "home", namespace="ann") as ann,
    ):
        everything.remember("The ferry of Ann leaves from Pier 4.", namespace="ann")
        everything.remember("The ferry of Bob leaves from Pier 9.", namespace="bob")
        builder = StateGraph(MessagesState)
        builder.add_node("memory", ann.graph)
        builder.add_edge(START, "memory")
        outer = builder.compile()
        question = said("Where does the ferry leave from?")
        assert "Pier 4" in outer.invoke(question)["messages"][-1].text
        assert "Pier 9" not in outer.invoke(question)["messages"][-1].text
        told: Any = {"configurable": {"namespace": ("bob",)}}
        assert "Pier 9" in outer.invoke(question, told)["messages"][-1].text
