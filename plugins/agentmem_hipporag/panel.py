"""The graph around a name: which others are mentioned with it, and where. Names by shape, as the index has them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from agentmem.panels import Edge, Graph, Table
from agentmem.records import Namespace
from agentmem_hipporag.names import name_key
from agentmem_hipporag.spans import mentions

if TYPE_CHECKING:
    from agentmem.home import Home
    from agentmem.records import Record

_READ = 2000  # the newest records; a panel is a look, not an analysis
_SHOWN = 100
_YEAR = 4  # digits
_FURTHER = 4  # names beyond a neighbour
_KINDS = ("turn", "chunk", "fact", "triple")


class HippoRAGPanel:
    """Counts names in the newest records; asked about one, shows its neighbourhood with the passages that link it."""

    title: ClassVar[str] = "graph"
    asks: ClassVar[str] = "a name, to see what is mentioned with it"

    def table(self, home: Home, namespace: Namespace) -> Table:
        counts = Counter(name for _, names in self._read(home, namespace) for name in names)
        rows = tuple((name, str(counts[name])) for name in _most_common(counts, _SHOWN))
        lines = (f"{len(counts)} names in the newest {_READ:,} records; the most frequent:",) if rows else ()
        return Table(("name", "passages"), rows, lines)

    def about(self, home: Home, namespace: Namespace, text: str) -> Graph:
        """The names that stand in one passage with the name, most shared passages first, and where each leads to."""
        wanted = name_key(text)
        read = self._read(home, namespace)
        shared: Counter[str] = Counter()
        says: dict[str, Record] = {}
        labels: dict[str, str] = {}
        for record, names in read:
            if wanted in names:
                for name in names - {wanted}:
                    shared[name] += 1
                    says.setdefault(name, record)
                    if record.relation and {name, wanted} == {
                        name_key(record.subject or ""),
                        name_key(record.object or ""),
                    }:
                        labels.setdefault(name, record.relation)
        near = _most_common(shared, _SHOWN)
        beyond = _beyond(read, near, wanted)
        edges = tuple(
            Edge(name, labels.get(name, ""), shared[name], says[name].body[:300], says[name].id, beyond[name])
            for name in near
        )
        several = (
            f"{len(shared)} names are mentioned together with" if len(shared) != 1 else "one name is mentioned with"
        )
        return Graph(wanted, edges, (f"{several} '{wanted}'",))

    def _read(self, home: Home, namespace: Namespace) -> list[tuple[Record, set[str]]]:
        out = []
        for record in home.journal.records.find(namespace=namespace, kinds=_KINDS, newest_first=True, limit=_READ):
            found = mentions(record.body)
            names = {name for sentence in found.sentences for name in sentence}
            names |= {name_key(end) for end in (record.subject, record.object) if end}
            out.append((record, {name for name in names if not _is_count(name)}))
        return out


def _is_count(name: str) -> bool:
    """A number that is no year says nothing to whoever looks at a graph."""
    return name.isdigit() and len(name) != _YEAR


def _beyond(read: list[tuple[Record, set[str]]], near: list[str], centre: str) -> dict[str, tuple[str, ...]]:
    """For each neighbour the names that it stands most often with, without the one in the middle."""
    company: dict[str, Counter[str]] = {name: Counter() for name in near}
    for _, names in read:
        for name in names & company.keys():
            company[name].update(names - {name, centre})
    return {name: tuple(_most_common(counts, _FURTHER)) for name, counts in company.items()}


def _most_common(counts: Counter[str], most: int) -> list[str]:
    """Names by count, equal counts by name: the same home gives the same picture."""
    return sorted(counts, key=lambda name: (-counts[name], name))[:most]
