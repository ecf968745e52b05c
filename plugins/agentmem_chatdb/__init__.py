"""ChatDB: rows of tables as records, written and asked by SQL that a chat model plans and SQLite holds in bounds."""

from agentmem_chatdb.memory import ChatDbMemory

__all__ = ["ChatDbMemory"]
