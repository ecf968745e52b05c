"""A LangGraph graph that remembers across restarts: python in_langgraph.py "what you say"."""

import sys

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore

from agentmem import Agent
from agentmem_langgraph import JournalStore


def reply(state: MessagesState, *, store: BaseStore) -> dict:
    said = state["messages"][-1]
    known = store.search(("notes",), query=said.text, limit=1)
    store.put(("notes",), said.id, {"text": said.text})
    return {"messages": [("assistant", known[0].value["text"] if known else "I know nothing yet.")]}


def ask(text: str) -> str:
    with Agent.open("home") as agent:
        graph = StateGraph(MessagesState).add_node(reply).add_edge(START, "reply").compile(store=JournalStore(agent))
        return graph.invoke({"messages": [("user", text)]})["messages"][-1].text


if __name__ == "__main__":
    print(ask(sys.argv[1]))
