"""What a message refers to without naming it ("it", "she", "that", "no, Tuesday"), read from what was last spoken of.

That is what the user said in the message before, or what the answer before quoted. Words and order alone, no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from agentmem.believing import claims_of_record, since_of
from agentmem.claims import Claim, agree, claim_of, claims_of, pieces, same_matter, shape
from agentmem.clauses import pointed_back
from agentmem.contract import RecordReader
from agentmem.intent import Intent, Wish, parse
from agentmem.records import Record, Trust
from agentmem.sentences import content_stems, sentences
from agentmem.wordings import POINTS_BACK, VALUE_FRAME

_BACK = 6  # turns that are looked through
_DAY_S = 86_400.0
_VALUE = re.compile(
    r"^(?:(?:it|that|this|they|he|she)(?:['’](?:s|re)| is| are| was| were| will be| should be)\s+"
    r"|(?:make|say) (?:it|that) )?(?P<value>.+?)[.!]*$",
    re.IGNORECASE,
)
_THAT = re.compile(
    r"(?:that|it|this|(?:that|this|the) last (?:one|thing|message)"
    r"|(?:what|the thing) i (?:just |last )?(?:said|told you|wrote))[.!?]*$",
    re.IGNORECASE,
)
_ALIKE = 0.8
_FAR = 1 << 30
_WORDS = 6  # that a value alone may have


@dataclass(frozen=True, slots=True)
class Spoken:
    """A record that was last spoken of, and what it claims; ``claim`` is None when that cannot be told."""

    record: Record
    claim: Claim | None


def claimed_before(before: Sequence[Record], at: float) -> Claim | None:
    """What the user claimed last, if the message before this one ends with it and was said within a day.

    ``before``: turns, newest first; ``at``: when this message was said (seconds).
    """
    last: Claim | None = None
    said = [r for r in before[:_BACK] if r.attributes.get("role") == "user" and r.is_live]
    for turn in reversed([r for r in said if at - since_of(r) < _DAY_S]):
        found = claims_of(turn.body, turn.speaker or "user", last)
        last = found[-1] if found and found[-1].sentence == pieces(turn.body)[-1] else None
    return last


def spoken_of(records: RecordReader, before: Sequence[Record]) -> list[Spoken]:
    """What the last messages of a conversation were about, the last first. ``before``: turns, newest first."""
    out: list[Spoken] = []
    for turn in before[:_BACK]:
        about = [turn] if turn.attributes.get("role") == "user" else _quoted(records, turn)
        for record in about:
            if record.is_live and record.trust is not Trust.AGENT and not _is_wish(record):
                out += [Spoken(record, claim) for claim in claims_of_record(record)] or [Spoken(record, None)]
    return list({(one.record.id, one.claim): one for one in out}.values())


def _quoted(records: RecordReader, answer: Record) -> list[Record]:
    """What an answer rests on besides its question, in the order in which it is quoted."""
    turn = answer.attributes.get("turn")
    found = [r for r in records.get_many(list(answer.derived_from)).values() if r.attributes.get("turn") != turn]
    return sorted(
        found, key=lambda r: min((at for p in pieces(r.body) if (at := answer.body.find(p)) >= 0), default=_FAR)
    )


def _is_wish(record: Record) -> bool:
    """Whether a turn states nothing itself: a question, or a wish that another record came of."""
    return record.kind == "turn" and (
        record.memories == () or parse(record.body).wish not in (Wish.STATE, Wish.CORRECT)
    )


def says_change(text: str, spoken: Sequence[Spoken]) -> bool:
    """Whether a sentence says that something is not as it was: of what it names, or of what was last spoken of."""
    told = [text, *(pointed_back(text, one.claim.referent) for one in spoken if one.claim is not None)]
    return any(claim.changes for said in told if said and (claim := claim_of(said)) is not None)


def corrected(intent: Intent, spoken: Sequence[Spoken]) -> tuple[Record, str] | None:
    """The record that a correction speaks of without naming it, and its text put right; None when there is none.

    "It's Tuesday" gives a claim that was last spoken of another value of the same kind (of the value that it says is
    wrong, if it says one); "she lives in Lyon" takes the place of what was said of her in that respect.
    """
    found = _VALUE.match(sentences(intent.text)[0])
    value = VALUE_FRAME.sub("", found["value"]).strip(" \"'“”") if found else ""
    bare = 0 < len(value.split()) <= _WORDS and claim_of(intent.text) is None
    for one in spoken:
        if one.claim is None or one.claim.over:
            continue
        said = pointed_back(intent.text, one.claim.referent)
        other = claim_of(said, one.record.speaker or "user") if said else None
        if other is not None and same_matter(one.claim, other):
            return put_right(one.record, one.claim, other.value)
        if bare and _takes_place(value, one.claim, intent.old):
            return put_right(one.record, one.claim, value)
    return None


def _takes_place(value: str, claim: Claim, old: str | None) -> bool:
    if old is not None:
        return agree(VALUE_FRAME.sub("", old), claim.value)
    return shape(value) == claim.shape and claim.shape != "other"


def put_right(record: Record, claim: Claim, value: str) -> tuple[Record, str] | None:
    """The record, and its text with another value of one claim; None when the claim's words do not stand there once."""
    said, body = claim.sentence.rstrip(".!"), record.body
    if body.count(said) == 1 and said.count(claim.value) == 1:
        return record, body.replace(said, said.replace(claim.value, value))
    return (record, body.replace(claim.value, value)) if body.count(claim.value) == 1 else None


def points_at_the_last(text: str) -> bool:
    """Whether words name nothing but what was said last: "that", "what I just said"."""
    return _THAT.match(text.strip()) is not None


def stands_alone(text: str) -> bool:
    """Whether a sentence can be understood without the one before it."""
    return len(text.split()) > 1 and POINTS_BACK.match(text) is None


def spoken_to(intent: Intent, record: Record, sentence: str) -> tuple[Record, str] | None:
    """The record with what a correction says in place of one of its sentences, if that is what it speaks of.

    It speaks of a claim in the same respect of the same thing, or of a sentence that holds half of its words where one
    of the two claims nothing; in any case of one with the value that it calls wrong.
    """
    asked, known = claim_of(intent.text), [c for c in claims_of_record(record) if c.sentence == sentence]
    old = set(content_stems(intent.old or ""))
    if old and not old & set(content_stems(sentence)):
        return None
    if asked is not None and known:
        matter = next((c for c in known if same_matter(asked, c) or _misspelt(asked, c)), None)
        return None if matter is None else put_right(record, matter, asked.value)
    mine, theirs = set(content_stems(intent.text)), set(content_stems(sentence))
    if not mine or not theirs or 2 * len(mine & theirs) < min(len(mine), len(theirs)) or sentence not in record.body:
        return None
    return record, record.body.replace(sentence, intent.text, 1)


def _misspelt(one: Claim, other: Claim) -> bool:
    """Whether two subjects are the same but for a slip of the fingers in a long word."""
    pairs = list(zip(one.subject.split(), other.subject.split(), strict=False))
    alike = all(a == b or (len(a) > 4 and SequenceMatcher(None, a, b).ratio() > _ALIKE) for a, b in pairs)
    return alike and len(one.subject.split()) == len(other.subject.split())
