"""Writes a finished turn to the journal: the exchange, what was learned, the trace; then memories derive from it.

Every record's id follows from the turn's, so a turn that is written again after a crash writes only what is missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentmem.dates import dated
from agentmem.errors import Missing
from agentmem.facts import only_asks
from agentmem.home import Home
from agentmem.intent import Wish, parse
from agentmem.journal.transaction import Transaction
from agentmem.journal.undo import LEARN
from agentmem.models.loading import EXTRACTIVE
from agentmem.policy import EMPTY, REFUSED, SAID, only_repeats, says_nothing
from agentmem.promotion import demote
from agentmem.records import Draft, Event, Hit, Receipt, Record, Status, Trust
from agentmem.redact import redact
from agentmem.trace import KIND as TRACE
from agentmem.trace import to_opentelemetry, trace_body, trace_of
from agentmem.turns import Turn

AGENT = "agent"
_ABOUT_MEMORY = (Wish.FORGET, Wish.UNDO, Wish.ABOUT)  # these state nothing, whatever comes of them
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
        """One transaction for the exchange (what a person said, the answer, the trace), one for what was learned.

        Undoing the exchange takes all the rest along.
        """
        out = WrittenTurn()
        said, spoken, trace_id = ids = part_id(turn.id, "said"), part_id(turn.id, "answer"), part_id(turn.id, "trace")
        before = self._before(turn, asked)
        self._exchange(out, turn, asked, answer, hits, found, ids, learned)
        if learned:
            self._learned(out, asked, said, learned)
        self._home.journal.touch(record_id for _, record_id, _ in answer["cited"] if not _parametric(record_id, hits))
        out.trace_id = trace_id
        if self._home.settings.section("trace").get("opentelemetry"):
            try:
                to_opentelemetry(self._trace(turn, asked, answer))
            except Missing as error:
                out.notes.append(str(error))
        self._observe(out, asked, [said, spoken], before, answer, resumed=turn.resumed)
        return out

    def _exchange(
        self,
        out: WrittenTurn,
        turn: Turn,
        asked: Mapping[str, Any],
        answer: Mapping[str, Any],
        hits: Sequence[Hit],
        found: Sequence[str],
        ids: tuple[str, str, str],
        learned: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        said, spoken, trace_id = ids
        cited = [record_id for _, record_id, _ in answer["cited"]]
        used = list(dict.fromkeys([*cited, *(hit.record_id for hit in hits), *found]))
        alive = self._home.journal.records.get_many(used)  # what was purged while the turn ran is in here no more
        text = redact(answer["text"]).text
        if any(record_id not in alive for record_id in [*found, *cited] if not _parametric(record_id, hits)):
            text = "(This answer quoted a record that was purged; it was not kept.)"
        question = _draft(asked, asked["text"], "user", asked["speaker"] or "user", Trust.USER)
        question = dated(question, asked["at"])
        # a question states nothing, and of a wish that was carried out its result is the record: memories that held
        # them would return the question for the question, and what was undone
        wish = parse(asked["text"]).wish
        if only_asks(asked["text"]) or wish in _ABOUT_MEMORY or (turn.receipts and wish is not Wish.STATE):
            question = replace(question, memories=())
        refused = [{"reason": c["reason"], "of": c["target"]} for c in learned if c["op"] == "refuse"]
        if says_nothing(asked["text"]):
            refused.append({"reason": EMPTY, "of": None})
        if refused and (says_nothing(asked["text"]) or only_repeats(asked["text"], learned)):
            question = replace(question, memories=())  # the raw turn is kept; to find it by would find nothing new
        # an answer goes when what it cites is corrected
        basis = (said, *(i for i in cited if i in alive))
        reply = _draft(asked, text, "assistant", "assistant", Trust.AGENT, basis)
        if answer["stopped"]:
            reply = replace(reply, attributes={**reply.attributes, "stopped": answer["stopped"]})
        if cited or turn.receipts or asked["model"] == EXTRACTIVE:
            reply = replace(reply, memories=())  # an echo of what memories hold already
        trace = Draft(
            body=trace_body(self._trace(turn, asked, answer)),
            kind=TRACE,
            namespace=tuple(asked["namespace"]),
            thread=asked["thread"],
            session=asked["session"],
            derived_from=(said, *(i for i in used if i in alive)),
            trust=Trust.AGENT,
            attributes={"turn": turn.id} | ({REFUSED: refused} if refused else {}),
            memories=(),
        )
        drafts = {said: question, spoken: reply, trace_id: trace}
        # actor "agent" though a person spoke: an answer is derived, and goes with what it was derived from
        with self._home.journal.transaction("turn", actor=AGENT) as tx:
            if turn.resumed:
                drafts = {record_id: draft for record_id, draft in drafts.items() if tx.row(record_id) is None}
            if drafts:
                tx.add_many(list(drafts.values()), record_ids=list(drafts))
        if drafts:
            out.receipts.append((tx.receipt(), "the exchange"))

    def _learned(
        self, out: WrittenTurn, asked: Mapping[str, Any], said: str, learned: Sequence[Mapping[str, Any]]
    ) -> None:
        waits = self._home.settings.approval == "ask"
        status = Status.PENDING if waits else Status.ACTIVE
        added = 0
        # what only repeats a turn as a row of the journal is nothing that a person would want to take back by itself
        aside = all(
            change["op"] == "refuse" or (change["op"] == "append" and change.get("apart")) for change in learned
        )
        with self._home.journal.transaction("derive" if aside else LEARN, actor=AGENT, cause=said) as tx:
            for number, change in enumerate(learned):
                if change["op"] == "refuse":
                    continue
                record_id = part_id(asked["id"], f"learned:{number}")
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
                    attributes={"turn": asked["id"], "extracted": True}
                    | ({SAID: change[SAID]} if SAID in change else {}),
                    memories=() if change.get("apart") else None,
                )
                draft = dated(draft, asked["at"])
                if draft.valid_from is None:
                    draft = replace(draft, valid_from=asked["at"])
                added += _add(tx, draft, record_id, status)
        if added:
            out.receipts.append((tx.receipt(), f"{added} fact(s) from what you said"))
            out.receipts += [(taken, "taken out of the weights") for taken in demote(self._home, changed=tx.record_ids)]

    def _observe(
        self,
        out: WrittenTurn,
        asked: Mapping[str, Any],
        ids: Sequence[str],
        before: Sequence[Record],
        answer: Mapping[str, Any],
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
        place: dict[str, Any] = {"before": tuple(before), "namespace": tuple(asked["namespace"])}
        facts = [r for receipt, what in out.receipts if "fact" in what for r in receipt.record_ids]
        stated = tuple(r for r in records.get_many(facts).values() if r.is_live)

        def overheard(kind: str, data: Mapping[str, Any]) -> None:
            if kind == "fault":
                out.notes.append(f"memory '{data.get('memory')}': {data.get('error')}")

        self._home.watchers.append(overheard)
        try:
            receipts = self._home.observe(Event(kind="turn", records=tuple(written.values()), **place), skip=done)
            if stated:
                receipts += self._home.observe(Event(kind="fact", records=stated, **place))
            if not resumed:
                told = _outcome(asked, answer, before)
                fared = Event(kind="outcome", records=tuple(written.values()), data=told, **place)
                receipts += self._home.feedback(fared)
            receipts += self._home.maintain("turn")
        finally:
            self._home.watchers.remove(overheard)
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


def _outcome(asked: Mapping[str, Any], answer: Mapping[str, Any], before: Sequence[Record]) -> dict[str, Any]:
    """How a turn fared, for memories that learn: what was cited, what a correction says of the last question."""
    told: dict[str, Any] = {"cited": [i for _, i, _ in answer["cited"]], "stopped": answer["stopped"]}
    questions = [r.body for r in before if r.attributes.get("role") == "user" and only_asks(r.body)]
    if questions and parse(asked["text"]).wish is Wish.CORRECT:
        told |= {"question": questions[-1], "clarification": asked["text"]}
    return told


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


def part_id(turn_id: str, part: str) -> str:
    """The id of one of the records that a turn writes."""
    return uuid.uuid5(uuid.UUID(turn_id), part).hex
