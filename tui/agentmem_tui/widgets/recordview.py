"""One record in full: what it says, where it comes from, what it became. Read-only; the screens around it act."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from agentmem_tui.plaintext import bar, clean, moment, one_line

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.records import HistoryEntry, Record, Verdict


RATIOS = ("perplexity",)  # admission figures that are no shares: how many times as hard ordinary text became


@dataclass(frozen=True)
class Looked:
    """Everything about one record that is shown; read on a thread by `look`."""

    record: Record | None  # None when nothing of it can be shown
    history: tuple[HistoryEntry, ...]
    parents: tuple[Record, ...] = ()
    children: tuple[Record, ...] = ()
    verdict: Verdict | None = None
    hits: int = 0  # how often it answered
    told: str = ""  # why there is no record


def look(agent: Agent, record_id: str, *, as_of: float | None = None) -> Looked:
    """Read a record with its history and its relatives."""
    from agentmem.errors import NotFound

    reader = agent.home.journal.records
    history = tuple(agent.history(record_id))
    try:
        record = agent.show(record_id, as_of=as_of)
    except NotFound as error:
        return Looked(None, history, told=str(error))
    parents = reader.get_many(list(record.derived_from))
    return Looked(
        record,
        history,
        tuple(parents.values()),
        tuple(child for child in reader.children(record.id) if child.kind != "trace"),
        agent.home.verdicts([record.id]).get(record.id),
        reader.touches([record.id]).get(record.id, (0, 0.0))[0],
    )


class HistoryLine(Static, can_focus=True):
    """One change of the record; `entry` can be undone."""

    def __init__(self, entry: HistoryEntry, before: HistoryEntry | None) -> None:
        super().__init__(history_text(entry, before), classes="entry")
        self.entry = entry


class Relative(Static, can_focus=True):
    """Another record that this one comes from or gave rise to; Enter or a click opens it."""

    BINDINGS = [("enter", "open", "Open")]  # noqa: RUF012  # as Textual reads it

    def __init__(self, arrow: str, record: Record) -> None:
        super().__init__(Content(f"{arrow} {record.kind}: {one_line(record.body, 100)}"), classes="hit")
        self._record = record

    def action_open(self) -> None:
        self.post_message(RecordView.Opened(self._record.id))

    def on_click(self) -> None:
        self.action_open()


class RecordView(VerticalScroll, can_focus=False):
    """Shows a `Looked`; posts `Opened` when a relative is to be shown."""

    class Opened(Message):
        def __init__(self, record_id: str) -> None:
            super().__init__()
            self.record_id = record_id

    def __init__(self) -> None:
        super().__init__()
        self.looked: Looked | None = None

    async def show(self, looked: Looked | None) -> None:
        """Show this record, or nothing."""
        self.looked = looked
        with self.app.batch_update():
            await self.remove_children()
            if looked is not None:
                await self.mount_all(_parts(looked))
        self.scroll_home(animate=False)

    def receipt(self) -> str:
        """The change that has the focus, else the last one."""
        focused = self.screen.focused
        if isinstance(focused, HistoryLine):
            return focused.entry.receipt_id
        return self.looked.history[-1].receipt_id if self.looked and self.looked.history else ""


def _parts(looked: Looked) -> list[Static]:
    record = looked.record
    out: list[Static] = []
    if record is None:
        out.append(Static(looked.told, classes="quiet", markup=False))
    else:
        out.append(Static(Content(clean(record.body)), classes="body"))
        out.append(Static(Content(clean(facts(record, looked.hits))), classes="lines"))
        if looked.verdict is not None:
            out.append(Static("admission", classes="title"))
            out.append(Static(verdict_text(looked.verdict), classes="lines"))
        if looked.parents or looked.children:
            out.append(Static("comes from ↑ · gave rise to ↓", classes="title"))
        out.extend(Relative("↑", parent) for parent in looked.parents)
        out.extend(Relative("↓", child) for child in looked.children[:20])
    out.append(Static("changes", classes="title"))
    before: HistoryEntry | None = None
    for entry in looked.history:
        out.append(HistoryLine(entry, before))
        before = entry
    return out


def facts(record: Record, hits: int = 0) -> str:
    """What is known about a record, a line each."""
    rows = [
        ("record", f"{record.id[:12]} · version {record.version}"),
        ("kind", f"{record.kind} · {record.status.value}"),
        ("said by", " · ".join(part for part in (record.speaker, f"trust {record.trust.value}") if part)),
        ("written", moment(record.recorded_at)),
    ]
    if record.updated_at != record.recorded_at:
        rows.append(("changed", moment(record.updated_at)))
    if record.valid_from is not None or record.valid_to is not None:
        rows.append(("valid", f"{moment(record.valid_from or 0)} to {moment(record.valid_to or 0)}"))
    if record.subject:
        relation = record.relation or ""
        stated = relation.replace("{}", record.subject) if "{}" in relation else f"{record.subject} — {relation}"
        rows.append(("states", f"{stated} — {record.object}") if record.object else ("about", record.subject))
    if record.namespace or record.thread:
        rows.append(("lies in", f"/{'/'.join(record.namespace)} · thread {record.thread or '—'}"))
    for source in record.sources:
        span = f" [{source.start}:{source.end}]" if source.start is not None else ""
        rows.append(("source", f"{source.uri}{span}"))
    rows += [("link", f"{link.relation} → {link.target[:12]}") for link in record.links]
    if record.memories is not None:
        rows.append(("held by", ", ".join(record.memories) or "no memory (the journal only)"))
    if hits:
        rows.append(("answered", f"{hits} times"))
    return "\n".join(f"{name.ljust(9)} {value}" for name, value in rows)


def verdict_text(verdict: Verdict) -> Content:
    """Admission figures as bars."""
    wide = max((len(name) for name in verdict.figures), default=0)
    parts: list[str | Content] = ["admitted" if verdict.accepted else f"not admitted: {clean(verdict.reason)}"]
    for name, value in verdict.figures.items():
        drawn = " " * 15 + "×" if name in RATIOS else bar(value, 16)
        parts += [f"\n{clean(name).replace('_', ' ').ljust(wide)} ", Content.styled(drawn, "$primary"), f" {value:.2f}"]
    return Content.assemble(*parts)


def history_text(entry: HistoryEntry, before: HistoryEntry | None) -> Content:
    """One change: when, what, by whom, and the words that went and came."""
    head = f"{moment(entry.at)}  {entry.op} by {clean(entry.actor)}"
    head += f" ({one_line(entry.reason, 60)})" if entry.reason else ""
    head += f" → {entry.status.value}" if before is None or before.status != entry.status else ""
    parts: list[Content] = [Content(head)]
    if entry.body is None:
        parts.append(Content("\n(the text was purged)"))
    elif before is not None and before.body is not None and before.body != entry.body:
        parts += [Content("\n"), word_diff(before.body, entry.body)]
    return Content("").join(parts)


def word_diff(old: str, new: str, most: int = 400) -> Content:
    """Two versions as one text: what went is struck through, what came is underlined."""
    left, right = clean(old)[: 20 * most].split(), clean(new)[: 20 * most].split()
    out: list[Content] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left[:most], right[:most], autojunk=False).get_opcodes():
        if tag == "equal":
            out.append(Content(" ".join(left[a:b]) + " "))
            continue
        if a < b:
            out += [Content.styled(" ".join(left[a:b]), "$text-error strike"), Content(" ")]
        if c < d:
            out += [Content.styled(" ".join(right[c:d]), "$text-success underline"), Content(" ")]
    return Content("").join(out)
