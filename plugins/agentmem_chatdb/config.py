"""Settings of ChatDB."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class ChatDbConfig(MemoryConfig):
    """The tables that a model may fill, and how much one plan may do."""

    tables: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # name -> columns, besides those that rows have
    most_steps: int = Field(8, ge=1)  # statements of one plan
    most_rows: int = Field(200, ge=1)  # rows that one statement may return or change
    most_work: int = Field(2_000_000, ge=1000)  # virtual machine steps of SQLite for one statement
