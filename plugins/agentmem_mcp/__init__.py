"""The memory as an MCP server: an assistant remembers, recalls, corrects, forgets and takes back through tools.

Speaks the Model Context Protocol by its official SDK over standard input and output. Several assistants may hold one
home at once, each with a process of its own.
"""

from agentmem_mcp.server import build

__all__ = ["build"]
