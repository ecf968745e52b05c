"""What an import kept and what it left out, with reasons. Reads and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_EXAMPLES = 3


@dataclass(slots=True)
class ImportReport:
    """Filled in while drafts are taken from an import."""

    format: str
    kept: Counter[str] = field(default_factory=Counter)  # by kind of record
    left_out: dict[str, list[str]] = field(default_factory=dict)  # reason -> where, all of them
    notes: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, where: str) -> None:
        self.left_out.setdefault(reason, []).append(where)

    def summary(self) -> str:
        """One sentence: "chatgpt: 120 turns kept, 14 left out"."""
        kept = ", ".join(f"{count:,} {kind}s" for kind, count in sorted(self.kept.items())) or "nothing"
        return f"{self.format}: {kept} kept, {sum(map(len, self.left_out.values())):,} left out"

    def table(self) -> str:
        """The summary, then every reason with a few examples, for a terminal."""
        lines = [self.summary()]
        for reason, where in sorted(self.left_out.items(), key=lambda item: (-len(item[1]), item[0])):
            more = f" and {len(where) - _EXAMPLES:,} more" if len(where) > _EXAMPLES else ""
            lines.append(f"  left out, {reason}: {', '.join(where[:_EXAMPLES])}{more}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def to_json(self) -> Mapping[str, Any]:
        return {
            "format": self.format,
            "kept": dict(self.kept),
            "left_out": {reason: list(where) for reason, where in self.left_out.items()},
            "notes": list(self.notes),
        }
