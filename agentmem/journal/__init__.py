"""The journal: a log of changes to records, of which every memory is a view. It knows no memory and no model."""

from agentmem.journal.journal import Journal

__all__ = ["Journal"]
