"""A text that arrives in pieces is noted on sentence by sentence, kept whole and taken back whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agentmem import Agent
from agentmem.contract import Capability, Memory
from agentmem.listening import _segments
from agentmem.records import Change, Draft, Query, Recall

STORY = "Mary took the milk. She went to the hall.\n\nJohn left! Where is the milk?"


class Marginal(Memory):
    """Notes the number of words of each segment; says nothing on recall."""

    capabilities = Capability.SEGMENT
    kinds = frozenset({"note"})

    def apply(self, changes: Sequence[Change]) -> None:
        """Holds nothing."""

    def recall(self, query: Query) -> Recall:
        return Recall()

    def segment(self, text: str) -> Sequence[Draft]:
        return [Draft(body=f"{len(text.split())} words so far", kind="note", attributes={"start": 0, "end": len(text)})]


class Raising(Marginal):
    def segment(self, text: str) -> Sequence[Draft]:
        raise ValueError("no notes today")


def in_pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_the_pieces_do_not_change_the_sentences(size: int) -> None:
    expected = ["Mary took the milk. ", "She went to the hall.\n\n", "John left! ", "Where is the milk?"]
    assert list(_segments(in_pieces(STORY, size))) == expected


def test_notes_come_at_each_sentence_and_derive_from_the_text(tmp_path: Path) -> None:
    with Agent.open(tmp_path, plugins={"marginal": Marginal}, embedder="hash") as agent:
        heard = agent.listen(in_pieces(STORY, 5), namespace="stories")
        first = next(heard)
        assert (first.text, [note.body for note in first.notes]) == ("Mary took the milk. ", ["4 words so far"])
        assert list(agent.records()) == []
        assert [len(h.notes) for h in heard] == [1, 1, 1]
        text, *notes = agent.records(namespace="stories")
        assert text.body == STORY
        assert [note.body for note in notes] == [f"{n} words so far" for n in (4, 9, 11, 15)]
        assert {note.derived_from for note in notes} == {(text.id,)}
        agent.undo(agent.history(text.id)[0].receipt_id)
        assert list(agent.records()) == []


def test_a_reader_who_stops_keeps_what_was_heard(tmp_path: Path) -> None:
    with Agent.open(tmp_path, plugins={"marginal": Marginal}, embedder="hash") as agent:
        heard = agent.listen([STORY])
        next(heard)
        heard.close()
        assert [r.body for r in agent.records()] == ["Mary took the milk. ", "4 words so far"]


def test_a_memory_that_raises_is_told_of_and_the_text_is_kept(tmp_path: Path) -> None:
    faults: list[str] = []
    with Agent.open(tmp_path, plugins={"raising": Raising, "marginal": Marginal}, embedder="hash") as agent:
        agent.home.watchers.append(lambda kind, data: faults.append(f"{kind} {data['memory']}: {data['error']}"))
        assert [len(h.notes) for h in agent.listen([STORY])] == [1, 1, 1, 1]
        assert faults == ["fault raising: ValueError: no notes today"]
        assert next(iter(agent.records())).body == STORY


def test_nothing_heard_is_nothing_kept(tmp_path: Path) -> None:
    with Agent.open(tmp_path, plugins={}, embedder="hash") as agent:
        assert list(agent.listen([])) == []
        assert list(agent.listen([" ", "\n"])) != []
        assert list(agent.records()) == []
