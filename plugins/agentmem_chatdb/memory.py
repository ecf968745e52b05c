"""ChatDB as the contract wants it: each row is a record, so that undo, history and purge need no SQL.

A plan that writes is run on a copy of the rows in memory; the difference becomes drafts and updates of records, and
the copy is thrown away. A question is answered on a copy of the rows that it may see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from agentmem.contract import Capability, Context, Memory, MemoryConfig
from agentmem.errors import Refused
from agentmem.hybrid import HybridIndex
from agentmem.records import Change, Draft, Event, Hit, Proposal, Query, Recall, Record, Trust, Update
from agentmem_chatdb.config import ChatDbConfig
from agentmem_chatdb.plans import plan
from agentmem_chatdb.tables import Result, Row, Tables


class ChatDbMemory(Memory):
    """Hu et al., "ChatDB: Augmenting LLMs with Databases as Their Symbolic Memory", 2023."""

    name = "chatdb"
    kinds = frozenset({"row"})
    capabilities = Capability.NEEDS_CHAT | Capability.NEEDS_EMBED
    Config = ChatDbConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._settings = cast(ChatDbConfig, self.config)
        self._index = HybridIndex(context)

    # ---- the three verbs

    def observe(self, event: Event) -> Sequence[Proposal]:
        """What the event does to the tables, as one change: every statement of the plan, or nothing of it."""
        chat = self.context.chat
        if chat is None or event.kind not in ("turn", "fact", "chunk") or not event.records:
            return ()
        held = [r for r in self.context.records.find(namespace=event.namespace, kinds=["row"]) if r.memories != ()]
        rows = {record.id: record for record in held if record.namespace == event.namespace}
        tables = self._tables(rows.values())
        if tables is None or not tables.schema:
            return ()
        try:
            text = "\n".join(record.body for record in event.records)
            steps = plan(chat, text, tables.schema, write=True, most_steps=self._settings.most_steps)
            before = tables.snapshot()
            tables.run(steps, write=True)
            return list(_difference(before, tables.snapshot(), event, self.name))
        except Refused as error:
            self.context.emit("chatdb.refused", {"error": str(error)})
            return ()
        finally:
            tables.close()

    def apply(self, changes: Sequence[Change]) -> None:
        self._index.apply(changes)

    def recall(self, query: Query) -> Recall:
        """The rows that the planned SELECTs read, the last one's result with them; then rows like the question."""
        result = self._result(query)
        hits: dict[str, Hit] = {}
        if result is not None:
            told = f"SQL result: {_told(result)}"
            for record_id in result.ids:
                if (record := self._index.get(record_id)) is not None and query.admits(record):
                    hits[record_id] = Hit(record, 2.0, told)
        for record, score in self._index.ranked(query):
            hits.setdefault(record.id, Hit(record, score, "like the question"))
        if not hits:
            return Recall(abstain="no row is like the question")
        value = result.rows[0][0] if result is not None and len(result.rows) == 1 and len(result.columns) == 1 else None
        return Recall.best(
            hits.values(), query.k, signals={"sql_value": value} if isinstance(value, int | float) else None
        )

    # ---- inside

    def _result(self, query: Query) -> Result | None:
        """What the plan's last statement gave; None without a model, a plan, or when it is refused."""
        chat = self.context.chat
        if chat is None or not query.text.strip():
            return None
        tables = self._tables(record for record in self._index.records() if query.admits(record))
        if tables is None or not tables.schema:
            return None
        try:
            steps = plan(chat, query.text, tables.schema, write=False, most_steps=self._settings.most_steps)
            results = tables.run(steps, write=False)
            return results[-1] if results else None
        except Refused as error:
            self.context.emit("chatdb.refused", {"error": str(error)})
            return None
        finally:
            tables.close()

    def _tables(self, records: Iterable[Record]) -> Tables | None:
        """The records' rows as tables; rows whose names are not fit for SQL are left out."""
        rows = [(*_row_of(record), record.id) for record in records]
        try:
            return Tables(
                [(table, record_id, values) for table, values, record_id in rows if values],
                self._settings.tables,
                most_rows=self._settings.most_rows,
                most_work=self._settings.most_work,
            )
        except Refused as error:
            self.context.emit("chatdb.refused", {"error": str(error)})
            return None


def _row_of(record: Record) -> tuple[str, dict[str, Any]]:
    """A record's table and values; a row without them lies in ``notes`` with its text."""
    table, values = record.attributes.get("table"), record.attributes.get("values")
    if isinstance(table, str) and isinstance(values, dict):
        return table, {k: v for k, v in values.items() if isinstance(v, str | int | float | None)}
    return "notes", {"text": record.body}


def _difference(
    before: dict[tuple[str, str], Row], after: dict[tuple[str, str], Row], event: Event, name: str
) -> Iterable[Proposal]:
    for (table, row_id), values in after.items():
        attributes = {"table": table, "values": values}
        if (table, row_id) not in before:
            yield Draft(
                body=_sentence(table, values),
                kind="row",
                namespace=event.namespace,
                derived_from=tuple(record.id for record in event.records),
                trust=Trust.AGENT,
                attributes=attributes,
                memories=(name,),
            )
        elif before[table, row_id] != values:
            yield Update(record_id=row_id, op="correct", body=_sentence(table, values), attributes=attributes)
    for table, row_id in before.keys() - after.keys():
        yield Update(record_id=row_id, op="retract", reason=f"deleted from {table}")


def _sentence(table: str, values: Row) -> str:
    return f"{table}: " + ", ".join(f"{name} = {value}" for name, value in values.items() if value is not None)


def _told(result: Result) -> str:
    rows = "; ".join(", ".join(str(value) for value in row) for row in result.rows[:5])
    return f"{', '.join(result.columns)}: {rows}" + (" …" if len(result.rows) > 5 else "")
