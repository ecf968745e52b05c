"""Writes a finished turn to the journal: the exchange, what was learned, the trace; then memories derive from it.

Every record's id follows from the turn's, so a turn that is written again after a crash writes only what is missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentmem.errors import Missing
from agentmem.facts import only_asks
from agentmem.home import Home
from agentmem.intent import Wish, parse
from agentmem.journal.transaction import PERSON, Transaction
from agentmem.models.loading import EXTRACTIVE
from agentmem.records import Draft, Event, Hit, Receipt, Record, Status, Trust
from agentmem.redact import redact
from agentmem.trace import KIND as TRACE
from agentmem.trace import to_opentelemetry, trace_body, trace_of
from agentmem.turns import Turn

AGENT = "agent"
_BEFORE = 6  # turns that memories are shown with a new one
_HISTORY = 8  # turns that a model is shown


@dataclass
class WrittenTurn:
    """What a turn left in the journal: receipts with words for them, and the trace's record."""

    receipts: list[tuple[Receipt, str]] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)  # what the exchange wrote, by id
    trace_id: str | None = None
    notes: list[str] = field(default_factory=list)


class Writer:
    """Writes turns into one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def write(
        self,
        turn: Turn,
        asked: Mapping[str, Any],
        answer: Mapping[str, Any],
        hits: Sequence[Hit],
        learned: Sequence[Mapping[str, Any]],
        found: Sequence[str] = (),
    ) -> WrittenTurn:
        """Two transactions for the exchange (what a person said, what the agent answered) and one for what was learned.

        They are separate so that each can be undone: undoing what a person said takes all the rest along.
        """
        out = WrittenTurn()
        said, spoken, trace_id = (_id(turn.id, part) for part in ("said", "answer", "trace"))
        before = self._before(turn, asked)
        if asked["text"].strip():
            self._said(out, asked, said, carried_out=bool(turn.receipts), resumed=turn.resumed)
        if learned:
            self._learned(out, asked, said, learned)
        self._answered(out, turn, asked, answer, hits, found, (said, spoken, trace_id))
        out.trace_id = trace_id
        if self._home.settings.section("trace").get("opentelemetry"):
            try:
                to_opentelemetry(self._trace(turn, asked, answer))
            except Missing as error:
                out.notes.append(str(error))
        self._observe(out, asked, [said, spoken], before, resumed=turn.resumed)
        return out

    def _said(self, out: WrittenTurn, asked: Mapping[str, Any], said: str, carried_out: bool, resumed: bool) -> None:
        draft = _draft(asked, asked["text"], "user", asked["speaker"] or "user", Trust.USER)
        # a question states nothing, and of a wish that was carried out its result is the record: memories that held
        # them would return the question for the question, and what was undone
        if only_asks(asked["text"]) or (carried_out and parse(asked["text"]).wish is not Wish.STATE):
            draft = replace(draft, memories=())
        with self._home.journal.transaction("turn", actor=PERSON) as tx:
            new = _add(tx, draft, said, check=resumed)
        if new:
            out.receipts.append((tx.receipt(), "what you said"))

    def _answered(
        self,
        out: WrittenTurn,
        turn: Turn,
        asked: Mapping[str, Any],
        answer: Mapping[str, Any],
        hits: Sequence[Hit],
        found: Sequence[str],
        ids: tuple[str, str, str],
    ) -> None:
        said, spoken, trace_id = ids
        journal = self._home.journal
        cited = [record_id for _, record_id, _ in answer["cited"]]
        used = list(dict.fromkeys([*cited, *(hit.record_id for hit in hits), *found]))
        alive = journal.records.get_many([*used, said])  # what was purged while the turn ran is in here no more
        text = redact(answer["text"]).text
        if any(record_id not in alive for record_id in [*found, *cited] if not _parametric(record_id, hits)):
            text = "(This answer quoted a record that was purged; it was not kept.)"
        # an answer goes when what it cites is corrected
        draft = _draft(
            asked, text, "assistant", "assistant", Trust.AGENT, tuple(i for i in [said, *cited] if i in alive)
        )
        if answer["stopped"]:
            draft = replace(draft, attributes={**draft.attributes, "stopped": answer["stopped"]})
        if cited or turn.receipts or asked["model"] == EXTRACTIVE:
            draft = replace(draft, memories=())  # an echo of what memories hold already
        trace = Draft(
            body=trace_body(self._trace(turn, asked, answer)),
            kind=TRACE,
            namespace=tuple(asked["namespace"]),
            thread=asked["thread"],
            session=asked["session"],
            derived_from=tuple(i for i in [said, *used] if i in alive),
            trust=Trust.AGENT,
            attributes={"turn": turn.id},
            memories=(),
        )
        with journal.transaction("answer", actor=AGENT) as tx:
            wanted = [(spoken, draft), (trace_id, trace)] if text.strip() else [(trace_id, trace)]
            wanted = [(i, d) for i, d in wanted if not (turn.resumed and tx.row(i) is not None)]
            new = bool(wanted)
            if new:
                tx.add_many([d for _, d in wanted], record_ids=[i for i, _ in wanted])
        if new:
            out.receipts.append((tx.receipt(), "the answer"))

    def _learned(
        self, out: WrittenTurn, asked: Mapping[str, Any], said: str, learned: Sequence[Mapping[str, Any]]
    ) -> None:
        waits = self._home.settings.approval == "ask"
        status = Status.PENDING if waits else Status.ACTIVE
        added = 0
        with self._home.journal.transaction("learn", actor=AGENT, cause=said) as tx:
            for number, change in enumerate(learned):
                record_id = _id(asked["id"], f"learned:{number}")
                target = tx.row(change["target"]) if change.get("target") else None
                if change["op"] == "delete":
                    if target is None or target.status != Status.ACTIVE.value:
                        continue
                    if waits:
                        added += _add(tx, _proposal(asked, said, change), record_id, status)
                    else:
                        added += tx.set_status(change["target"], "retract")
                    continue
                older = (change["target"],) if target is not None and target.status == Status.ACTIVE.value else ()
                draft = Draft(
                    body=change["body"],
                    namespace=tuple(asked["namespace"]),
                    subject=change.get("subject"),
                    relation=change.get("relation"),
                    object=change.get("object"),
                    thread=asked["thread"],
                    session=asked["session"],
                    speaker=asked["speaker"],
                    derived_from=(said,),
                    supersedes=older,
                    valid_from=asked["at"],
                    attributes={"turn": asked["id"], "extracted": True},
                )
                added += _add(tx, draft, record_id, status)
        if added:
            out.receipts.append((tx.receipt(), f"{added} fact(s) from what you said"))

    def _observe(
        self,
        out: WrittenTurn,
        asked: Mapping[str, Any],
        ids: Sequence[str],
        before: Sequence[Record],
        *,
        resumed: bool,
    ) -> None:
        """Let memories derive, each once: those that did before the turn was cut off are left out."""
        records = self._home.journal.records
        found = records.get_many([*ids, out.trace_id or ""])
        out.records |= found
        written = {i: found[i] for i in ids if i in found}
        done: set[str] = set()
        if resumed:
            history = [records.history(child)[0].actor for child in sorted(records.child_ids(list(ids)))]
            done = {actor.removeprefix("memory:") for actor in history if actor.startswith("memory:")}
        event = Event(
            kind="turn", records=tuple(written.values()), before=tuple(before), namespace=tuple(asked["namespace"])
        )
        receipts = self._home.observe(event, skip=done)
        facts = [r for receipt, what in out.receipts if "fact" in what for r in receipt.record_ids]
        stated = tuple(r for r in records.get_many(facts).values() if r.is_live)
        if stated:
            receipts += self._home.observe(
                Event(kind="fact", records=stated, before=tuple(before), namespace=tuple(asked["namespace"]))
            )
        receipts += self._home.maintain("turn")
        out.receipts += [(receipt, "derived by a memory") for receipt in receipts if receipt.seqs]

    def _before(self, turn: Turn, asked: Mapping[str, Any]) -> list[Record]:
        found = turns_before(self._home, asked) if turn.before is None else turn.before
        return found[:_BEFORE][::-1]

    def _trace(self, turn: Turn, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
        cost = turn.budget.cost
        outcome = {
            "stopped": answer["stopped"],
            "cited": [[number, record_id] for number, record_id, _ in answer["cited"]],
            "steps": cost.steps,
            "calls": cost.calls,
            "tokens_in": cost.tokens_in,
            "tokens_out": cost.tokens_out,
            "money": cost.money,
            "seconds": cost.seconds,
        }
        return trace_of(asked, turn.log, outcome)


def turns_before(home: Home, asked: Mapping[str, Any]) -> list[Record]:
    """The last turns of the thread without this one's, newest first."""
    found = home.journal.records.find(
        namespace=tuple(asked["namespace"]), kinds=("turn",), thread=asked["thread"], newest_first=True, limit=_HISTORY
    )
    return [record for record in found if record.attributes.get("turn") != asked["id"]]


def _parametric(record_id: str, hits: Sequence[Hit]) -> bool:
    return any(hit.record_id == record_id and not hit.record.version_id for hit in hits)


def _draft(
    asked: Mapping[str, Any],
    text: str,
    role: str,
    speaker: str,
    trust: Trust,
    derived_from: tuple[str, ...] = (),
) -> Draft:
    return Draft(
        body=text,
        kind="turn",
        namespace=tuple(asked["namespace"]),
        thread=asked["thread"],
        session=asked["session"],
        speaker=speaker,
        derived_from=derived_from,
        trust=trust,
        valid_from=asked["at"],
        attributes={"turn": asked["id"], "role": role},
    )


def _proposal(asked: Mapping[str, Any], said: str, change: Mapping[str, Any]) -> Draft:
    return Draft(
        body=f"retract '{change.get('body', '')[:200]}'",
        kind="proposal",
        namespace=tuple(asked["namespace"]),
        thread=asked["thread"],
        derived_from=(said, change["target"]),
        attributes={"op": "retract", "target": change["target"]},
        memories=(),
    )


def _add(tx: Transaction, draft: Draft, record_id: str, status: Status = Status.ACTIVE, *, check: bool = True) -> bool:
    """Write a record unless it is there already."""
    if check and tx.row(record_id) is not None:
        return False
    tx.add(draft, status=status, record_id=record_id)
    return True


def _id(turn_id: str, part: str) -> str:
    return uuid.uuid5(uuid.UUID(turn_id), part).hex
