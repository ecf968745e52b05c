"""agentmem inside a LangChain agent: a middleware that recalls and writes down, and memory tools."""

try:
    from agentmem_langchain.middleware import MemoryMiddleware
    from agentmem_langchain.tools import memory_tools
except ModuleNotFoundError as error:
    if not str(error.name).startswith("langchain"):
        raise
    raise ImportError("agentmem_langchain needs LangChain; install the extra 'langchain'", name=error.name) from error

__all__ = ["MemoryMiddleware", "memory_tools"]
