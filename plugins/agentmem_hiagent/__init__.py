"""HiAgent: subgoals as chunks of working memory."""

from agentmem_hiagent.memory import HiAgentMemory

__all__ = ["HiAgentMemory"]
