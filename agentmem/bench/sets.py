"""Reads evaluation sets of two forms: conversations with questions, and a corpus with questions. Knows no memory.

A set is a folder with one ``dev.json`` (or the JSON file itself).
Conversations: ``{conversations: [{id, sessions: [{id, date, turns: [{id, speaker, text, image_caption?}]}],
questions: [{question, category, evidence: [turn id]}]}]}``.
Corpus: ``{corpus: [{id, title, text}], questions: [{question, type, gold: [passage id]}],
openie?: {passage id: {entities, triples}}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentmem.errors import BadInput
from agentmem.records import Draft, Namespace, Source, Trust

ITEM = "item"
"""The attribute that carries an item's id in the set."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    namespace: Namespace
    category: str
    wanted: frozenset[str]  # ids of the items that hold the evidence


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """``batches``: drafts that are written together, in order."""

    name: str
    batches: tuple[tuple[Draft, ...], ...]
    questions: tuple[Question, ...]


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
    for conversation in conversations:
        namespace = (name, str(conversation["id"]))
        for session in conversation["sessions"]:
            date = _time(str(session.get("date", "")))
            batches.append(tuple(_turn(turn, namespace, str(session["id"]), date) for turn in session["turns"]))
        for asked in conversation["questions"]:
            wanted = frozenset("/".join((*namespace, str(i))) for i in asked.get("evidence") or ())
            if wanted:
                category = str(asked.get("category") or "all")
                questions.append(Question(str(asked["question"]), namespace, category, wanted))
    return EvaluationSet(name, tuple(batches), tuple(questions))


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
