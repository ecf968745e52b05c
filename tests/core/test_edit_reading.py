"""An edit is read from a plain sentence, or the sentence is refused with the remedy."""

from __future__ import annotations

import pytest

from agentmem.cli import main
from agentmem.edit_reading import read_edit
from agentmem.errors import BadInput


@pytest.mark.parametrize(
    ("sentence", "subject", "prompt", "target"),
    [
        ("The capital of Velmark is now Osterby.", "Velmark", "The capital of {} is", "Osterby"),
        ("Pavel Janko was born in Kultmere.", "Pavel Janko", "{} was born in", "Kultmere"),
        ("Pavel Janko's employer is now Drasnova", "Pavel Janko", "{}'s employer is", "Drasnova"),
        ("Ada Berg moved to Oslo.", "Ada Berg", "{} moved to", "Oslo"),
        ("Tetris was created by Ada Berg", "Tetris", "{} was created by", "Ada Berg"),
    ],
)
def test_a_sentence_is_cut_before_its_value(sentence: str, subject: str, prompt: str, target: str) -> None:
    request = read_edit(sentence, ("ann",))
    assert (request.subject, request.prompt, request.target) == (subject, prompt, target)
    assert request.namespace == ("ann",)


def test_a_wording_that_follows_from_the_sentence_comes_along() -> None:
    assert read_edit("The capital of Velmark is Osterby").paraphrases == ("{}'s capital is",)


@pytest.mark.parametrize(
    "sentence", ["hello there", "Who keeps the lighthouse?", "Ada no longer works for Drasnova.", ""]
)
def test_what_states_no_fact_is_refused(sentence: str) -> None:
    with pytest.raises(BadInput, match="no fact can be read"):
        read_edit(sentence)


def test_a_sentence_is_shown_before_it_is_applied(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(tmp_path), "edit", "The capital of Velmark is now Osterby."]) == 1
    told = capsys.readouterr().err
    assert "'The capital of Velmark is' shall be followed by 'Osterby'" in told
    assert "--yes" in told
    assert main(["--home", str(tmp_path), "edit", "Velmark", "The capital of {} is"]) == 1
    assert "one sentence" in capsys.readouterr().err
