"""Shows in the terminal what is fading: the records whose retention is least, and what keeps the others."""

from __future__ import annotations

from typing import ClassVar

from agentmem.home import Home
from agentmem.panels import Table
from agentmem.records import Namespace
from agentmem_memorybank.config import MemoryBankConfig
from agentmem_memorybank.memory import MemoryBankMemory
from agentmem_memorybank.retention import DAY_S, retention, strength

_MOST, _READ = 30, 2_000


class FadingPanel:
    title: ClassVar[str] = "Fading"

    def table(self, home: Home, namespace: Namespace) -> Table:
        """The thirty records with the least retention, among the latest two thousand."""
        settings = MemoryBankConfig.model_validate(home.settings.section(MemoryBankMemory.name))
        kinds = sorted(MemoryBankMemory.kinds)
        found = list(home.journal.records.find(namespace=namespace, kinds=kinds, newest_first=True, limit=_READ))
        touched, now = home.journal.records.touches([record.id for record in found]), home.clock.now()
        rows = []
        for record in found:
            times, last = touched.get(record.id, (0, record.recorded_at))
            age_s = now - max(last, record.recorded_at)
            kept = retention(age_s, strength(times, settings.strength_days))
            rows.append((kept, (" ".join(record.body.split())[:60], f"{age_s / DAY_S:.1f}", str(times), f"{kept:.2f}")))
        rows.sort(key=lambda row: (row[0], row[1]))
        columns = ("record", "days since it answered", "times", "retention")
        return Table(columns=columns, rows=tuple(row for _, row in rows[:_MOST]))
