"""agentmem inside a LangChain agent: a middleware that recalls and writes down, and memory tools."""

from agentmem_langchain.middleware import MemoryMiddleware
from agentmem_langchain.tools import memory_tools

__all__ = ["MemoryMiddleware", "memory_tools"]
