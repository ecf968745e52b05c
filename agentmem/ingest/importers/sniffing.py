"""Finds out by looking which program an export comes from. Reads only its beginning."""

from __future__ import annotations

import re
from pathlib import Path

from agentmem.errors import BadInput
from agentmem.ingest.importers.chats import CONVERSATIONS
from agentmem.ingest.importers.reading import UNREADABLE, opened

_HEAD = 200_000  # characters; the first conversation may be long before it says what it is


def format_of(path: Path) -> str:
    """One of the formats' names. Raises BadInput when it is none of them."""
    if path.is_dir() and not any(re.fullmatch(CONVERSATIONS, file.name) for file in path.iterdir()):
        return "markdown"
    if path.suffix.lower() in (".md", ".markdown"):
        return "markdown"
    if path.is_file():
        with path.open("rb") as file:
            if file.read(16) == b"SQLite format 3\0":
                return "mem0-history"
    try:
        with opened(path, CONVERSATIONS) as files:
            head = files[0][1].read(_HEAD) if files else ""
    except UNREADABLE as error:
        raise BadInput(
            f"{path.name} cannot be read as text or as an archive of text ({error}); known are exports of ChatGPT, "
            "Claude and mem0, and JSON lines"
        ) from error
    if re.search(r'"mapping"\s*:\s*\{', head):
        return "chatgpt"
    if '"chat_messages"' in head:
        return "claude"
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return "jsonl"
    if re.search(r'"memory"\s*:', head):
        return "mem0-export"
    raise BadInput(
        f"{path.name} is no export of a known program; known are conversations.json of ChatGPT and Claude (or the "
        "archive that holds it), history.db and exports of mem0, JSON lines (.jsonl) and folders of Markdown"
    )
