"""What a reader of a shared home holds over a memory's files: the changes that their owner has not applied yet.

Any memory that declares SHARED_READ may use it. It knows changes and whatever the memory makes of them, no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from agentmem.records import Change

T = TypeVar("T")


class Ahead(Generic[T]):
    """Changes by record, each with what the memory made of it; what they concern is hidden in the files."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Change, T | None]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._held

    def hold(self, changes: Sequence[Change], made: Sequence[T | None]) -> None:
        """``made`` belongs to the changes, in their order; None for a record that is gone."""
        for change, thing in zip(changes, made, strict=True):
            self._held[change.record_id] = (change, thing)

    def forget(self, applied: int) -> None:
        """Drop what the files hold by now: everything up to the sequence number ``applied``."""
        if self._held:
            self._held = {i: pair for i, pair in self._held.items() if pair[0].seq > applied}

    def ids(self) -> list[str]:
        """Every record that the files are not to be asked for."""
        return list(self._held)

    def live(self) -> Iterator[tuple[Change, T]]:
        """What there is to find besides the files, in no particular order."""
        for change, made in self._held.values():
            if made is not None:
                yield change, made

    def clear(self) -> None:
        self._held.clear()
