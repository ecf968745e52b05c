"""Quoting, and what a message wants."""

from __future__ import annotations

import pytest

from agentmem.extractive import NOTHING, Extractive
from agentmem.facts import only_asks
from agentmem.intent import Wish, parse
from agentmem.records import Hit, Record, Trust
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


def test_what_is_said_in_a_turn_answers_as_well_as_the_same_words_in_a_fact() -> None:
    turn = hit("I live in Bonn.", kind="turn", speaker="user", valid_from=1_700_000_000.0)
    answerer = Extractive(HashEmbedder())
    (said, _), (written, _) = (answerer.judge("Where do I live?", [one])[0] for one in (turn, hit("I live in Bonn.")))
    assert said.confidence == written.confidence


def test_who_said_it_and_when_count_when_the_question_asks_for_them() -> None:
    turn = hit("I painted a lake.", kind="turn", speaker="Melanie", valid_from=1_683_504_000.0)  # 8 May 2023
    answerer = Extractive(HashEmbedder())
    for asked, other in (
        ("What was painted by Melanie?", "What was painted by somebody?"),
        ("What was painted on 8 May 2023?", "What was painted on 9 June 2022?"),
    ):
        assert answerer.judge(asked, [turn])[0][0].confidence > answerer.judge(other, [turn])[0][0].confidence


def test_a_sentence_that_begins_with_it_is_told_with_the_one_before() -> None:
    answer = Extractive(HashEmbedder()).answer(
        "How many euros did the tent cost?", [hit("The tent is new. It cost 240 euros.")]
    )
    assert answer.text == "The tent is new. It cost 240 euros. [1]"


def test_what_is_said_of_another_is_no_answer() -> None:
    answerer = Extractive(HashEmbedder())
    hits = [hit("The capital of Zurkia is Nemport."), hit("Clara is allergic to nuts.")]
    assert not answerer.answer("What is the capital of Velmark?", hits).confident
    assert not answerer.answer("What is Ben allergic to?", hits).confident
    assert answerer.answer("What is Clara allergic to?", hits).confident


def test_the_day_on_which_it_was_said_is_not_when_something_will_be() -> None:
    turn = hit("The wedding of Tom is in Vienna.", kind="turn", speaker="user", valid_from=1_700_000_000.0)
    assert not Extractive(HashEmbedder()).answer("When is the wedding of Tom?", [turn]).confident


@pytest.mark.parametrize("text", ["私の犬の名前は何ですか？", "أين أعيش؟", "Where do I live?"])
def test_a_question_ends_as_its_script_ends_one(text: str) -> None:
    assert parse(text).wish is Wish.ASK
    assert only_asks(text)


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
    assert content_stems("We met and bought it") == content_stems("meet, buys")


def test_a_claim_of_something_else_is_not_told_beside_what_is_asked_for() -> None:
    hits = [hit("My car is in the garage."), hit("The car of my wife is in the street.")]
    assert Extractive(HashEmbedder()).answer("Where is my car?", hits).text == "My car is in the garage. [1]"


def test_nothing_outside_the_time_that_is_asked_about_is_an_answer() -> None:
    answerer, now = Extractive(HashEmbedder()), 1_709_251_200.0  # 1 March 2024
    read = hit("I read the book Emma.", kind="turn", speaker="user", valid_from=1_704_844_800.0)  # 10 January 2024
    assert not answerer.answer("Did I read the book Emma before 2024?", [read], now=now).confident
    assert answerer.answer("Did I read the book Emma after 2023?", [read], now=now).confident
    chunk = hit("The book Emma was read by all.", kind="chunk", trust=Trust.DOCUMENT, recorded_at=now)
    assert answerer.answer("Was the book Emma read by all before 2024?", [chunk], now=now).confident
