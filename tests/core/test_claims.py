"""What is read out of a sentence without a model, and which two sentences cannot both hold."""

from __future__ import annotations

import pytest

from agentmem.claims import claim_of, claims_of, contradict, names_in, same_matter


def _contradict(one: str, other: str) -> bool:
    a, b = claim_of(one), claim_of(other)
    assert a is not None
    assert b is not None
    return contradict(a, b)


@pytest.mark.parametrize(
    ("sentence", "subject", "value"),
    [
        ("The harbour office moved to Pier 4.", "harbour office", "Pier 4"),
        ("The capital of Velmark is Osterby.", "velmark", "Osterby"),
        ("Osterby is the capital of Velmark.", "velmark", "Osterby"),
        ("Clara's birthday is 4 May.", "clara", "4 May"),
        ("My dentist is Dr. Weber.", "user's dentist", "Dr. Weber"),
        ("Actually, I live in Lisbon now.", "user", "Lisbon"),
        ("As of March 2024, the harbour office is at Pier 6.", "harbour office", "Pier 6"),
        ("The deadline was moved from Friday to Monday.", "deadline", "Monday"),
        ("The rent of the flat rose to 950 euros.", "flat", "950 euros"),
        ("The headquarters of Norda is located in the city of Lisbon.", "norda", "Lisbon"),
        ("Starting pitcher is associated with the sport of rugby.", "starting pitcher", "rugby"),
        ("From Monday the harbour office is at Pier 6.", "harbour office", "Pier 6"),
        ("The company Clara works for is Norda.", "company clara works for", "Norda"),
        ("The river that runs through Velm is the Gour.", "river that runs through velm", "the Gour"),
        ("The office that opens at nine is in Velm.", "office that opens at nine", "Velm"),
    ],
)
def test_a_sentence_is_read_as_a_subject_and_its_value(sentence: str, subject: str, value: str) -> None:
    claim = claim_of(sentence)
    assert claim is not None
    assert (claim.subject, claim.value) == (subject, value)


@pytest.mark.parametrize(
    "sentence",
    [
        "Clara likes tea.",
        "The cat is hungry.",
        "If I moved to Rome I would be glad.",
        "Where is the office?",
        "Thanks!",
    ],
)
def test_what_can_hold_beside_others_is_no_claim(sentence: str) -> None:
    assert claim_of(sentence) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The harbour office is at Pier 4.", "The harbour office moved to Pier 6."),
        ("The harbour office is at Pier 4.", "The harbour office is no longer at Pier 4."),
        ("The deadline is Friday.", "The deadline was moved to Monday."),
        ("The capital of Velmark is Osterby.", "Sund is the capital of Velmark."),
        ("Clara works for Acme.", "Clara is now employed by Norda."),
        ("The wifi password is blue7.", "The wifi password changed to red9."),
    ],
)
def test_two_values_of_one_thing_contradict(one: str, other: str) -> None:
    assert _contradict(one, other)
    assert _contradict(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The harbour office is at Pier 4.", "The harbour office is at Pier 4, next to the ferry."),
        ("The harbour office is at Pier 4.", "The customs office is at Pier 6."),
        ("The shop is in Lisbon.", "The shop opens at 9:00."),
        ("The meeting is on Friday.", "The meeting is in Lisbon."),
        ("Clara works for Acme.", "Clara lives in Lisbon."),
        ("The office used to be at Pier 4.", "The office is at Pier 6."),
    ],
)
def test_what_agrees_or_speaks_of_something_else_does_not_contradict(one: str, other: str) -> None:
    assert not _contradict(one, other)


def test_my_and_i_are_those_of_the_speaker() -> None:
    clara, ben = claims_of("My dentist is Dr. Weber.", "Clara")[0], claims_of("My dentist is Dr. Roth.", "Ben")[0]
    assert not same_matter(clara, ben)
    assert claims_of("I moved to Porto.", "Clara")[0].subject == claim_of("Clara lives in Ulm.").subject  # type: ignore[union-attr]


def test_the_words_for_when_it_holds_are_kept_apart() -> None:
    since, until = claim_of("Clara works for Acme since 2020."), claim_of("The office was at Pier 4 until March 2024.")
    assert since is not None
    assert since.since == "2020"
    assert until is not None
    assert until.until == "March 2024"


def test_names_are_stretches_of_capitals() -> None:
    assert names_in("Who wrote The Myth of Sisyphus in Paris?") == ["The Myth of Sisyphus in Paris"]
    assert names_in("The capital of Velmark is Osterby.") == ["Velmark", "Osterby"]


def test_moving_and_changing_say_nothing_of_what_belongs_to_a_thing() -> None:
    assert not _contradict("The library moved to Pier 4.", "The director of the library is Rosa.")
    assert not _contradict("The library changed to Beanby.", "The director of the library is Rosa.")
    assert _contradict("The library moved to Pier 4.", "The library is in Elm Street.")
