"""The memory over HTTP: the same verbs as everywhere, and an OpenAI-compatible chat in front of the agent.

Loopback by default; beyond it a token is required. Knows no other server of the project.
"""

from agentmem_serve.app import build

__all__ = ["build"]
