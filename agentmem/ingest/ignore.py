"""Patterns of ``.gitignore`` files: which paths below a folder are to be left alone. Touches no file but those."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

IGNORE_FILES = (".gitignore", ".agentmemignore")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file, as a pattern over the path relative to the file's folder."""

    pattern: re.Pattern[str]
    keeps: bool  # the line began with "!"
    folders_only: bool


def rules_of(folder: Path) -> tuple[Rule, ...]:
    """The rules that the ignore files of this folder lay down; none when they cannot be read."""
    rules: list[Rule] = []
    for name in IGNORE_FILES:
        try:
            lines = (folder / name).read_text("utf-8", errors="replace").splitlines()
        except OSError:
            continue
        rules += filter(None, map(_rule, lines))
    return tuple(rules)


def is_ignored(path: str, is_folder: bool, levels: Iterable[tuple[str, tuple[Rule, ...]]]) -> bool:
    """Whether the rules, from the outermost folder inwards, leave this path out; the last rule that fits decides.

    ``levels`` holds (folder with a final slash or "", its rules); ``path`` begins with each of these folders.
    """
    ignored = False
    for folder, rules in levels:
        below = path[len(folder) :]
        for rule in rules:
            if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(below):
                ignored = not rule.keeps
    return ignored


def _rule(line: str) -> Rule | None:
    line = line.rstrip()
    if not line or line.startswith("#"):
        return None
    keeps = line.startswith("!")
    glob = line.lstrip("!") if keeps else line.removeprefix("\\")
    folders_only = glob.endswith("/")
    glob = glob.rstrip("/")
    anchored = "/" in glob
    glob = glob.lstrip("/")
    if not glob:
        return None
    prefix = "" if anchored else "(?:.*/)?"
    try:
        return Rule(re.compile(prefix + _regex(glob)), keeps, folders_only)
    except re.error:  # such as an open character class: git, too, then matches nothing
        return None


def _regex(glob: str) -> str:
    out = ""
    position = 0
    while position < len(glob):
        rest = glob[position:]
        if rest.startswith("**/"):
            out, position = out + "(?:.*/)?", position + 3
        elif rest.startswith("**"):
            out, position = out + ".*", position + 2
        elif rest[0] == "*":
            out, position = out + "[^/]*", position + 1
        elif rest[0] == "?":
            out, position = out + "[^/]", position + 1
        elif rest[0] == "[" and "]" in rest[2:]:
            close = rest.index("]", 2)
            inner = rest[1:close].replace("\\", "\\\\")
            out += "[" + ("^" + inner[1:] if inner[0] == "!" else inner) + "]"
            position += close + 1
        else:
            out, position = out + re.escape(rest[0]), position + 1
    return out
