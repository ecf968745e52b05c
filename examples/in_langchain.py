"""A LangChain agent that remembers across restarts and threads: python in_langchain.py "what you say" THREAD."""

import sys

from langchain.agents import create_agent
from langchain_core.language_models import SimpleChatModel

from agentmem import Agent
from agentmem_langchain import MemoryMiddleware


class Echo(SimpleChatModel):
    """Repeats what it is shown, so that this runs anywhere; put your model in its place, such as "openai:gpt-5"."""

    _llm_type = property(lambda self: "echo")

    def _call(self, messages, *args, **keywords) -> str:
        return messages[-1].text


def ask(text: str, thread: str = "main") -> str:
    with Agent.open("home") as agent:
        graph = create_agent(Echo(), middleware=[MemoryMiddleware(agent, tools=False)])
        config = {"configurable": {"thread_id": thread}}
        return graph.invoke({"messages": [("user", text)]}, config)["messages"][-1].text


if __name__ == "__main__":
    print(ask(*sys.argv[1:]))
