"""What the chat itself can be told in ``agentmem.toml``, section ``[chat]``: theme, keys, side panels.

Read before anything heavy is loaded; written so that comments and other sections stay.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTION = "chat"
DARK = "agentmem-dark"
LIGHT = "agentmem-light"


@dataclass(frozen=True)
class Preferences:
    """``keys`` maps names of actions (shown by F1) to keys: ``undo = "f9,ctrl+z"``."""

    theme: str = DARK
    keys: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""  # why the file could not be read, for the first notice


def read(home: Path) -> Preferences:
    """The preferences of a home; what is missing or wrong falls back to what is built in."""
    try:
        section = tomllib.loads((home / "agentmem.toml").read_text(encoding="utf-8")).get(SECTION, {})
    except FileNotFoundError:
        return Preferences()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        return Preferences(fault=f"agentmem.toml cannot be read: {error}; mend or remove it")
    keys = section.get("keys", {})
    return Preferences(
        theme=str(section.get("theme", DARK)),
        keys={str(k): str(v) for k, v in keys.items()} if isinstance(keys, Mapping) else {},
    )


def write(home: Path, changes: Mapping[str, Any]) -> Path:
    """Set values in the home's file by dotted name (``chat.theme``, ``model``); None removes. Returns the file."""
    import tomlkit

    path = home / "agentmem.toml"
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    for name, value in changes.items():
        *tables, key = name.split(".")
        place: Any = document
        for table in tables:
            if table not in place:
                place[table] = tomlkit.table()
            place = place[table]
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    home.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".toml.new")
    beside.write_text(tomlkit.dumps(document), encoding="utf-8")
    beside.replace(path)
    return path
