"""The command line: parsing, printing and exit codes. What a command does is a verb of `agentmem.agent.Agent`."""

from agentmem.cli.main import main

__all__ = ["main"]
