"""agentmem: memory for agents that can be seen, corrected and taken back."""

__version__ = "0.1.0"
