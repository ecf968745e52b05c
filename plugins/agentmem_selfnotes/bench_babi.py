"""bAbI read with rule-made notes, for `agentmem bench notes`; the writer knows the grammar of these stories.

After each sentence it writes what has changed: where somebody or something is, what somebody carries, where a thing was
before. The reader answers every question by one look-up in the newest line that speaks of what is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentmem_selfnotes.notes import Note, read, splice, strip

PEOPLE = r"(?:Mary|John|Daniel|Sandra|Bill|Fred|Jeff|Julie|Emily|Jason|Yann|Sumit|Antoine)"
PLACES = ("kitchen", "garden", "office", "hallway", "bathroom", "bedroom", "park", "school", "cinema")
TASKS = (1, 2, 3, 6, 7, 8, 11, 12, 13)
COUNTS = ("none", "one", "two", "three", "four")


class StoryNotes:
    """A note writer that follows one story; state is what it wrote before."""

    def __init__(self) -> None:
        self.place: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.last: list[str] = []  # whom "he", "she" and "they" mean

    def __call__(self, seen: str, pieces: Sequence[str]) -> list[list[str]]:
        return [self._notes(piece) for piece in pieces]

    def _notes(self, sentence: str) -> list[str]:
        words = re.findall(r"[A-Za-z]+", sentence)
        named = re.findall(PEOPLE, sentence)
        who = named or (self.last if re.search(r"\b(he|she|they)\b", sentence, re.IGNORECASE) else [])
        self.last = who
        if words and words[-1] in PLACES:
            return [note for person in who for note in self._arrives(person, words[-1])]
        thing = re.search(r"\bthe (\w+)(?: there)?(?: to " + PEOPLE + r")?\.$", sentence)
        if not thing or not who:
            return []
        if re.search(r"\b(gave|handed|passed)\b", sentence) and len(named) == 2:
            return self._passes(thing[1], named[0], named[1])
        if re.search(r"\b(got|took|grabbed|picked)\b", sentence):
            return self._passes(thing[1], None, who[0])
        if re.search(r"\b(dropped|discarded|left|put)\b", sentence):
            return self._passes(thing[1], who[0], None)
        return []

    def _arrives(self, person: str, place: str) -> list[str]:
        notes = self._moves(person, place)
        for thing in [thing for thing, holder in self.holder.items() if holder == person]:
            notes += self._moves(thing, place)
        return notes

    def _moves(self, what: str, place: str) -> list[str]:
        before = self.place.get(what)
        self.place[what] = place
        notes = [f"{what} is in the {place}"]
        if before is not None and before != place:
            notes.append(f"{what} was in the {before} before the {place}")
        return notes

    def _passes(self, thing: str, giver: str | None, taker: str | None) -> list[str]:
        if taker is None:
            self.holder.pop(thing, None)
        else:
            self.holder.pop(thing, None)
            self.holder[thing] = taker
        notes = [self._load(person) for person in (giver, taker) if person is not None]
        if taker is not None and taker in self.place and self.place.get(thing) != self.place[taker]:
            notes += self._moves(thing, self.place[taker])
        return notes

    def _load(self, person: str) -> str:
        things = [thing for thing, holder in self.holder.items() if holder == person]
        return f"{person} carries {COUNTS[len(things)]}: {','.join(things) or 'nothing'}"


def answer(lines: Sequence[str], question: str) -> str:
    """One look-up: the newest line that speaks of what is asked, and its last word."""
    words = re.findall(r"\w+", question)
    match words:
        case ["Where", "was", _, what, "before", _, place]:
            line = _newest(lines, rf"\b{what} was in the (\w+) before the {place}\b")
            return line or _newest(lines, rf"\b{what}\b.*\b({'|'.join(PLACES)})\b") or ""
        case ["Where", "is", *_, what]:
            return _newest(lines, rf"\b{what}\b.*\b({'|'.join(PLACES)})$") or ""
        case ["Is", who, "in", _, place]:
            return "yes" if _newest(lines, rf"\b{who}\b.*\b({'|'.join(PLACES)})$") == place else "no"
        case ["How", "many", _, "is", who, *_]:
            return _newest(lines, rf"^{who} carries (\w+):") or COUNTS[0]
        case ["What", "is", who, "carrying"]:
            return (
                _newest(lines, rf"^{who} carries \w+: (\S+)$|^{who} (?:got|took|grabbed|picked up) the (\w+)")
                or "nothing"
            )
    return ""


def _newest(lines: Sequence[str], pattern: str) -> str | None:
    for line in reversed(lines):
        if match := re.search(pattern, line):
            return next(group for group in match.groups() if group)
    return None


def score(item: Mapping[str, Any], notes: bool) -> bool:
    """Whether one question is answered right, its story read with or without notes."""
    story = " ".join(item["story"])
    written = read(story, StoryNotes(), max_notes=12) if notes else []
    return answer(lines_of(story, written), str(item["question"])) == str(item["answer"])


def lines_of(source: str, notes: Sequence[Note]) -> list[str]:
    """Sentences and notes in the order of reading; the source is what is left when the notes are taken out."""
    spliced = splice(source, notes)
    assert strip(spliced)[0] == source, "taking the notes out changed the source"
    fence = spliced.fence
    text = spliced.text.replace(fence.opening, "\n").replace(fence.closing, "\n")
    return [
        line.strip().rstrip(".")
        for part in text.split("\n")
        for line in re.split(r"(?<=\.)\s+", part)
        if line.strip(" .")
    ]
