"""Quoting, and what a message wants."""

from __future__ import annotations

import pytest

from agentmem.extractive import NOTHING, Extractive
from agentmem.intent import Wish, parse
from agentmem.records import Hit, Record
from agentmem.sentences import content_stems, sentences
from agentmem.testing import HashEmbedder


def hit(body: str, **keywords: object) -> Hit:
    return Hit(Record(id=f"id-{body[:12]}", body=body, **{"kind": "fact", **keywords}), 1.0)  # type: ignore[arg-type]


def test_the_sentence_that_answers_is_quoted_with_its_record() -> None:
    hits = [hit("We had lunch. The harbour office moved to pier four. It rained."), hit("The museum is closed.")]
    answer = Extractive(HashEmbedder()).answer("Where did the harbour office move to, which pier?", hits)
    assert answer.confident
    assert answer.text == "The harbour office moved to pier four. [1]"
    assert answer.citations == (hits[0],)


def test_nothing_is_quoted_when_nothing_answers() -> None:
    answer = Extractive(HashEmbedder()).answer("Who painted the chapel?", [hit("Trams run every ten minutes.")])
    assert (answer.text, answer.confident, answer.citations) == (NOTHING, False, ())
    assert Extractive(HashEmbedder()).answer("Who?", []).text == NOTHING


def test_the_newer_of_two_like_sentences_leads() -> None:
    facts = {"subject": "Ann", "relation": "lives in"}
    old = hit("Ann lives in Oslo city.", valid_from=1.0, **facts)
    new = hit("Ann lives in Rome city.", valid_from=9.0, **facts)
    answer = Extractive(HashEmbedder()).answer("In which city Ann lives?", [old, new])
    assert answer.citations[0] is new


def test_telling_about_a_subject_quotes_what_names_it() -> None:
    hits = [hit("Clara likes figs."), hit("Bob likes nuts."), hit("Yesterday Clara left.")]
    told = Extractive(HashEmbedder()).tell("Clara", hits)
    assert told.text == "Clara likes figs. [1]\nYesterday Clara left. [2]"
    assert not Extractive(HashEmbedder()).tell("Dora", hits).confident


@pytest.mark.parametrize(
    ("message", "wish", "text", "old"),
    [
        ("Remember that my car is red", Wish.REMEMBER, "My car is red.", None),
        ("forget my car", Wish.FORGET, "my car", None),
        ("Actually, the office is on Pier 6, not 4.", Wish.CORRECT, "The office is on Pier 6.", "4"),
        ("No, actually it's not Pier 4 but Pier 6", Wish.CORRECT, "It's Pier 6.", "Pier 4"),
        ("What do you know about Clara?", Wish.ABOUT, "Clara", None),
        ("undo that", Wish.UNDO, "undo that", None),
        ("Where is it", Wish.ASK, "Where is it", None),
        ("I moved to Rome.", Wish.STATE, "I moved to Rome.", None),
        ("Do you remember that day?", Wish.ASK, "Do you remember that day?", None),
    ],
)
def test_the_wish_of_a_message(message: str, wish: Wish, text: str, old: str | None) -> None:
    found = parse(message)
    assert (found.wish, found.text, found.old) == (wish, text, old)


def test_sentences_and_stems() -> None:
    assert sentences("Dr. Okafor came. He left! 你好。再见！") == ["Dr. Okafor came.", "He left!", "你好。", "再见！"]
    assert content_stems("Where was the harbour moved to?") == content_stems("harbour moves")
