"""What the panels screen shows: approvals and weight edits of the core, tables of plugins. Read on threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from agentmem_tui.plaintext import bar, clean, one_line
from agentmem_tui.widgets.recordtable import Column, Row

if TYPE_CHECKING:
    from agentmem.panels import Table
    from agentmem_tui.desk import Desk

DECISIONS = (Column("status", 9), Column("memory", 9), Column("admission", 16), Column("what"))
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
        except Exception as error:  # the chat's call into a plugin
            told.append(f"panel '{name}' cannot be made: {type(error).__name__}: {error}")
    return shown, told


def table_of(desk: Desk, shown: Shown, text: str = "") -> Table:
    """Ask a panel, with a deadline; raises PluginError with its name."""
    from agentmem.deadline import Call, Overdue
    from agentmem.errors import PluginError

    home, panel = desk.agent.home, shown.panel
    ask = partial(panel.about, home, desk.namespace, text) if text else partial(panel.table, home, desk.namespace)
    try:
        return Call(ask, f"panel-{shown.name}").result(_WAIT_S)  # type: ignore[no-any-return]
    except Overdue:
        raise PluginError(f"panel '{shown.name}' took longer than {_WAIT_S:g} s and was left", shown.name) from None
    except Exception as error:  # the chat's call into a plugin
        raise PluginError(f"panel '{shown.name}' failed: {type(error).__name__}: {error}", shown.name) from error


def as_rows(table: Table) -> tuple[list[Column], list[Row]]:
    """A plugin's table with widths for its columns; the last one takes what is left."""
    rows = [tuple(_one_cell(cell) for cell in row) for row in table.rows]
    columns = []
    for place, title in enumerate(table.columns):
        wide = max([len(title), *(len(row[place]) for row in rows if place < len(row))])
        columns.append(Column(clean(title), 0 if place == len(table.columns) - 1 else min(wide, _WIDEST)))
    return columns, [Row(str(number), row) for number, row in enumerate(rows)]


def _one_cell(cell: object) -> str:
    return clean(str(cell)).replace("\n", " ")[:400]


def decisions(desk: Desk) -> list[Row]:
    """What waits for approval, then the edits of weights, newest first, each with its admission figures as bars."""
    from agentmem.records import Status

    agent = desk.agent
    waiting = agent.pending(namespace=desk.namespace)
    statuses = (Status.ACTIVE, Status.ARCHIVED, Status.RETRACTED, Status.SUPERSEDED)
    edits = list(
        agent.records(namespace=desk.namespace, kinds=("edit",), statuses=statuses, newest_first=True, limit=_EDITS)
    )
    verdicts = agent.home.verdicts([record.id for record in [*waiting, *edits]])
    rows = []
    for record in [*waiting, *edits]:
        verdict = verdicts.get(record.id)
        figures = "" if verdict is None else " ".join(f"{n[:3]} {bar(v, 3)}" for n, v in verdict.figures.items())
        memory = str(record.attributes.get("memory", record.kind))
        cells = (record.status.value, memory, figures, one_line(record.body, 200))
        rows.append(Row(record.id, cells, faint=record.status not in (Status.PENDING, Status.ACTIVE)))
    return rows
