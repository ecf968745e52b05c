"""The texts that the suite plants: small facts of subject, relation and object whose words hardly overlap."""

from __future__ import annotations

import itertools

_SUBJECTS = str.split(
    "Velmark Osterby Tarnhill Quillon Brenfold Cassimere Drovnik Elmshade Farrowgate Glinmoor Harrowick Istervale "
    "Jorvane Kestrin Lowmere Marrowdale Nethercot Orsk Pellworth Rusket"
)
_RELATIONS = ("keeps", "lives in", "works at", "moved to", "dislikes")
_OBJECTS = str.split(
    "lanterns sardines bagpipes marigolds compasses treacle walnuts cathedrals thimbles gondolas parsnips sextants "
    "ravens turnstiles kites barometers chessboards oysters haystacks windmills"
)

UNICODE = (
    "Zoë dislikes naïve cafés in Ærøskøbing 🦊",
    "北京大学位于海淀区",
    "東京タワーは港区にあります",
    "Москва — столица России",
    "مرحبا بالعالم من القاهرة",
    "שלום עולם מירושלים",
    "C++ and C# and the file a/b_c.d-e",
    "Straße İstanbul ſharp ﬁnal é",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 outside the basic plane 🧠🧠",
    "family 👩‍👩‍👧‍👦 and\u200bzero\u00a0width spaces",
)

ODD_QUERIES = (
    "",
    "   \n\t ",
    "?!…",
    '" AND OR NOT (',
    "field:value^2 ~ * [a TO b] {x}",
    "'; DROP TABLE records; --",
    "% _ \\ / \x07",
    "🦊",
    "a",
    "word " * 5_000,
)


def facts(n: int, seed: int = 0) -> list[str]:
    """``n`` different sentences such as "Velmark keeps lanterns"; beyond 2,000 they carry a number."""
    made = []
    for place in range(n):
        i = place + seed
        subject = _SUBJECTS[i % 20]
        relation = _RELATIONS[(i // 20) % 5]
        thing = _OBJECTS[(i * 7 + i // 20 + i // 400) % 20]
        number = "" if n <= 20 else f" number{place}"
        made.append(f"{subject} {relation} {thing}{number}")
    return made


def triple_of(text: str) -> tuple[str, str, str] | None:
    """Subject, relation and object of one of our sentences; None for any other text."""
    for relation, subject in itertools.product(_RELATIONS, _SUBJECTS):
        if text.startswith(f"{subject} {relation} "):
            return subject, relation, text.removeprefix(f"{subject} {relation} ")
    return None
