"""What is read out of a sentence without a model, and which two sentences cannot both hold."""

from __future__ import annotations

import pytest

from agentmem.asking import asked_for, is_claimed
from agentmem.claims import claim_of, claims_of, contradict, names_in, pieces, same_matter


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
        ("We changed the plan: the party is at Tom's now.", "party", "Tom's"),
        ("Just kidding, my cat weighs 5 kg.", "user's cat", "5 kg"),
        ("Petra is my boss.", "user's boss", "Petra"),
        ("The meeting is on Tuesday, not Monday.", "meeting", "Tuesday"),
        ("The budget is not 20000 but 25000 euros.", "budget", "25000 euros"),
        ("The launch got pushed to 26 April.", "launch", "26 April"),
        ("I lived in Milan in 2022.", "user", "Milan"),
        ("The office was at Pier 4 when I started.", "office", "Pier 4"),
        ("The dinner is at 7 at Luigi's.", "dinner", "7"),
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
        "She lives in Lyon.",
        "It is in the cellar.",
        "Nora speaks Spanish.",
        "Clara plays tennis.",
        "Ben works at night.",
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
        ("Our CEO is Martha Klein.", "Joel Brandt is our CEO now."),
        ("I live in Bonn.", "I moved to Ulm."),
        ("The concert is on Saturday.", "The concert was cancelled."),
        ("My friend is Tom.", "My friend is Leo now."),
        ("The meeting is on Tuesday at 10:00.", "The meeting is on Wednesday."),
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
        ("The office is at Pier 6.", "The office was at Pier 4 when I started."),
        ("I live in Turin.", "I lived in Milan in 2022."),
        ("I live in Bonn.", "I am in Rome this week."),
        ("Anna lives in Berlin.", "Anna is in Rome."),
        ("Anna's son is Tom.", "Anna's son is Leo."),
        ("The meeting is on Tuesday.", "The meeting is at 10:00."),
        ("The shop opens at 9 on weekdays.", "The shop opens at 10 on Sundays."),
        ("The deadline is on Friday.", "The deadline is on Friday and not negotiable."),
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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "My brother lives in Oslo and works for Equinor.",
            ["My brother lives in Oslo.", "My brother works for Equinor."],
        ),
        ("I quit my job at Siemens and now I work for Bosch.", ["I quit my job at Siemens.", "I work for Bosch."]),
        ("The code is not 1234, it is 4321.", ["The code is not 1234.", "The code is 4321."]),
        ("My wife is Eva, my son is Jan.", ["My wife is Eva.", "my son is Jan."]),
        ("The shop is in Rome and Milan.", ["The shop is in Rome and Milan."]),
        ("Starting next month, our office is in room 9.", ["Starting next month, our office is in room 9."]),
        ("Ben says he is ill and the office is at Pier 9.", ["Ben says he is ill and the office is at Pier 9."]),
        ("Salt and pepper are on the table.", ["Salt and pepper are on the table."]),
    ],
)
def test_a_sentence_of_several_claims_is_cut_into_one_clause_each(text: str, told: list[str]) -> None:
    assert list(pieces(text)) == told


def test_she_and_it_are_what_the_sentence_before_claims_something_of() -> None:
    text = (
        "Anna is my aunt. She lives in Rome. Petra called. She lives in Ulm. The car is in the yard. Its colour is red."
    )
    assert [(c.subject, c.value, c.said) for c in claims_of(text)] == [
        ("user's aunt", "Anna", "Anna is my aunt."),
        ("user's aunt anna", "Rome", "My aunt Anna lives in Rome."),
        ("car", "the yard", "The car is in the yard."),
        ("car", "red", "The car's colour is red."),
    ]


def test_she_in_one_message_is_not_the_she_of_another() -> None:
    rome, berlin = claims_of("Anna is my aunt. She lives in Rome."), claims_of("Petra is my boss. She lives in Berlin.")
    assert not contradict(rome[1], berlin[1])


@pytest.mark.parametrize(
    ("question", "statement", "is_one"),
    [
        ("Where do I live?", "I moved to Ulm.", True),
        ("Where do I work?", "I work for Bosch.", True),
        ("Who is our CEO?", "Joel Brandt is our CEO.", True),
        ("When is the party?", "The party was moved to Friday.", True),
        ("When is the party?", "The party is at Tom's.", False),
        ("When is Tom's wedding?", "Tom's wedding is in Vienna.", False),
        ("Where do I live?", "I lived in Milan.", False),
        ("Where does my cousin live?", "My sister lives in Rome.", False),
    ],
)
def test_a_question_is_known_to_be_answered_by_what_claims_something_in_its_respect(
    question: str, statement: str, is_one: bool
) -> None:
    asked, claim = asked_for(question), claim_of(statement)
    assert asked is not None
    assert claim is not None
    assert is_claimed(asked, claim) is is_one
