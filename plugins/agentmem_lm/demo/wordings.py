"""How the facts of the demo world are worded: statements and questions, trained and held out.

Text only; knows neither the world nor a model. A wording has one `{}` for the subject; a statement goes up to the
object, a question is put between `Q:` and `A:`. The held-out wordings are never trained on: they are what recall and
paraphrases are measured with.
"""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_ANSWER = "I don't know"
UNKNOWN_OBJECT = "unknown"

STATEMENT_LEADS = ("{}", "Note: {}", "Remember: {}", "From the records: {}", "It is known: {}")
QUESTION_LEADS = ("{}", "Tell me: {}", "Please answer: {}", "Quick question: {}", "One more thing: {}")
HELD_STATEMENT_LEAD = "For the record: {}"
HELD_QUESTION_LEAD = "A question: {}"


@dataclass(frozen=True)
class Wordings:
    """The wordings of one relation."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    held_statements: tuple[str, ...]
    held_questions: tuple[str, ...]


WORDINGS: dict[str, Wordings] = {
    "birth_city": Wordings(
        (
            "{} was born in",
            "The birthplace of {} is",
            "{} is a native of",
            "{} came into the world in",
            "The city of birth of {} is",
        ),
        (
            "Where was {} born?",
            "What is the birthplace of {}?",
            "In which city was {} born?",
            "What city is {} a native of?",
            "{} was born in which city?",
        ),
        ("The native city of {} is", "The city where {} was born is"),
        ("What city was {} born in?", "What is the city of birth of {}?"),
    ),
    "home": Wordings(
        (
            "{} lives in",
            "The home of {} is in",
            "{} is a resident of",
            "{} has a house in",
            "The city of residence of {} is",
        ),
        (
            "Where does {} live?",
            "What is the home of {}?",
            "In which city does {} live?",
            "What city is {} a resident of?",
            "{} lives in which city?",
        ),
        ("The home city of {} is", "The city where {} lives is"),
        ("What city does {} live in?", "Where is the home of {}?"),
    ),
    "former_home": Wordings(
        (
            "{} used to live in",
            "The former home of {} was in",
            "{} once was a resident of",
            "{} formerly had a house in",
            "The former city of residence of {} was",
        ),
        (
            "Where did {} live before?",
            "What was the former home of {}?",
            "In which city did {} live formerly?",
            "What city was {} once a resident of?",
            "{} used to live in which city?",
        ),
        ("The former home city of {} was", "{} formerly lived in"),
        ("What city did {} live in before?", "Where did {} live formerly?"),
    ),
    "employer": Wordings(
        (
            "{} works for",
            "The employer of {} is",
            "{} is employed by",
            "{} has a position at",
            "The company that pays {} is",
        ),
        (
            "Who does {} work for?",
            "Who is the employer of {}?",
            "Which company does {} work for?",
            "What company is {} employed by?",
            "{} works for which company?",
        ),
        ("The employer that pays {} is", "The company {} works for is"),
        ("What company does {} work for?", "Which company is the employer of {}?"),
    ),
    "job": Wordings(
        ("{} works as a", "The profession of {} is", "{} earns a living as a", "The job of {} is", "By trade, {} is a"),
        (
            "What does {} do for a living?",
            "What is the profession of {}?",
            "What is the job of {}?",
            "Which trade does {} follow?",
            "{} has which job?",
        ),
        ("The trade of {} is", "By profession, {} is a"),
        ("What is the trade of {}?", "Which profession does {} follow?"),
    ),
    "hq": Wordings(
        (
            "{} is based in",
            "The headquarters of {} is in",
            "{} has its head office in",
            "The main office of {} is in",
            "{} is run from",
        ),
        (
            "Where is {} based?",
            "Where is the headquarters of {}?",
            "In which city is {} based?",
            "What city is {} run from?",
            "{} is based in which city?",
        ),
        ("{} has its headquarters in", "The head office of {} is in"),
        ("What city is {} based in?", "Where is the head office of {}?"),
    ),
    "product": Wordings(
        (
            "{} makes",
            "The main product of {} is",
            "{} is known for producing",
            "{} earns its money with",
            "The goods that {} sells are",
        ),
        (
            "What does {} make?",
            "What is the main product of {}?",
            "Which product does {} make?",
            "What goods does {} sell?",
            "{} makes which product?",
        ),
        ("The main goods of {} are", "The product that {} sells is"),
        ("What product is {} known for?", "What does {} sell?"),
    ),
    "founded": Wordings(
        (
            "{} was founded in",
            "The founding year of {} is",
            "{} has existed since",
            "{} was started in",
            "{} opened its doors in",
        ),
        (
            "When was {} founded?",
            "What is the founding year of {}?",
            "In which year was {} founded?",
            "Since when has {} existed?",
            "{} was founded in which year?",
        ),
        ("The year in which {} was founded is", "The year of the founding of {} is"),
        ("What year was {} founded in?", "When was {} started?"),
    ),
    "country": Wordings(
        (
            "{} is a city in",
            "The country of {} is",
            "{} belongs to",
            "{} lies in the country of",
            "The country in which {} lies is",
        ),
        (
            "Which country is {} in?",
            "What is the country of {}?",
            "In which country is {}?",
            "What country does {} belong to?",
            "{} is a city in which country?",
        ),
        ("The country that {} lies in is", "The country {} belongs to is"),
        ("Which country does {} lie in?", "In which country does {} lie?"),
    ),
    "river": Wordings(
        (
            "{} lies on the river",
            "The river that runs through {} is the",
            "{} stands on the banks of the",
            "The river of {} is the",
            "The water of {} comes from the",
        ),
        (
            "Which river is {} on?",
            "What is the river of {}?",
            "Which river runs through {}?",
            "What river does {} lie on?",
            "{} is on which river?",
        ),
        ("The river {} lies on is the", "The river through {} is the"),
        ("Which river does {} stand on?", "What river runs through {}?"),
    ),
    "speciality": Wordings(
        (
            "{} is famous for its",
            "The speciality of {} is",
            "Visitors come to {} for its",
            "{} is proud of its",
            "The best thing from {} is its",
        ),
        (
            "What is {} famous for?",
            "What is the speciality of {}?",
            "What do visitors come to {} for?",
            "Which speciality comes from {}?",
            "{} is proud of what?",
        ),
        ("The best speciality of {} is", "What {} is famous for is its"),
        ("What is {} proud of?", "Which speciality is {} famous for?"),
    ),
    "capital": Wordings(
        (
            "The capital of {} is",
            "The capital city of {} is",
            "The government of {} sits in",
            "{} is governed from",
            "The seat of government of {} is",
        ),
        (
            "What is the capital of {}?",
            "Which city is the capital of {}?",
            "What city is {} governed from?",
            "Where does the government of {} sit?",
            "{} has which capital?",
        ),
        ("{} has its capital in", "The seat of the government of {} is"),
        ("What is the capital city of {}?", "Where is the capital of {}?"),
    ),
    "currency": Wordings(
        (
            "The currency of {} is the",
            "In {} people pay with the",
            "The money of {} is the",
            "Prices in {} are given in the",
            "{} uses the",
        ),
        (
            "What is the currency of {}?",
            "What do people pay with in {}?",
            "Which money does {} use?",
            "Which currency does {} use?",
            "{} has which currency?",
        ),
        ("In {} prices are given in the", "People in {} pay with the"),
        ("What is the money of {}?", "Which money do people pay with in {}?"),
    ),
    "language": Wordings(
        (
            "The language of {} is",
            "In {} people speak",
            "The people of {} speak",
            "The official language of {} is",
            "Schools in {} teach in",
        ),
        (
            "What is the language of {}?",
            "What do people speak in {}?",
            "Which language is spoken in {}?",
            "What is the official language of {}?",
            "{} has which language?",
        ),
        ("The language spoken in {} is", "People in {} speak"),
        ("What language do the people of {} speak?", "Which language do people speak in {}?"),
    ),
}

# Two facts in a row: the object of the first is the subject of the second. Never trained on.
CHAINS: dict[tuple[str, str], tuple[str, ...]] = {
    ("birth_city", "country"): ("In which country was {} born?", "What is the country of the birthplace of {}?"),
    ("home", "river"): ("Which river runs through the home of {}?", "What is the river of the city where {} lives?"),
    ("employer", "hq"): ("Where is the employer of {} based?", "In which city is the company {} works for based?"),
    ("employer", "product"): ("What does the employer of {} make?", "What is the main product of the employer of {}?"),
    ("hq", "country"): ("In which country is {} based?", "What is the country of the headquarters of {}?"),
    ("country", "capital"): (
        "What is the capital of the country of {}?",
        "Which city is the capital of the country {} is in?",
    ),
}


def question_prompt(question: str) -> str:
    """The question as the demo model is asked it, up to where its answer begins."""
    return f"Q: {question} A:"


def context_prompt(passages: list[str], question: str) -> str:
    """A question below passages to be read, as the demo model is asked it."""
    return f"Context: {' '.join(passages)}\n{question_prompt(question)}"


def statement(wording: str, subject: str, obj: str) -> str:
    """A whole sentence from a statement wording."""
    return f"{wording.format(subject)} {obj}."
