"""What became of every file: figures while it runs, a table at the end, JSON for programs. Reads no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    MOVED = "moved"  # the same content under another name: nothing is embedded
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that was not read; ``kept`` chunks of its earlier content stay remembered."""

    uri: str
    reason: str
    kept: int = 0
    detail: str = ""


@dataclass(slots=True)
class IngestReport:
    """Filled in while files are read; only files that were taken over entirely are counted."""

    files: Counter[Outcome] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)  # (uri, sentence)
    chunks_added: int = 0  # the only ones to be embedded
    chunks_kept: int = 0  # of changed and moved files
    chunks_dropped: int = 0
    bytes: int = 0
    seconds: float = 0.0
    cancelled: bool = False
    receipt: str | None = None  # id of a transaction, by whoever writes them; its undo takes the whole ingestion back

    def summary(self) -> str:
        """One sentence: "12 new, 3 changed, 5 unchanged, 1 skipped; 96 chunks added, 14 kept, 2 dropped"."""
        files = ", ".join(f"{self.files[outcome]:,} {outcome}" for outcome in Outcome if self.files[outcome])
        chunks = f"{self.chunks_added:,} chunks added, {self.chunks_kept:,} kept, {self.chunks_dropped:,} dropped"
        stopped = "; stopped before the end, run it again to go on" if self.cancelled else ""
        return f"{files or 'no files'}; {chunks}{stopped}"

    def table(self, examples: int = 3) -> str:
        """Outcomes, then the reasons of what was skipped with ``examples`` paths each, for a terminal."""
        rows = [(str(outcome), f"{self.files[outcome]:,}") for outcome in Outcome if self.files[outcome]]
        rows += [
            ("chunks added", f"{self.chunks_added:,}"),
            ("chunks kept", f"{self.chunks_kept:,}"),
            ("chunks dropped", f"{self.chunks_dropped:,}"),
            ("read", f"{self.bytes / 2**20:,.1f} MiB in {self.seconds:,.1f} s"),
        ]
        wide = max(len(name) for name, _ in rows)
        lines = [f"{name.ljust(wide)}  {value}" for name, value in rows]
        by_reason: dict[str, list[str]] = {}
        for skip in self.skipped:
            kept = f" ({skip.kept:,} chunks of its earlier content stay)" if skip.kept else ""
            detail = f" ({skip.detail})" if skip.detail else ""
            by_reason.setdefault(skip.reason, []).append(skip.uri + detail + kept)
        if by_reason:
            lines += ["", "skipped:"]
        for reason, uris in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
            more = f" and {len(uris) - examples:,} more" if len(uris) > examples else ""
            lines.append(f"  {reason}: {', '.join(uris[:examples])}{more}")
        if self.notes:
            lines += ["", "notes:", *(f"  {uri}: {note}" for uri, note in self.notes)]
        if self.cancelled:
            lines += ["", "stopped before the end; run it again to go on"]
        if self.receipt:
            lines += ["", f"taken back by: agentmem undo {self.receipt}"]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, Any]:
        return {
            "files": {str(outcome): self.files[outcome] for outcome in Outcome},
            "chunks": {"added": self.chunks_added, "kept": self.chunks_kept, "dropped": self.chunks_dropped},
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "cancelled": self.cancelled,
            "receipt": self.receipt,
            "skipped": [asdict(skip) for skip in self.skipped],
            "notes": [{"uri": uri, "note": note} for uri, note in self.notes],
        }
