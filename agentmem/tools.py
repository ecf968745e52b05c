"""The tools that a chat model may call: recall, and remember, correct, forget, undo by the user's wish.

Every write is idempotent: its record's id follows from the turn and the call, so that a turn that is resumed writes
nothing twice. Knows the journal's verbs, not how a model calls.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.compose import source_of
from agentmem.consent import grounded, touches, wishes
from agentmem.dates import dated
from agentmem.errors import AgentmemError, BadInput, Conflict, NotFound, Refused
from agentmem.intent import Wish, parse
from agentmem.journal.undo import GROUP, LEARN
from agentmem.models.protocol import ToolCall, ToolSpec
from agentmem.policy import superseding
from agentmem.records import Draft, Event, Namespace, Receipt, Record, Status, in_scope
from agentmem.redact import redact
from agentmem.referring import points_at_the_last, spoken_of
from agentmem.writing import turns_before

if TYPE_CHECKING:
    from agentmem.agent import Agent

ACTOR = "agent"
_NOT_CHANGES = ("turn", "answer", "derive", "undo", "purge")


def _spec(name: str, description: str, **texts: str) -> ToolSpec:
    properties = {key: {"type": "string", "description": text} for key, text in texts.items()}
    schema = {"type": "object", "properties": properties, "required": list(texts), "additionalProperties": False}
    return ToolSpec(name, description, schema)


_SPECS = {
    "recall": _spec("recall", "Search the memory again, with other words.", query="what to look for"),
    "remember": _spec("remember", "Keep what the user asked you to remember.", text="one sentence, in full"),
    "correct": _spec(
        "correct",
        "Give a record the text that the user says is right.",
        id="the record's id",
        text="the right sentence",
    ),
    "forget": _spec("forget", "Mark a record as no longer true.", id="the record's id"),
    "undo": _spec("undo", "Take back the last change of the memory in this conversation."),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Who calls: the turn and the user's own words in it."""

    turn: str
    thread: str
    namespace: Namespace
    said: str
    session: str | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did. ``text`` is what the model is told; recalled records come back as ids."""

    text: str
    ok: bool = True
    receipt: Receipt | None = None
    found: tuple[str, ...] = ()


def offered(said: str, *, may_write: bool) -> list[ToolSpec]:
    """The tools of a turn: recall always, a writing tool only when the user's own words ask for its kind of change."""
    wanted = wishes(said) if may_write else frozenset()
    return [spec for name, spec in _SPECS.items() if name == "recall" or name in wanted]


class MemoryTools:
    """Carries out tool calls on one home."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def call(self, call: ToolCall, asked: Asked, *, may_write: bool = True) -> Outcome:
        """Carry out one call; whatever is wrong with it becomes a sentence for the model."""
        try:
            if call.fault:
                raise BadInput(call.fault)
            names = [tool.name for tool in offered(asked.said, may_write=may_write)]
            if call.name in _SPECS and call.name != "recall" and not may_write:
                raise Refused("this turn writes nothing down (it is incognito, or the home is open read-only)")
            if call.name in _SPECS and call.name not in names:
                raise Refused(f"the user did not ask for '{call.name}' in this message, so nothing was changed")
            if call.name not in names:
                raise BadInput(f"no tool named '{call.name}'; there are {', '.join(names)}")
            arguments = _checked(call)
            verb: Callable[..., Outcome] = getattr(self, f"_{call.name}")
            return verb(asked, _id_of(asked.turn, call.id), **arguments)
        except AgentmemError as error:
            return Outcome(f"not done: {error}", ok=False)

    def _recall(self, asked: Asked, _: str, query: str) -> Outcome:
        hits = self._agent.recall(query, namespace=asked.namespace, k=5)
        found = [hit for hit in hits if hit.record.is_live]
        return Outcome(f"{len(found)} record(s) found", found=tuple(hit.record_id for hit in found))

    def _remember(self, asked: Asked, record_id: str, text: str) -> Outcome:
        clean = redact(text)
        if not grounded(clean.text, asked.said):
            raise Refused("this is not what the user said; only the user's own words are remembered")
        draft = Draft(
            body=clean.text,
            namespace=asked.namespace,
            thread=asked.thread,
            session=asked.session,
            speaker=asked.speaker,
            attributes={"turn": asked.turn},
        )
        now = self._agent.home.clock.now()
        draft = superseding(self._agent.home.journal.records, dated(draft, now), now)
        return self._write(draft, "remember", record_id, "remembered")

    def _correct(self, asked: Asked, record_id: str, id: str, text: str) -> Outcome:
        target = self._target(asked, id)
        clean = redact(text)
        if not grounded(clean.text, f"{asked.said} {target.body}") or not touches(clean.text, asked.said):
            raise Refused("the new text is not what the user said; nothing was changed")
        if target.body == clean.text:
            return Outcome(f"record {target.id[:12]} says so already")
        if self._agent.settings.approval == "ask":
            return self._propose("correct", target, record_id, asked, clean.text)
        receipt = self._agent.correct(target.id, clean.text, actor=ACTOR, reason="asked for in conversation")
        return Outcome(f"record {target.id[:12]} now says: {clean.text}", receipt=receipt)

    def _forget(self, asked: Asked, record_id: str, id: str) -> Outcome:
        target = self._target(asked, id)
        if not target.is_live:
            return Outcome(f"record {target.id[:12]} is {target.status.value} already")
        if not touches(target.body, asked.said) and not self._was_last_spoken_of(asked, target):
            raise Refused("the user's message does not speak of that record; nothing was changed")
        if self._agent.settings.approval == "ask":
            return self._propose("retract", target, record_id, asked, "")
        receipt = self._agent.retract(target.id, actor=ACTOR, reason="asked for in conversation")
        return Outcome(f"record {target.id[:12]} is marked as no longer true", receipt=receipt)

    def _undo(self, asked: Asked, _: str) -> Outcome:
        said = self._said_last(asked)
        receipt_id = last_change(self._agent, asked.namespace) if said is None else self._receipt_of(said)
        try:
            receipt = self._agent.undo(receipt_id)
        except Conflict as error:
            raise Refused(f"it cannot be taken back alone: {error}") from error
        return Outcome(f"taken back: {said.body}" if said else "the last change was taken back", receipt=receipt)

    # ---- what the verbs share

    def _target(self, asked: Asked, record_id: str) -> Record:
        """The record of that id, within the turn's namespace: another's records do not exist here."""
        journal = self._agent.home.journal
        record = journal.records.get(journal.records.resolve(record_id.strip("[]#, ")))
        if record is None or not in_scope(record.namespace, asked.namespace):
            raise NotFound(f"no record '{record_id}' in this namespace")
        return record

    def _was_last_spoken_of(self, asked: Asked, target: Record) -> bool:
        """Whether the user says "forget that" of what the last message said or the last answer quoted."""
        if not points_at_the_last(parse(asked.said).text):
            return False
        turn = {"namespace": asked.namespace, "thread": asked.thread, "id": asked.turn}
        last = spoken_of(self._agent.home.journal.records, turns_before(self._agent.home, turn))
        return bool(last) and last[0].record.id == target.id

    def _said_last(self, asked: Asked) -> Record | None:
        """The user's message before this one, if it stated something and nothing was changed since."""
        turn = {"namespace": asked.namespace, "thread": asked.thread, "id": asked.turn}
        said = next((r for r in turns_before(self._agent.home, turn) if r.attributes.get("role") == "user"), None)
        if said is None or not said.is_live or said.memories == () or parse(said.body).wish is not Wish.STATE:
            return None
        try:
            change = last_change(self._agent, asked.namespace)
        except NotFound:
            return said
        rows = self._agent.home.journal.records.transactions(limit=200)
        row = next(row for row in rows if row.id == change)
        return said if row.first_seq < said.created_seq or row.cause == said.id else None

    def _receipt_of(self, record: Record) -> str:
        """The transaction that wrote a record."""
        return self._agent.home.journal.records.history(record.id)[0].receipt_id

    def _propose(self, op: str, target: Record, record_id: str, asked: Asked, body: str) -> Outcome:
        draft = Draft(
            body=body or f"{op} '{target.body[:200]}'",
            kind="proposal",
            namespace=target.namespace,
            thread=asked.thread,
            derived_from=(target.id,),
            attributes={"op": op, "target": target.id},
            memories=(),
        )
        return self._write(draft, op, record_id, "proposed")

    def _write(self, draft: Draft, verb: str, record_id: str, done: str) -> Outcome:
        """Write one record under an id of our choice; a second time changes nothing."""
        home = self._agent.home
        waits = self._agent.settings.approval == "ask"
        existing = home.journal.records.get(record_id)
        if existing is not None:
            return Outcome(f"{done} already: {existing.body}")
        with home.journal.transaction(verb, actor=ACTOR, reason="asked for in conversation") as tx:
            if tx.row(record_id) is None:
                tx.add(draft, status=Status.PENDING if waits else Status.ACTIVE, record_id=record_id)
        receipt = tx.receipt()
        if waits:
            return Outcome(f"waits for the user's approval: {draft.body}", receipt=receipt)
        written = tuple(home.journal.records.get_many(receipt.record_ids).values())
        home.observe(Event(kind=draft.kind, records=written, namespace=draft.namespace))
        return Outcome(f"{done}: {draft.body}", receipt=receipt)


def last_change(agent: Agent, namespace: Namespace) -> str:
    """The receipt of the last deliberate change within the namespace that is not taken back yet.

    Exchanges and what memories derived are no changes that somebody asked for.
    """
    rows, undone = _rows_and_undone(agent)
    for row in rows:
        if row.verb not in _NOT_CHANGES and row.id not in undone and touched_within(agent, row.id, namespace):
            return str(row.id)
    raise NotFound("there is no change to take back")


def last_undo(agent: Agent, namespace: Namespace) -> str:
    """The receipt of the last undo within the namespace that still stands; to undo it brings its change back."""
    rows, undone = _rows_and_undone(agent)
    undos = {row.id for row in rows if row.verb == "undo"}
    for row in rows:
        brings_back = row.cause in undos
        if row.verb == "undo" and row.id not in undone and not brings_back and touched_within(agent, row.id, namespace):
            return str(row.id)
    raise NotFound("nothing was taken back that could be brought back")


def _rows_and_undone(agent: Agent) -> tuple[list[Any], set[str]]:
    """The last transactions, newest first, and the ids of those that an undo took back which itself still stands."""
    rows = agent.home.journal.records.transactions(limit=200)
    undone: set[str] = set()
    for row in rows:
        if row.verb == "undo" and row.id not in undone and row.cause:
            undone.add(row.cause)
    groups = {row.cause for row in rows if row.id in undone and (row.cause or "").startswith(GROUP)}
    undone |= {row.id for row in rows if row.cause in groups}  # an ingestion is one transaction a file
    taught = [row.cause for row in rows if row.verb == LEARN and row.cause]
    stand = agent.home.journal.records.statuses(taught)
    undone |= {row.id for row in rows if row.verb == LEARN and stand.get(row.cause) is Status.ABSENT}  # with its turn
    return list(rows), undone


def touched_within(agent: Agent, receipt_id: str, namespace: Namespace) -> bool:
    """Whether a transaction changed records, and only such as lie in the namespace."""
    records = agent.home.journal.records
    touched = records.get_many(records.records_of(receipt_id))
    return bool(touched) and all(in_scope(record.namespace, namespace) for record in touched.values())


def _id_of(turn: str, call: str) -> str:
    return uuid.uuid5(uuid.UUID(turn), f"tool:{call}").hex


def _checked(call: ToolCall) -> Mapping[str, Any]:
    """The arguments if they are exactly what the schema asks for: texts, all of them, no others."""
    wanted = list(_SPECS[call.name].parameters["required"])
    given = dict(call.args)
    if sorted(given) != sorted(wanted) or not all(isinstance(v, str) and v.strip() for v in given.values()):
        got = json.dumps(given, ensure_ascii=False, default=str)[:200]
        raise BadInput(
            f"'{call.name}' takes {', '.join(wanted) or 'no arguments'} (texts that are not empty), not {got}"
        )
    return given


def described(records: list[Record]) -> str:
    """Records as a tool's answer shows them."""
    return "\n".join(f"(id {r.id[:12]}; {source_of(r)})\n{r.body}" for r in records)
