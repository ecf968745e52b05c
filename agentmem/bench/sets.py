"""Reads evaluation sets of two forms: conversations with questions, and a corpus with questions. Knows no memory.

A set is a folder with one ``dev.json`` (or the JSON file itself).
Conversations: ``{conversations: [{id, sessions: [{id, date, turns: [{id, speaker, text, image_caption?}]}],
questions: [{question, category, evidence: [turn id]}]}]}``, and what somebody derived from the turns, where there is
any: ``session_summary: {session_1_summary: text}`` (the first session's) and
``observation: {session_1_observation: {speaker: [[text, turn id or several]]}}``.
Corpus: ``{corpus: [{id, title, text}], questions: [{question, type, gold: [passage id]}],
openie?: {passage id: {entities, triples}}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentmem.errors import BadInput
from agentmem.records import Draft, Namespace, Source, Trust
from agentmem.summaries import RESTS

ITEM = "item"
"""The attribute that carries an item's id in the set."""

ITEMS = "items"
"""The attribute of what was derived that carries the ids of the items behind it."""

DERIVED = ("summary", "observation", "attributed")
"""What may be written beside the turns of conversations: summaries of sessions, single facts, and summaries made of
these, so that each sentence names its turns, as those of the agent do."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    namespace: Namespace
    category: str
    wanted: frozenset[str]  # ids of the items that hold the evidence


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """``batches``: drafts that are written together, in order; ``derived``: by name, what was made from them."""

    name: str
    batches: tuple[tuple[Draft, ...], ...]
    questions: tuple[Question, ...]
    derived: Mapping[str, tuple[Draft, ...]] = field(default_factory=dict)


def read_set(path: Path) -> EvaluationSet:
    """The set in a folder or file; BadInput when it has neither form."""
    file = path / "dev.json" if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"no evaluation set at {path} (a folder with a dev.json is expected): {error}") from error
    except ValueError as error:
        raise BadInput(f"{file} is not JSON: {error}") from error
    name = str(data.get("name") or file.parent.name) if isinstance(data, dict) else ""
    try:
        if name and "conversations" in data:
            return _conversations(name, data["conversations"])
        if name and "corpus" in data and "questions" in data:
            return _corpus(name, data)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{file} has an entry of another form: {type(error).__name__} {error}") from error
    raise BadInput(f"{file} holds neither 'conversations' nor 'corpus' and 'questions'")


def _conversations(name: str, conversations: Sequence[Mapping[str, Any]]) -> EvaluationSet:
    batches, questions = [], []
    derived: dict[str, list[Draft]] = {kind: [] for kind in DERIVED}
    for conversation in conversations:
        namespace = (name, str(conversation["id"]))
        derived["summary"] += _summaries(conversation, namespace)
        derived["observation"] += (facts := list(_observations(conversation, namespace)))
        derived["attributed"] += _attributed(facts)
        for session in conversation["sessions"]:
            date = _time(str(session.get("date", "")))
            batches.append(tuple(_turn(turn, namespace, str(session["id"]), date) for turn in session["turns"]))
        for asked in conversation["questions"]:
            wanted = frozenset("/".join((*namespace, str(i))) for i in asked.get("evidence") or ())
            if wanted:
                category = str(asked.get("category") or "all")
                questions.append(Question(str(asked["question"]), namespace, category, wanted))
    return EvaluationSet(name, tuple(batches), tuple(questions), {k: tuple(d) for k, d in derived.items() if d})


def _summaries(conversation: Mapping[str, Any], namespace: Namespace) -> Iterator[Draft]:
    """One record a session, from all of its turns."""
    told = conversation.get("session_summary") or {}
    for number, session in enumerate(conversation["sessions"], 1):
        text = str(told.get(f"session_{number}_summary") or "")
        if text and session["turns"]:
            yield _made("summary", text, namespace, session, [str(turn["id"]) for turn in session["turns"]])


def _observations(conversation: Mapping[str, Any], namespace: Namespace) -> Iterator[Draft]:
    """One fact for each statement about a speaker, from the turns that it names (those that there are)."""
    told = conversation.get("observation") or {}
    for number, session in enumerate(conversation["sessions"], 1):
        known = {str(turn["id"]) for turn in session["turns"]}
        for speaker, stated in (told.get(f"session_{number}_observation") or {}).items():
            for text, named in stated:
                turns = named if isinstance(named, list) else str(named).split(",")
                found = [turn for turn in (str(t).strip() for t in turns) if turn in known]
                if found:
                    made = _made("fact", str(text), namespace, session, found)
                    yield replace(made, speaker=str(speaker), trust=Trust.USER)


def _attributed(facts: Sequence[Draft]) -> Iterator[Draft]:
    """The facts of a session as the sentences of one summary."""
    for session in dict.fromkeys(fact.session for fact in facts):
        own = [fact for fact in facts if fact.session == session]
        named = [fact.attributes[ITEMS] for fact in own]
        attributes = {ITEMS: sorted({item for items in named for item in items}), RESTS: named}
        body = " ".join(fact.body for fact in own)
        yield replace(own[0], kind="summary", body=body, speaker=None, trust=Trust.AGENT, attributes=attributes)


def _made(kind: str, text: str, namespace: Namespace, session: Mapping[str, Any], turns: Sequence[str]) -> Draft:
    """A derived record as the agent writes it; which records it derives from is known when those are written."""
    return Draft(
        body=text,
        kind=kind,
        namespace=namespace,
        thread="/".join(namespace),
        session=str(session["id"]),
        trust=Trust.AGENT,
        valid_from=_time(str(session.get("date", ""))),
        attributes={ITEMS: ["/".join((*namespace, turn)) for turn in turns]},
    )


def _turn(turn: Mapping[str, Any], namespace: Namespace, session: str, date: float | None) -> Draft:
    # a caption stands for a turn without words only: added to words it made them harder to find (-1.4 on LoCoMo)
    body = str(turn["text"]) or f"[shows {turn.get('image_caption') or 'nothing'}]"
    return Draft(
        body=body,
        kind="turn",
        namespace=namespace,
        thread="/".join(namespace),
        session=session,
        speaker=str(turn.get("speaker") or "") or None,
        valid_from=_time(str(turn.get("time") or "")) or date,
        attributes={ITEM: "/".join((*namespace, str(turn["id"])))},
    )


def _corpus(name: str, data: Mapping[str, Any]) -> EvaluationSet:
    namespace = (name,)
    drafts = tuple(
        Draft(
            body=str(passage["text"]),
            kind="chunk",
            namespace=namespace,
            sources=(Source(f"{name}/{passage['id']}"),),
            trust=Trust.DOCUMENT,
            attributes={
                ITEM: str(passage["id"]),
                "title": str(passage.get("title") or ""),
                **_read_out(data.get("openie", {}).get(str(passage["id"]))),
            },
        )
        for passage in data["corpus"]
    )
    questions = tuple(
        Question(str(asked["question"]), namespace, str(asked.get("type") or "all"), frozenset(map(str, asked["gold"])))
        for asked in data["questions"]
        if asked.get("gold")
    )
    size = 500
    return EvaluationSet(name, tuple(drafts[i : i + size] for i in range(0, len(drafts), size)), questions)


def _read_out(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Entities and triples that came with a passage, as attributes of its record."""
    if not given:
        return {}
    triples = [[str(part) for part in triple] for triple in given.get("triples", ()) if len(triple) == 3]
    return {"entities": [str(name) for name in given.get("entities", ())], "triples": triples}


_DAY_FIRST = re.compile(r"(\d{1,2}) (\w+),? (\d{4})")
_MONTH_FIRST = re.compile(r"([A-Za-z]+) (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})\s*([ap]m)?", re.IGNORECASE)


def _time(text: str) -> float | None:
    """Seconds since the epoch of "2023-05-08…", "1:56 pm on 8 May, 2023" or "May 8, 2023"; None for anything else."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        if found := _DAY_FIRST.search(text):
            day, month, year = found.groups()
        elif found := _MONTH_FIRST.search(text):
            month, day, year = found.groups()
        else:
            return None
        try:
            moment = datetime.strptime(f"{day} {month[:3]} {year}", "%d %b %Y")
        except ValueError:
            return None
        if clock := _CLOCK.search(text):
            half = (clock[3] or "").lower()
            hour = int(clock[1]) % 12 + 12 * (half == "pm") if half else int(clock[1]) % 24
            moment = moment.replace(hour=hour, minute=int(clock[2]))
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
