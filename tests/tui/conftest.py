"""A home for each test of the chat: the hash embedder, one memory, no network, no model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.agent import Agent

pytest.importorskip("textual")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def agent(home: Path) -> Iterator[Agent]:
    with Agent.open(home, embedder="hash", memories=("bm25",)) as opened:
        yield opened
