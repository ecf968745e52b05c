"""The graph around a name: which others are mentioned with it, and where. Names by shape, as the index has them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from agentmem.panels import Table
from agentmem.records import Namespace
from agentmem_hipporag.names import name_key
from agentmem_hipporag.spans import mentions

if TYPE_CHECKING:
    from agentmem.home import Home
    from agentmem.records import Record

_READ = 2000  # the newest records; a panel is a look, not an analysis
_SHOWN = 100
_KINDS = ("turn", "chunk", "fact", "triple")


class HippoRAGPanel:
    """Counts names in the newest records; asked about one, shows its neighbourhood with the passages that link it."""

    title: ClassVar[str] = "graph"
    asks: ClassVar[str] = "a name, to see what is mentioned with it"

    def table(self, home: Home, namespace: Namespace) -> Table:
        counts = Counter(name for _, names in self._read(home, namespace) for name in names)
        rows = tuple((name, str(count)) for name, count in counts.most_common(_SHOWN))
        lines = (f"{len(counts)} names in the newest {_READ:,} records; the most frequent:",) if rows else ()
        return Table(("name", "passages"), rows, lines)

    def about(self, home: Home, namespace: Namespace, text: str) -> Table:
        """The names that stand in one passage with the name, most shared passages first."""
        wanted = name_key(text)
        shared: Counter[str] = Counter()
        example: dict[str, str] = {}
        for record, names in self._read(home, namespace):
            if wanted in names:
                for name in names - {wanted}:
                    shared[name] += 1
                    example.setdefault(name, record.body[:200])
        rows = tuple((f"{text} — {n}", str(count), example[n]) for n, count in shared.most_common(_SHOWN))
        lines = (f"{len(shared)} names are mentioned together with '{text}'",)
        return Table(("edge", "passages", "for example"), rows, lines)

    def _read(self, home: Home, namespace: Namespace) -> list[tuple[Record, set[str]]]:
        out = []
        for record in home.journal.records.find(namespace=namespace, kinds=_KINDS, newest_first=True, limit=_READ):
            found = mentions(record.body)
            names = {name for sentence in found.sentences for name in sentence}
            names |= {name_key(end) for end in (record.subject, record.object) if end}
            out.append((record, names))
        return out
