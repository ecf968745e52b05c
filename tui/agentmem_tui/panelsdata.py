"""What the panels screen shows: approvals and weight edits of the core, tables of plugins. Read on threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from agentmem_tui.plaintext import clean, one_line
from agentmem_tui.widgets.recordtable import Column, Row
from agentmem_tui.widgets.recordview import RATIOS

if TYPE_CHECKING:
    from agentmem.panels import Graph, Table
    from agentmem.records import Record, Verdict
    from agentmem_tui.desk import Desk

DECISIONS = (Column("status", 9), Column("memory", 9), Column("admission", 20), Column("what"))
QUEUED = "queued"  # approved, and computed before the next question at the latest
_WAIT_S = 5.0  # a panel that takes longer is told by name and left
_WIDEST = 40
_EDITS = 500


@dataclass(frozen=True)
class Shown:
    """A panel that can be shown: its entry point's name, its title, and what it can be asked for ("" for nothing)."""

    name: str
    title: str
    asks: str
    panel: Any


def panels(desk: Desk) -> tuple[list[Shown], list[str]]:
    """The panels of memories that this home uses, and sentences about those that cannot be loaded."""
    from agentmem import registry

    usable = {view.name for view in desk.agent.home.views.usable()}
    memories = set(registry.names("memories"))
    wanted = [name for name in registry.names("panels") if name not in memories or name in usable]
    found, faults = registry.load_all("panels", wanted)
    shown, told = [], list(faults.values())
    for name, kind in sorted(found.items()):
        try:
            panel = kind()
            shown.append(Shown(name, clean(str(panel.title)), clean(str(getattr(panel, "asks", ""))), panel))
        except (Exception, SystemExit) as error:  # the chat's call into a plugin
            told.append(f"panel '{name}' cannot be made: {type(error).__name__}: {error}")
    return shown, told


def ask_panel(desk: Desk, shown: Shown, text: str = "") -> Table | Graph:
    """Ask a panel, with a deadline; raises PluginError with its name."""
    from agentmem.deadline import Call, Overdue
    from agentmem.errors import PluginError

    home, panel = desk.agent.home, shown.panel
    ask = partial(panel.about, home, desk.namespace, text) if text else partial(panel.table, home, desk.namespace)
    try:
        return _proper(Call(ask, f"panel-{shown.name}").result(_WAIT_S))
    except Overdue:
        raise PluginError(f"panel '{shown.name}' took longer than {_WAIT_S:g} s and was left", shown.name) from None
    except (Exception, SystemExit) as error:  # the chat's call into a plugin
        raise PluginError(f"panel '{shown.name}' failed: {type(error).__name__}: {error}", shown.name) from error


def _proper(found: object) -> Table | Graph:
    """What a panel gave, with every part of the type that it should have: what is drawn can be trusted to be text."""
    from agentmem.panels import Edge, Graph, Table

    if isinstance(found, Graph):
        edges = [
            Edge(str(e.name), str(e.label), float(e.weight), str(e.told), str(e.record_id), tuple(map(str, e.further)))
            for e in found.edges
        ]
        return Graph(str(found.centre), tuple(edges), tuple(map(str, found.lines)))
    if isinstance(found, Table):
        rows = tuple(tuple(map(str, row)) for row in found.rows)
        return Table(tuple(map(str, found.columns)), rows, tuple(map(str, found.lines)))
    raise TypeError(f"it returned a {type(found).__name__}, not a Table or a Graph")


def as_rows(table: Table) -> tuple[list[Column], list[Row]]:
    """A plugin's table with widths for its columns; the last one takes what is left."""
    rows = [tuple(_one_cell(cell) for cell in row) for row in table.rows]
    columns = []
    for place, title in enumerate(table.columns):
        wide = max([len(title), *(len(row[place]) for row in rows if place < len(row))])
        columns.append(Column(clean(title), 0 if place == len(table.columns) - 1 else min(wide, _WIDEST)))
    return columns, [Row(str(number), row) for number, row in enumerate(rows)]


def _one_cell(cell: str) -> str:
    return clean(cell).replace("\n", " ")[:400]


def decisions(desk: Desk) -> list[Row]:
    """What waits for approval, edits not yet computed, then edits of weights, newest first, with admission figures."""
    from agentmem.records import Status

    agent = desk.agent
    waiting = agent.pending(namespace=desk.namespace)
    asked = [record for records in agent.home.edit_queue.waiting().values() for record in records]
    statuses = (Status.ACTIVE, Status.ARCHIVED, Status.RETRACTED, Status.SUPERSEDED)
    edits = list(
        agent.records(namespace=desk.namespace, kinds=("edit",), statuses=statuses, newest_first=True, limit=_EDITS)
    )
    verdicts = agent.home.verdicts([record.id for record in [*waiting, *edits]])
    rows = [_decision(record, record.status.value, verdicts.get(record.id)) for record in waiting]
    rows += [_decision(record, QUEUED, None) for record in asked]
    rows += [_decision(record, record.status.value, verdicts.get(record.id)) for record in edits]
    return rows


def _decision(record: Record, status: str, verdict: Verdict | None) -> Row:
    wish = record.attributes.get("edit")
    memory = (
        str(wish.get("memory", "")) if isinstance(wish, dict) else str(record.attributes.get("memory", record.kind))
    )
    measured = "measured on approval" if isinstance(wish, dict) and status == "pending" else ""
    figures = measured if verdict is None else admission_line(verdict)
    faint = status not in (QUEUED, "pending", "active")
    return Row(record.id, (status, clean(memory), figures, one_line(record.body, 200)), faint=faint)


def admission_line(verdict: Verdict) -> str:
    """The figures as small bars in a row, and the least one by name."""
    figures = {name: value for name, value in verdict.figures.items() if name not in RATIOS}
    if not figures:
        return "admitted" if verdict.accepted else "not admitted"
    drawn = "".join("▁▂▃▄▅▆▇█"[round(7 * min(1.0, max(0.0, value)))] for value in figures.values())
    least = min(figures, key=lambda name: figures[name])
    worst = f"{figures[least]:.2f}"
    return f"{drawn} all 1.00" if worst == "1.00" else f"{drawn} {least[:8]} {worst}"
