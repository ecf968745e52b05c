"""What a stated sentence does to the facts that are known: pass, append, replace or delete. No model.

Claims are read from the user's own words. A claim that is known already passes; one that contradicts a known fact takes
its place; one that says that a fact is over deletes it; any other is appended. Such a fact is a row of the journal and
is held by no memory: the turn that it was read from is, in full. Documents and the agent's own answers never come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentmem.believing import claims_of_record, is_summary, since_of
from agentmem.claims import Claim, agree, claims_of, contradict, folded_value, pieces, same_matter
from agentmem.consent import grounded, touches
from agentmem.contract import RecordReader
from agentmem.dates import begins
from agentmem.edit_queue import EDIT
from agentmem.facts import Learned
from agentmem.home import Home
from agentmem.intent import Wish, parse
from agentmem.journal.reader import Reader
from agentmem.records import Draft, Hit, Link, Record, Status, Trust
from agentmem.referring import claimed_before
from agentmem.sentences import QUESTION_MARKS, STOP_WORDS, sentences, words
from agentmem.summaries import RESTS

REFUSED = "refused"
"""The attribute of a turn's trace that says what was not kept as a fact, and why: [{"reason", "of"}], ids only."""
SAID = "said"
"""The attribute of a fact that was read out of a turn which only points at what it names: the turn's own words."""
_BEFORE = 12  # turns, answers among them
_ALIKE = 0.75  # of a fact's words, from which a sentence says the same in other words
KNOWN, EMPTY = "it is known already", "it says nothing"
_CHITCHAT = frozenset(
    "ok okay thanks thank hi hello hey yes no yep nope sure great cool nice good fine bye morning evening night wow "
    "lol right alright perfect awesome welcome please sorry hm hmm um uh oh ah well got see later cheers".split()
)


def stated(
    records: RecordReader, asked: Mapping[str, Any], hits: Sequence[Hit] = (), before: Sequence[Record] = ()
) -> Learned:
    """What the user's message does to the known facts; ``hits`` are what the memories brought for it.

    ``before``: the turns before this one, newest first, for what its first "she" or "it" stands for.
    """
    changes: list[Mapping[str, Any]] = []
    known = [hit.record for hit in hits]
    taken: set[str] = set()
    corrects = parse(asked["text"]).wish is Wish.CORRECT  # "actually, she moved", however long ago she was spoken of
    last = claimed_before(before, float("-inf") if corrects else asked["at"])
    for claim in claims_of(asked["text"], asked["speaker"] or "user", last):
        facts = _facts(records, tuple(asked["namespace"]), claim, known)
        change = _change(claim, [(fact, said) for fact, said in facts if fact.id not in taken], asked["at"])
        if change.get("target") and change["op"] != "refuse":
            taken.add(change["target"])
        changes.append(change)
    return Learned(tuple(changes))


def restate(home: Home, record_ids: Sequence[str]) -> None:
    """Bring the facts read out of turns in line with their words, after a correction or the undo of one."""
    reader = home.journal.records
    for turn in reader.get_many(record_ids).values():
        if turn.kind != "turn" or turn.trust is not Trust.USER or not turn.is_live:
            continue
        children = reader.get_many(sorted(reader.child_ids([turn.id]))).values()
        stood = [r for r in children if r.kind == "fact" and r.status is not Status.ABSENT]
        facts = {r.body: r for r in stood if r.attributes.get("extracted")}
        before = claimed_before(_turns_before(reader, turn), since_of(turn))
        claims = {c.said: c for c in claims_of(turn.body, turn.speaker or "user", before) if not c.over}
        with home.journal.transaction("derive", actor="agent", cause=turn.id) as tx:
            for body, fact in facts.items():
                if fact.is_live and body not in claims:
                    tx.set_status(fact.id, "archive")
                elif fact.status is Status.ARCHIVED and body in claims:
                    tx.set_status(fact.id, "restore")
            tx.add_many([_read_out(turn, claim) for body, claim in claims.items() if body not in facts])


def _read_out(turn: Record, claim: Claim) -> Draft:
    return Draft(
        body=claim.said,
        namespace=turn.namespace,
        subject=claim.subject,
        relation=claim.relation,
        object=claim.value,
        thread=turn.thread,
        session=turn.session,
        speaker=turn.speaker,
        derived_from=(turn.id,),
        valid_from=turn.valid_from if turn.valid_from is not None else turn.recorded_at,
        attributes={"turn": turn.attributes.get("turn"), "extracted": True, **_apart(claim)},
        memories=None if _apart(claim) else (),
    )


def _apart(claim: Claim) -> dict[str, Any]:
    """The words in the turn, where the fact says in full what they only point at."""
    return {} if claim.said == claim.sentence else {SAID: claim.sentence}


def _turns_before(reader: Reader, turn: Record) -> list[Record]:
    found = reader.find(
        namespace=turn.namespace, kinds=("turn",), thread=turn.thread, newest_first=True, place=turn.created_seq,
        limit=_BEFORE,
    )  # fmt: skip
    return list(found)


def superseding(records: RecordReader, draft: Draft, now: float) -> Draft:
    """The draft with the known facts whose place it takes by its own words ("now", "moved", "no longer")."""
    if (draft.valid_from or now) > now:
        return draft
    if draft.kind != "fact" or draft.trust is not Trust.USER or draft.supersedes:
        return draft
    claims = claims_of(draft.body, draft.speaker or "user")
    if len(claims) != 1 or not claims[0].changes:
        return draft
    facts = _facts(records, draft.namespace, claims[0], ())
    return replace(draft, supersedes=tuple(dict.fromkeys(f.id for f, said in facts if contradict(claims[0], said))))


def no_longer(records: Reader, hits: Sequence[Hit]) -> dict[str, frozenset[str]]:
    """The sentences of recalled turns and summaries that no longer hold.

    What was read out of a turn was replaced or taken back; a sentence of a summary repeats such a fact of a turn that
    it rests on.
    """
    turns = [hit.record_id for hit in hits if hit.record.kind == "turn"]
    told = [hit.record for hit in hits if is_summary(hit.record) and hit.record.attributes.get(RESTS)]
    rested = {i for record in told for rests in record.attributes[RESTS] for i in rests}
    lost = _lost(records, sorted({*turns, *rested}))
    out = {i: frozenset(fact.attributes.get(SAID, fact.body) for fact in lost[i]) for i in turns if i in lost}
    for record in told if lost else ():
        pairs = zip(sentences(record.body), record.attributes[RESTS], strict=False)
        ended = frozenset(said for said, rests in pairs if _repeats_any(records, said, rests, lost))
        if ended:
            out[record.id] = ended
    return out


def outlived(records: Reader, said: Sequence[tuple[str, Sequence[str]]]) -> list[bool]:
    """For each sentence with the turns that it rests on whether it repeats what no longer holds."""
    lost = _lost(records, sorted({i for _, rests in said for i in rests}))
    return [_repeats_any(records, sentence, rests, lost) for sentence, rests in said]


def _lost(records: Reader, turns: Sequence[str]) -> dict[str, list[Record]]:
    """The facts read out of each turn that were replaced or taken back and do not stand otherwise.

    With them those that stand for words of the turn which only point at what they name: the fact speaks, not the turn.
    """
    if not turns:
        return {}
    out: dict[str, list[Record]] = {}
    standing: set[tuple[str, str]] = set()
    for fact in records.get_many(sorted(records.child_ids(turns))).values():
        if fact.kind != "fact" or not fact.attributes.get("extracted"):
            continue
        for turn in fact.derived_from:
            if fact.is_live and SAID not in fact.attributes:
                standing.add((turn, fact.body))
            elif fact.is_live or fact.status in (Status.SUPERSEDED, Status.RETRACTED, Status.ABSENT):
                out.setdefault(turn, []).append(fact)
    return {turn: [f for f in facts if (turn, f.body) not in standing] for turn, facts in out.items()}


def _repeats_any(records: RecordReader, sentence: str, rests: Sequence[str], lost: Mapping[str, list[Record]]) -> bool:
    over = [fact for turn in rests for fact in lost.get(turn, ()) if not fact.is_live]
    return any(_repeats(records, sentence, fact) for fact in over)


def _repeats(records: RecordReader, sentence: str, fact: Record) -> bool:
    """Whether a sentence in other words says what a fact said that is over, and not also what holds instead."""
    value = _value(fact)
    if not value:
        return grounded(fact.body, sentence, _ALIKE)
    if not agree(value, sentence) or not touches(fact.body.replace(value, " "), sentence):
        return False
    same = records.find(namespace=fact.namespace, kinds=("fact",), subject=fact.subject) if fact.subject else ()
    instead = Link("supersedes", fact.id)
    now = [_value(one) for one in same if one.relation == fact.relation or instead in one.links]
    return not any(other and agree(other, sentence) and not agree(other, value) for other in now)


def _value(fact: Record) -> str:
    claims = () if fact.object else claims_of_record(fact)
    return fact.object or (claims[0].value if claims else "")


def says_nothing(text: str) -> bool:
    """Whether a message is chit-chat: kept as the turn that it is, but nothing to be found by."""
    return not (set(words(text)) - STOP_WORDS - _CHITCHAT) and not any(mark in text for mark in QUESTION_MARKS)


def only_repeats(text: str, changes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every sentence of a message states a fact that is known already."""
    passed = sum(change["op"] == "refuse" for change in changes)
    return bool(changes) and passed == len(changes) == len(pieces(text))


def _facts(
    records: RecordReader, namespace: tuple[str, ...], claim: Claim, known: Sequence[Record]
) -> list[tuple[Record, Claim]]:
    """Live facts of exactly this namespace that speak of the claim's subject, with what they claim; newest first."""
    found = {r.id: r for r in records.find(namespace=namespace, kinds=("fact",), subject=claim.subject)}
    found |= {record.id: record for record in known if record.kind == "fact"}
    theirs = [
        (record, said)
        for record in found.values()
        # what was put into weights is flagged when a newer text contradicts it, and taken off by its own verbs
        if record.is_live
        and record.namespace == namespace
        and record.trust is Trust.USER
        and not record.attributes.get(EDIT)
        for said in claims_of_record(record)
        if said.subject == claim.subject and len(pieces(record.body)) == 1
    ]
    return sorted(theirs, key=lambda one: -one[0].created_seq)


def _change(claim: Claim, facts: Sequence[tuple[Record, Claim]], at: float) -> Mapping[str, Any]:
    begun = (begins(claim, at) or at) <= at  # "from June on …" leaves what holds until then
    target = next((fact for fact, said in facts if begun and contradict(claim, said)), None)
    told: dict[str, Any] = {
        "body": claim.said,
        "subject": claim.subject,
        "relation": claim.relation,
        "object": claim.value,
    }
    # held by memories only when its turn says "she": what is found by her name must name her
    told |= _apart(claim) or {"apart": True}
    if claim.over:
        if target is None:
            return {"op": "refuse", "reason": "it ends nothing that is known", "target": None}
        return {"op": "delete", "body": target.body, "target": target.id}
    if target is not None:
        return {"op": "replace", "target": target.id, **told}
    same = next((fact for fact, said in facts if _says_as_much(said, claim)), None)
    if same is not None:
        return {"op": "refuse", "reason": KNOWN, "target": same.id}
    return {"op": "append", "target": None, **told}


def _says_as_much(known: Claim, claim: Claim) -> bool:
    fuller = len(folded_value(claim.value)) > len(folded_value(known.value))
    return same_matter(known, claim) and agree(known.value, claim.value) and not known.over and not fuller
