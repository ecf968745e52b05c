"""Further hops: facts are joined over what they name, and only when the question asks for more than it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agentmem import Agent
from agentmem.hops import hops, leads_on
from agentmem.records import Hit, Record

_FACTS = (
    "The Long Stair was created by Ada Berg.",
    "Ada Berg was born in Velm.",
    "Velm is located in the country of Norland.",
    "The capital of Norland is Osterby.",
    "Ada Berg is married to Jon Falk.",
    "The capital of Suderland is Kall.",
)
_RECORDS = [Record(id=f"{n:032x}", kind="fact", body=text) for n, text in enumerate(_FACTS)]


def _search(name: str) -> Sequence[Hit]:
    return [Hit(record, 1.0) for record in _RECORDS if name.lower() in record.body.lower()]


def _bodies(hits: Sequence[Hit]) -> list[str]:
    return [hit.record.body for hit in hits]


def test_a_question_over_two_facts_finds_both() -> None:
    found = hops("Where was the creator of The Long Stair born?", [Hit(_RECORDS[0], 1.0)], _search)
    assert _bodies(found)[:2] == list(_FACTS[:2])
    assert found[1].path == (_RECORDS[0].id, _RECORDS[1].id)


def test_a_question_over_four_facts_finds_all() -> None:
    question = "What is the capital of the country where the creator of The Long Stair was born?"
    assert set(_FACTS[:4]) <= set(_bodies(hops(question, [Hit(_RECORDS[0], 1.0), Hit(_RECORDS[5], 0.9)], _search)))


def test_a_question_that_one_fact_answers_leads_nowhere() -> None:
    hits = [Hit(_RECORDS[0], 1.0), Hit(_RECORDS[4], 0.5)]
    assert not leads_on("Who created The Long Stair?", hits[:1])
    assert hops("Who created The Long Stair?", hits[:1], _search) == hits[:1]


def test_a_fact_that_only_has_a_name_in_its_value_does_not_lead_there() -> None:
    other = Hit(Record(id="f" * 32, kind="fact", body="Cy Dahl of the harbour was born in Velm by night."), 1.0)
    question = "In which country and by which harbour was Ada Berg born?"
    found = hops(question, [Hit(_RECORDS[1], 1.0)], lambda name: [other, *_search(name)], k=5)
    assert _bodies(found)[:2] == list(_FACTS[1:3])
    assert other.record.body not in _bodies(found)


def test_passages_are_left_to_the_graph() -> None:
    long = Record(id="f" * 32, kind="chunk", body=" ".join(_FACTS))
    assert not leads_on("Where was the creator of The Long Stair born?", [Hit(long, 1.0)])


def test_the_agent_hops_on_its_own(tmp_path: Path) -> None:
    with Agent.open(tmp_path, memories="bm25", embedder="hash") as agent:
        for fact in _FACTS:
            agent.remember(fact)
        for number in range(20):
            agent.remember(f"The capital of Land{number} is Town{number}.")
        found = agent.recall("What is the capital of the country where the creator of The Long Stair was born?", k=6)
    assert set(_FACTS[:4]) <= set(_bodies(found))
