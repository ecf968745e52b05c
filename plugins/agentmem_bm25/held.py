"""The statistics of the live set as a reader knows it: the owner's table, put right by what the owner lacks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from agentmem.ahead import Ahead
from agentmem_bm25.scoring import Collection
from agentmem_bm25.table import Document, DocumentTable


class Held:
    """Table and tail as one collection, for the length of a recall; the owner's tail is empty."""

    def __init__(self, table: DocumentTable | None, ahead: Ahead[Document]) -> None:
        self._table, self._ahead = table, ahead

    def collection(self) -> Collection:
        known = Collection(0, 0) if self._table is None else self._table.collection()
        if not self._ahead:
            return known
        entering = [document for _, document in self._ahead.live()]
        return Collection(
            known.documents - len(self._outdated) + len(entering),
            known.terms - sum(d.length for d in self._outdated) + sum(d.length for d in entering),
        )

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Term -> how many live documents hold it; terms that none holds are left out."""
        wanted = list(terms)
        found = {} if self._table is None else self._table.frequencies(wanted)
        if not self._ahead:
            return found
        for term in wanted:
            mark = f" {term}:"
            fewer = sum(mark in document.counts for document in self._outdated)
            more = sum(mark in document.counts for _, document in self._ahead.live())
            found[term] = found.get(term, 0) - fewer + more
        return {term: n for term, n in found.items() if n > 0}

    @cached_property
    def _outdated(self) -> list[Document]:
        return [] if self._table is None else self._table.by_ids(self._ahead.ids())
