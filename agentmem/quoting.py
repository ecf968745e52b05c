"""The turn of an agent without a language model: it reads the user's wish from the words and answers by quoting.

Wishes to change the memory become the same tool calls that a model would make. Knows no graph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentmem.believing import claims_of_record, day_of, is_summary, since_of
from agentmem.extractive import Extractive, ExtractiveAnswer, recounted
from agentmem.home import Home
from agentmem.intent import Intent, Wish, parse
from agentmem.models.protocol import ToolCall
from agentmem.overview import asks_overview
from agentmem.records import Hit, Record, Status, Trust
from agentmem.referring import corrected, points_at_the_last, says_change, spoken_of, spoken_to, stands_alone
from agentmem.sentences import sentences

Cited = tuple[tuple[int, str, str], ...]
_SURE = 0.5  # probability that a sentence is what a correction speaks of
_OF_CHANGE = re.compile(
    r"\b(?:before|previous\w*|earlier|former\w*|used to|changed?|moved?|until|still|no longer|since when|history)\b",
    re.IGNORECASE,
)
_RECENT_S = 90 * 86_400.0
_CHANGES = 3  # earlier states that an answer tells
_LONG = 2  # sentences; a longer record is not forgotten whole for one of them


class Quoting:
    """Answers one home's turns from its evidence."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._made: Extractive | None = None

    @property
    def _extractive(self) -> Extractive:
        if self._made is None:
            self._made = Extractive(self._home.embedder)
        return self._made

    def calls(self, text: str, hits: Sequence[Hit], before: Sequence[Record] = ()) -> tuple[ToolCall, ...]:
        """The tool calls that the user's wish comes to; none for questions and statements.

        ``before``: the turns before this one, newest first, for what "that" and "it" stand for.
        """
        intent = parse(text)
        if intent.wish is Wish.REMEMBER:
            return (ToolCall("remember", "remember", {"text": intent.text}),)
        if intent.wish is Wish.UNDO:
            return (ToolCall("undo", "undo"),)
        if intent.wish is Wish.CORRECT:
            return self._correction(intent, hits, before)
        if intent.wish is Wish.FORGET:
            return tuple(
                ToolCall(f"forget-{i}", "forget", {"id": record_id})
                for i, record_id in enumerate(self._to_forget(intent, hits, before))
            )
        return ()

    def _to_forget(self, intent: Intent, hits: Sequence[Hit], before: Sequence[Record]) -> list[str]:
        if points_at_the_last(intent.text):
            last = spoken_of(self._home.journal.records, before)
            return [last[0].record.id] if last else []
        return [h.record_id for h in self._extractive.tell(intent.text, [h for h in hits if _may_go(h)]).citations]

    def _correction(self, intent: Intent, hits: Sequence[Hit], before: Sequence[Record]) -> tuple[ToolCall, ...]:
        """Correct what the message speaks of; when there is nothing, the message is a new fact.

        What says itself that something changed corrects nothing: it is a statement, and the old state keeps its time.
        """
        spoken = spoken_of(self._home.journal.records, before)
        if intent.old is None and says_change(intent.text, spoken):
            return ()
        if (found := corrected(intent, spoken)) is not None:
            return (ToolCall("correct", "correct", {"id": found[0].id, "text": found[1]}),)
        said_by_others = [hit for hit in hits if hit.record.trust is not Trust.AGENT and hit.record.version_id]
        for quote, _ in self._extractive.judge(intent.text, said_by_others):
            if quote.confidence < _SURE:
                break
            if (found := spoken_to(intent, quote.hit.record, quote.text)) is not None:
                return (ToolCall("correct", "correct", {"id": found[0].id, "text": found[1]}),)
        # what says "it" or "Tuesday" alone is no fact that could be found again
        return (ToolCall("remember", "remember", {"text": intent.text}),) if stands_alone(intent.text) else ()

    def answer(
        self, text: str, hits: Sequence[Hit], steps: Sequence[Mapping[str, Any]] = (), speaker: str | None = None
    ) -> tuple[str, Cited]:
        """The words of the answer and what they cite."""
        outcomes = [step["content"] for step in steps if step["role"] == "tool"]
        if outcomes:
            return "\n".join(_sentence(outcome) for outcome in outcomes), ()
        intent = parse(text)
        if intent.wish is Wish.ABOUT:
            return _written(self._extractive.tell(intent.text, hits))
        if intent.wish is Wish.FORGET:
            about = "" if points_at_the_last(intent.text) else f" about {intent.text}"
            return f"I know nothing{about} that I could forget.", ()
        if asks_overview(text) and (sums := [hit for hit in hits if is_summary(hit.record)]):
            return _written(recounted(sums))
        if intent.wish in (Wish.STATE, Wish.CORRECT):
            return "I have kept that.", ()
        found = self._extractive.answer(text, hits, now=self._home.clock.now(), speaker=speaker)
        if not found.citations:
            return _written(found)
        changes = self._before(found.citations[0].record, recent=_OF_CHANGE.search(text) is None)
        told = [(line, lost) for line, lost in changes if line.rstrip(")") not in found.text]  # a turn may have said so
        first, *rest = found.text.split("\n")
        words = "\n".join([" ".join([first, *(line for line, _ in told)]), *rest])
        # an answer rests on all that it tells, so that a purge of the earlier state takes the answer along
        number = len(found.citations)
        earlier = tuple((number + n, lost.id, lost.body) for n, (_, lost) in enumerate(told, 1))
        return words, (*_written(found)[1], *earlier)

    def _before(self, record: Record, *, recent: bool) -> list[tuple[str, Record]]:
        """What a record, or the fact read out of a turn, took the place of, the latest first.

        ``recent``: nobody asked for it, so it is told only while somebody may still have the old state in mind.
        """
        reader = self._home.journal.records
        newest: list[Record] = [record, *reader.children(record.id)] if record.kind == "turn" else [record]
        lines: list[tuple[str, Record]] = []
        while len(lines) < _CHANGES:
            older = [(one, link.target) for one in newest for link in one.links if link.relation == "supersedes"]
            known = reader.get_many([target for _, target in older])
            gone = [(one, known[t]) for one, t in older if t in known and known[t].status is Status.SUPERSEDED]
            if not gone:
                break
            holds, lost = gone[0]
            ended = lost.valid_to if lost.valid_to is not None else since_of(holds)
            if recent and ended < self._home.clock.now() - _RECENT_S:
                break
            claims = claims_of_record(lost)
            lines.append((f"(until {day_of(ended)}: {claims[0].value if claims else lost.body})", lost))
            newest = [lost]
        return lines


def _may_go(hit: Hit) -> bool:
    record = hit.record
    return bool(record.version_id) and record.trust is not Trust.AGENT and len(sentences(record.body)) <= _LONG


def _written(found: ExtractiveAnswer) -> tuple[str, Cited]:
    said = {quote.hit.record_id: quote.text for quote in reversed(found.quotes)}
    return found.text, tuple(
        (n, hit.record_id, said.get(hit.record_id, "")) for n, hit in enumerate(found.citations, 1)
    )


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
