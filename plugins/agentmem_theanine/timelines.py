"""Timelines: records joined by typed links from newer to older, or by a common subject. Records in, order out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from agentmem.records import Namespace, Record


def moment(record: Record) -> tuple[float, int, str]:
    """When a record belongs: world time where it is known, else when it was written."""
    at = record.valid_from if record.valid_from is not None else record.recorded_at
    return at, record.created_seq, record.id


class Timelines:
    """The connected records among some; acyclic, because every link that does not lead back in time is left out."""

    def __init__(self, records: Iterable[Record], relations: Sequence[str]) -> None:
        self._records = {record.id: record for record in records}
        self._near: dict[str, set[str]] = defaultdict(set)
        subjects: dict[tuple[Namespace, str], list[Record]] = defaultdict(list)
        for record in self._records.values():
            if record.subject:
                subjects[record.namespace, record.subject.casefold()].append(record)
            for link in record.links:
                older = self._records.get(link.target)
                if link.relation in relations and older is not None and moment(older) < moment(record):
                    self._join(record.id, older.id)
        for same in subjects.values():
            ordered = sorted(same, key=moment)
            for older, newer in pairwise(ordered):
                self._join(newer.id, older.id)

    def through(self, record_id: str, longest: int) -> list[Record]:
        """The timeline that a record lies on, oldest first: at most ``longest`` members, those nearest to it."""
        found, edge = {record_id}, [record_id]
        while edge and len(found) < longest:
            step = sorted({near for place in edge for near in self._near[place]} - found)
            edge = step[: longest - len(found)]
            found.update(edge)
        return sorted((self._records[place] for place in found), key=moment)

    def _join(self, one: str, other: str) -> None:
        self._near[one].add(other)
        self._near[other].add(one)
