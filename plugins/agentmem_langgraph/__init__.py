"""agentmem inside LangGraph: the journal as a `BaseStore`, and nodes that recall and write down."""

from agentmem_langgraph.nodes import recall_node, write_node
from agentmem_langgraph.store import JournalStore

__all__ = ["JournalStore", "recall_node", "write_node"]
