"""A LlamaIndex chat that remembers across restarts and threads: python in_llamaindex.py "what you say" THREAD."""

import sys

from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import MockLLM

from agentmem import Agent
from agentmem_llamaindex import JournalMemory

llm = MockLLM()  # repeats what it is shown; put yours in its place


def ask(text: str, thread: str = "main") -> str:
    with Agent.open("home") as agent:
        memory = JournalMemory.from_defaults(agent, thread=thread)
        return str(SimpleChatEngine.from_defaults(llm=llm, memory=memory).chat(text))


if __name__ == "__main__":
    print(ask(*sys.argv[1:]))
