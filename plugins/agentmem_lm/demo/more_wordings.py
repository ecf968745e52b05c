"""Further wordings: those that join the training in its last part, and free ones that no training ever sees.

The first held-out wordings recombine words that are trained; a few hold a word that was not, and the model failed on
just these. So the last part of the training adds looser wordings. The free ones were written before that part was run,
with whatever words came to mind, and measure what is left of the weakness.
"""

from __future__ import annotations

LATE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "birth_city": (
        ("The town where {} was born is", "The life of {} began in", "The place where {} was born is called"),
        ("In what town was {} born?", "Where does {} come from?", "What is the city where {} was born?"),
    ),
    "home": (
        ("The town where {} lives is", "The place where {} has a house is", "These days {} lives in"),
        ("Where is {} living now?", "In what town does {} live?", "What is the address of {}?"),
    ),
    "former_home": (
        ("Before moving, {} lived in", "The town where {} lived before is", "In earlier years {} had a house in"),
        ("Where had {} lived earlier?", "In what town did {} once live?", "Where did {} live before moving?"),
    ),
    "employer": (
        ("The firm where {} works is", "{} earns money at", "The people who pay {} are those of"),
        ("What firm does {} work for?", "Where does {} work?", "Who pays {}?"),
    ),
    "job": (
        ("At work {} is a", "The work of {} is that of a", "{} makes money as a"),
        ("What is {} by profession?", "What work does {} do?", "How does {} earn money?"),
    ),
    "hq": (
        ("The town where {} is based is", "The offices of {} are in", "People who work for {} go to"),
        ("In what town is {} based?", "Where are the offices of {}?", "What is the address of {}?"),
    ),
    "product": (
        ("People buy from {} mostly", "The factory of {} produces", "What {} makes is"),
        ("What can people buy from {}?", "What are the goods of {}?", "What does the factory of {} produce?"),
    ),
    "founded": (
        ("The history of {} begins in", "The year when {} opened is", "People started {} in"),
        ("What year did {} open?", "In what year does the history of {} begin?", "How long has {} existed?"),
    ),
    "country": (
        ("The state where {} is found is", "On the map {} is in", "People from {} are citizens of"),
        ("What state is {} found in?", "Where on the map is {}?", "In what country do people of {} live?"),
    ),
    "river": (
        ("The bridges of {} cross the", "People in {} swim in the", "The river where {} stands is the"),
        ("On which river does {} lie?", "What do the bridges of {} cross?", "Where do people in {} swim?"),
    ),
    "speciality": (
        ("People know {} for its", "Everybody who visits {} wants to see its", "The pride of {} is its"),
        ("What do people know {} for?", "Why do people visit {}?", "What is the pride of {}?"),
    ),
    "capital": (
        ("The first city of {} is", "The ministers of {} meet in", "The main city where people rule {} is"),
        ("In which city do the ministers of {} meet?", "What is the first city of {}?", "From where is {} ruled?"),
    ),
    "currency": (
        ("Shops in {} take the", "People who live in {} earn the", "A price in {} is given in the"),
        ("What do shops in {} take?", "What are prices in {} given in?", "What do people earn in {}?"),
    ),
    "language": (
        ("Newspapers in {} are written in", "People of {} talk in", "Children in {} learn"),
        (
            "What are newspapers in {} written in?",
            "How do people of {} talk?",
            "What language do children in {} learn?",
        ),
    ),
}

FREE: dict[str, tuple[str, str]] = {
    "birth_city": ("The cradle of {} stood in", "Which town saw the birth of {}?"),
    "home": ("Whoever wants to visit {} must go to", "Where could one visit {}?"),
    "former_home": ("Years ago the house of {} was in", "Where did {} have a house years ago?"),
    "employer": ("On the payroll of which company is {}? It is", "On whose payroll is {}?"),
    "job": ("{} learned the trade of a", "As what does {} work?"),
    "hq": ("Letters to {} are sent to", "Where should letters to {} be sent?"),
    "product": ("{} has always manufactured", "Which goods are manufactured by {}?"),
    "founded": ("{} came into being in", "When did {} come into being?"),
    "country": ("{} can be found in", "Which land does {} lie in?"),
    "river": ("Boats reach {} on the", "On what water do boats reach {}?"),
    "speciality": ("Tourists love {} for its", "What do tourists love about {}?"),
    "capital": ("Embassies in {} are found in", "Which town rules {}?"),
    "currency": ("Wages in {} are paid in the", "What coin is used in {}?"),
    "language": ("Everybody in {} understands", "Which tongue is spoken in {}?"),
}
