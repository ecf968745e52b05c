"""What every verb of an agent stands on: a home, the namespace and thread it speaks in, ids that may be shortened."""

from __future__ import annotations

from collections.abc import Sequence

from agentmem.errors import NotFound
from agentmem.home import Home
from agentmem.records import Namespace


class Handle:
    """One home seen from a namespace and a thread."""

    home: Home
    namespace: Namespace
    thread: str

    def _scope(self, namespace: Sequence[str] | str | None) -> Namespace:
        return self.namespace if namespace is None else namespace_from(namespace)

    def _id(self, record_id: str) -> str:
        return record_id if len(record_id) == 32 else self.home.journal.records.resolve(record_id)

    def _receipt_id(self, receipt_id: str) -> str:
        if len(receipt_id) == 32:
            return receipt_id
        found = [t.id for t in self.home.journal.records.transactions(limit=10_000) if t.id.startswith(receipt_id)]
        if len(found) != 1:
            what = "no receipt" if not found else f"{len(found)} receipts"
            raise NotFound(f"{what} begin(s) with '{receipt_id}'; 'agentmem history' lists the last ones")
        return str(found[0])


def namespace_from(namespace: Sequence[str] | str) -> Namespace:
    """("a", "b") and "a/b" are the same namespace."""
    parts = namespace.split("/") if isinstance(namespace, str) else list(namespace)
    return tuple(part for part in parts if part)
