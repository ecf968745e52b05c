"""The slash commands of a chat: one line in, text out. Shared by every chat surface; knows no screen.

A command is a method ``do_NAME(rest)``; its docstring is its line in ``/help``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agentmem.compose import source_of
from agentmem.errors import BadInput, NotFound
from agentmem.events import Answer
from agentmem.journal.transaction import PERSON
from agentmem.records import Receipt, Record, Status
from agentmem.tools import last_change

if TYPE_CHECKING:
    from agentmem.agent import Agent

_SHORT = 8
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did: ``text`` to show; ``quit`` ends the chat; ``resume`` asks for the turn that was cut off."""

    text: str = ""
    quit: bool = False
    resume: bool = False


class SlashCommands:
    """The commands of one chat: an agent, the thread and namespace that the user is in, and the last answer."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.thread = agent.thread
        self.namespace = agent.namespace
        self.incognito = False
        self.last: Answer | None = None

    @classmethod
    def names(cls) -> list[str]:
        """The commands, without their slash."""
        return sorted(name.removeprefix("do_") for name in dir(cls) if name.startswith("do_"))

    @classmethod
    def summary(cls, name: str) -> str:
        return (getattr(cls, f"do_{name}").__doc__ or "").strip()

    def run(self, line: str) -> Done:
        """Carry out ``/name rest``. Raises AgentmemError with a sentence for the user."""
        name, _, rest = line.strip().removeprefix("/").partition(" ")
        if name not in self.names():
            near = difflib.get_close_matches(name, self.names(), 1)
            hint = f"did you mean /{near[0]}?" if near else "/help lists them"
            raise BadInput(f"no command '/{name}'; {hint}")
        command: Callable[[str], Done | str] = getattr(self, f"do_{name}")
        done = command(rest.strip())
        return Done(done) if isinstance(done, str) else done

    # ---- the chat itself

    def do_help(self, _: str) -> str:
        """list the commands"""
        return "\n".join(f"/{name:<10} {self.summary(name)}" for name in self.names())

    def do_quit(self, _: str) -> Done:
        """leave the chat"""
        return Done(quit=True)

    def do_thread(self, rest: str) -> str:
        """[NAME] show or change the thread"""
        self.thread = rest or self.thread
        return f"thread {self.thread}"

    def do_namespace(self, rest: str) -> str:
        """[A/B] show or change whose memory this is"""
        if rest:
            self.namespace = tuple(part for part in rest.split("/") if part)
        return f"namespace /{'/'.join(self.namespace)}"

    def do_incognito(self, rest: str) -> str:
        """[on|off] write nothing of the next turns down"""
        if rest not in ("", "on", "off"):
            raise BadInput(f"/incognito takes on or off, not '{rest}'")
        self.incognito = {"on": True, "off": False}.get(rest, not self.incognito)
        return "incognito: nothing is written down" if self.incognito else "not incognito: turns are written down"

    def do_resume(self, _: str) -> Done:
        """finish the turn of this thread that was cut off"""
        return Done(resume=True)

    def do_discard(self, _: str) -> str:
        """drop the turns of this thread that were cut off"""
        self.agent.resume(self.thread, discard=True)
        return "discarded"

    # ---- writing

    def do_remember(self, rest: str) -> str:
        """TEXT keep a fact"""
        _need(rest, "/remember TEXT")
        return _wrote(self.agent.remember(rest, namespace=self.namespace, thread=self.thread))

    def do_edit(self, rest: str) -> str:
        """SENTENCE propose a fact for the weights of the local model"""
        from agentmem.edit_reading import read_edit
        from agentmem.editing import edit

        _need(rest, "/edit SENTENCE")
        request = read_edit(rest, self.namespace)
        receipt = edit(self.agent.home, [request], memory="wise", actor=PERSON, ask=True)
        said = request.prompt.replace("{}", request.subject)
        lines = [f"'{said}' shall be followed by '{request.target}': /approve {i[:_SHORT]}" for i in receipt.record_ids]
        return "\n".join([*lines, *receipt.notes])

    def do_ingest(self, rest: str) -> str:
        """PATH read a file or a folder"""
        _need(rest, "/ingest PATH")
        report = self.agent.ingest(rest, namespace=self.namespace)
        return report.summary()

    def do_correct(self, rest: str) -> str:
        """ID TEXT give a record another text"""
        record_id, _, text = rest.partition(" ")
        _need(text.strip(), "/correct ID TEXT")
        return _wrote(self.agent.correct(record_id, text.strip()))

    def do_retract(self, rest: str) -> str:
        """ID say that a record is no longer true"""
        _need(rest, "/retract ID")
        return _wrote(self.agent.retract(rest))

    def do_archive(self, rest: str) -> str:
        """ID forget a record, reversibly"""
        _need(rest, "/archive ID")
        return _wrote(self.agent.archive(rest))

    def do_purge(self, rest: str) -> str:
        """ID yes: remove a record physically, for good"""
        record_id, _, sure = rest.partition(" ")
        _need(record_id, "/purge ID yes")
        plan = self.agent.purge_plan(record_id)
        if sure.strip() != "yes":
            listed = "\n".join(_line(record) for record in plan[:_LISTED])
            return f"this would remove {len(plan)} record(s) for good:\n{listed}\n/purge {record_id} yes does it"
        receipt = self.agent.purge(record_id)
        return "\n".join([f"purged {len(receipt.record_ids)} record(s)", *receipt.notes])

    def do_undo(self, rest: str) -> str:
        """[RECEIPT] take a change back: the last one, if none is given"""
        receipt_id = rest or last_change(self.agent, self.namespace)
        receipt = self.agent.undo(receipt_id)
        return f"took back {receipt_id[:_SHORT]} ({len(receipt.record_ids)} record(s))"

    def do_approve(self, rest: str) -> str:
        """ID let a pending change become active"""
        _need(rest, "/approve ID")
        return _wrote(self.agent.approve(rest))

    def do_refuse(self, rest: str) -> str:
        """ID drop a pending change"""
        _need(rest, "/refuse ID")
        return _wrote(self.agent.refuse(rest))

    # ---- reading

    def do_pending(self, _: str) -> str:
        """changes that wait for approval"""
        found = self.agent.pending(namespace=self.namespace)
        return "\n".join(_line(record) for record in found) or "nothing waits for approval"

    def do_records(self, rest: str) -> str:
        """[N] the newest records"""
        limit = int(rest) if rest.isdigit() else _LISTED
        found = self.agent.records(namespace=self.namespace, newest_first=True)
        shown = []
        for record in found:
            if record.kind != "trace":
                shown.append(_line(record))
            if len(shown) >= limit:
                break
        return "\n".join(shown) or "nothing is stored in this namespace yet"

    def do_show(self, rest: str) -> str:
        """ID one record in full"""
        _need(rest, "/show ID")
        record = self.agent.show(rest)
        head = f"{record.id}  {record.kind}, {record.status.value}, version {record.version}, {source_of(record)}"
        return f"{head}\n{record.body}"

    def do_history(self, rest: str) -> str:
        """[ID] the changes of a record, or the last receipts"""
        if not rest:
            rows = self.agent.home.journal.records.transactions(limit=_LISTED)
            return "\n".join(f"{row.id[:_SHORT]}  {_time(row.at)}  {row.verb:<9} {row.actor}" for row in rows)
        entries = self.agent.history(rest)
        return "\n".join(
            f"{e.receipt_id[:_SHORT]}  {_time(e.at)}  {e.op:<9} {e.actor:<14} {_short(e.body or '(nothing)')}"
            for e in entries
        )

    def do_recall(self, rest: str) -> str:
        """TEXT what the memories have about it, without an answer"""
        _need(rest, "/recall TEXT")
        hits = self.agent.recall(rest, namespace=self.namespace)
        return "\n".join(f"{h.score:5.2f}  {h.memory:<9} {_line(h.record)}" for h in hits) or "nothing was found"

    def do_why(self, _: str) -> str:
        """which records the last answer was given from"""
        if self.last is None:
            raise NotFound("there is no answer yet")
        cited = {citation.record_id: f"[{citation.number}]" for citation in self.last.citations}
        lines = [
            f"{cited.get(h.record_id, ''):>4} {h.score:5.2f}  {h.memory:<9} {_line(h.record)}" for h in self.last.hits
        ]
        return "\n".join(lines) or "the last answer was given without any record"

    def do_trace(self, _: str) -> str:
        """what the last turn did, step by step"""
        if self.last is None or self.last.trace is None:
            raise NotFound("there is no trace yet (an incognito turn leaves none)")
        trace = json.loads(self.agent.show(self.last.trace).body)
        lines = []
        for step in trace["steps"]:
            told = {k: v for k, v in step.items() if k not in ("event", "at") and v not in (None, [], {}, "")}
            lines.append(f"{step['event']:<16} {_short(json.dumps(told, ensure_ascii=False), 110)}")
        return "\n".join(lines)

    def do_cost(self, _: str) -> str:
        """what the last turn used"""
        if self.last is None:
            raise NotFound("there is no answer yet")
        cost = self.last.cost
        spent = (
            f"{cost.seconds:.2f} s, {cost.steps} steps, {cost.calls} calls, {cost.tokens_in} + {cost.tokens_out} tokens"
        )
        return f"{spent}, ${cost.money:.4f}"


def _need(text: str, usage: str) -> None:
    if not text:
        raise BadInput(f"something is missing: {usage}")


def _wrote(receipt: Receipt) -> str:
    ids = ", ".join(i[:_SHORT] for i in receipt.record_ids[:3])
    more = " …" if len(receipt.record_ids) > 3 else ""
    waits = "; waits for approval" if receipt.change_ids else ""
    return "\n".join([f"{receipt.verb} {ids}{more}{waits}  (/undo {receipt.id[:_SHORT]})", *receipt.notes])


def _line(record: Record) -> str:
    status = "" if record.status is Status.ACTIVE else f" {record.status.value}"
    return f"{record.id[:_SHORT]}  {record.kind}{status}  {_short(record.body)}"


def _short(text: str, width: int = 72) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
