"""Self-Notes: taking notes out gives back the source; notes are records that go with what they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem.bench.worlds.families import LONGER, instances
from agentmem.errors import BadInput
from agentmem.home import Home
from agentmem.records import Draft, Event
from agentmem.testing import ScriptedChat
from agentmem_selfnotes import SelfNotesMemory
from agentmem_selfnotes.bench_babi import StoryNotes, answer, lines_of
from agentmem_selfnotes.bench_notes import main, one_step
from agentmem_selfnotes.notes import Note, read, segments, splice, strip
from agentmem_selfnotes.writers import chat_writer, local_writer, start_probability

texts = st.text(alphabet=st.sampled_from("ab .!\n⟦⟧|01é"), max_size=60)


@given(texts, st.lists(st.tuples(st.integers(0, 60), texts), max_size=6))
@settings(max_examples=400, deadline=None)
def test_a_text_with_its_notes_removed_equals_the_text_always(source: str, drawn: list[tuple[int, str]]) -> None:
    notes = [Note(min(position, len(source)), text) for position, text in drawn]
    stripped, found = strip(splice(source, notes))
    assert stripped == source
    assert found == sorted(notes, key=lambda note: note.position)


@given(texts)
@settings(max_examples=200, deadline=None)
def test_segments_together_are_the_text(text: str) -> None:
    spans = list(segments(text))
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)


def test_a_note_stands_after_the_sentence_that_it_was_written_on() -> None:
    story = "Mary has the key. Mary went to the park.  The end."
    notes = read(story, lambda seen, pieces: [["the key is in the park"] if "park" in p else [] for p in pieces])
    assert splice(story, notes).text == "Mary has the key. Mary went to the park.⟦0|the key is in the park|0⟧  The end."
    assert story[notes[0].start : notes[0].end].strip() == "Mary went to the park."


def test_a_writer_sees_its_earlier_notes_in_their_places() -> None:
    heard: list[str] = []

    def writer(seen: str, pieces: Sequence[str]) -> list[list[str]]:
        heard.append(seen)
        return [[f"note {len(heard)}"] for _ in pieces]

    read("One. Two. Three.", writer)
    assert heard == ["", "One.⟦0|note 1|0⟧ ", "One.⟦0|note 1|0⟧ Two.⟦0|note 2|0⟧ "]


def test_no_notes_leave_everything_as_it_was() -> None:
    assert read("One. Two.", lambda seen, pieces: [[] for _ in pieces]) == []
    assert splice("One. Two.", []).text == "One. Two."
    with pytest.raises(BadInput, match="stands at 99"):
        splice("One.", [Note(99, "far")])
    with pytest.raises(BadInput, match="given 1 segments and answered for 0"):
        read("One.", lambda seen, pieces: [])


def test_a_chat_model_is_asked_once_for_a_batch_and_garbled_lines_count_as_no_note() -> None:
    prompts: list[str] = []

    def chat(prompt: str) -> str:
        prompts.append(prompt)
        return "1: the key is in the park\n2: NONE\nthree: what?\n9: too far"

    assert chat_writer(chat)("", ["a", "b", "c"]) == [["the key is in the park"], [], []]
    assert len(prompts) == 1
    assert "2. b" in prompts[0]


class LetterModel:
    """A local model of letters: after "park." it begins a note."""

    fingerprint = "letters"

    def encode(self, text: str) -> list[int]:
        return [ord(letter) % 128 for letter in text]

    def logits(self, prompts: Sequence[str], **kwargs: object) -> list[np.ndarray]:
        rows = []
        for prompt in prompts:
            scores = np.zeros((len(prompt), 128), np.float32)
            if prompt.endswith("park."):
                scores[-1, ord(" ")] = 5.0
            rows.append(scores)
        return rows

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int = 32, stop: Sequence[str] = ()) -> list[str]:
        if prompts[0].endswith("(note: "):
            return ["the key is in the park"]
        return [" (note: the key" if prompts[0].endswith("park.") else " and then"]


@pytest.mark.parametrize("threshold", [None, 0.4])
def test_a_local_model_writes_a_note_where_it_would_begin_one(threshold: float | None) -> None:
    model = LetterModel()
    writer = local_writer(model, " (note: ", ")", threshold)  # type: ignore[arg-type]
    assert writer("", ["Mary has the key.", "Mary went to the park."]) == [[], ["the key is in the park"]]
    probability = start_probability(model, "the park.", " (note: ")  # type: ignore[arg-type]
    assert probability == pytest.approx(np.exp(5) / (np.exp(5) + 127))


def open_home(folder: Path) -> Home:
    replies = ["1: NONE\n2: the key is in the park"]
    return Home.open(folder, memories={"selfnotes": SelfNotesMemory}, chat=ScriptedChat(replies, default="1: NONE"))


def tell(home: Home, text: str) -> str:
    receipt = home.write([Draft(body=text, kind="turn", speaker="user")])
    record = home.journal.records.get(receipt.record_id)
    assert record is not None
    home.observe(Event(kind="turn", records=(record,)))
    return record.id


def test_retracting_the_source_retracts_the_note_and_undo_brings_it_back(tmp_path: Path) -> None:
    with open_home(tmp_path / "home") as home:
        story = "Mary has the key. Mary went to the park."
        source = tell(home, story)
        (note,) = home.journal.records.find(kinds=("note",))
        assert (note.body, note.derived_from) == ("the key is in the park", (source,))
        assert note.attributes["position"] == len(story)
        memory = home.views["selfnotes"].memory
        assert isinstance(memory, SelfNotesMemory)
        assert memory.annotated(source).text == f"{story}⟦0|the key is in the park|0⟧"
        receipt = home.journal.set_status(source, "retract")
        assert list(home.journal.records.find(kinds=("note",))) == []
        home.journal.undo(receipt.id)
        assert [r.id for r in home.journal.records.find(kinds=("note",))] == [note.id]


def test_without_a_model_no_notes_are_written_and_it_says_so(tmp_path: Path) -> None:
    with Home.open(tmp_path / "home", memories={"selfnotes": SelfNotesMemory}) as home:
        tell(home, "Mary has the key.")
        assert list(home.journal.records.find(kinds=("note",))) == []
        lines = home.views["selfnotes"].memory.check()
        assert any("no chat model is set" in line.text for line in lines)


def test_the_story_writer_makes_one_look_up_enough() -> None:
    story = (
        "Mary got the milk there. Mary went to the kitchen. Then she went to the garden. Mary gave the milk to John."
    )
    notes = read(story, StoryNotes(), max_notes=9)
    lines = lines_of(story, notes)
    assert answer(lines, "Where is the milk?") == "garden"
    assert answer(lines, "Where was the milk before the garden?") == "kitchen"
    assert answer(lines, "How many objects is Mary carrying?") == "none"
    assert answer(lines, "What is John carrying?") == "milk"
    assert answer(lines, "Is Mary in the kitchen?") == "no"
    assert answer(lines_of(story, []), "Where is the milk?") == ""


@pytest.mark.parametrize("family", ["toy_story", "algorithmic", "boolean", "chess_piece"])
def test_true_notes_make_a_one_step_reader_perfect_at_any_depth(family: str) -> None:
    made = instances(family, LONGER[family], 50, seed=3)
    assert all(one_step(instance, notes=True) for instance in made)
    assert not any(one_step(instance, notes=False) for instance in made)


def test_the_small_transformer_trains_and_reads_with_its_own_notes() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from agentmem_selfnotes.bench_transformer import Size, Vocabulary, accuracy, train

    made = instances("toy_story", LONGER["toy_story"], 64, seed=1)
    vocabulary = Vocabulary(made)
    reader = train(vocabulary, made, True, Size(d_model=16, heads=2, layers=1, batch=8, steps=3), seed=0)
    assert len(accuracy(reader, vocabulary, made[:5], True)) == 5


def test_the_bench_runs_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "notes.json"
    assert main(["--seeds", "0", "--tests", "20", "--families", "boolean", "--json", str(file)]) == 0
    assert '"reader.boolean.with.out": 100.0' in file.read_text("utf-8")
    assert "one-step reader" in capsys.readouterr().out
