"""RET-LLM's table of triples, kept up to date with the operators of Keep Me Updated."""

from agentmem_retllm.memory import RetLlmMemory

__all__ = ["RetLlmMemory"]
