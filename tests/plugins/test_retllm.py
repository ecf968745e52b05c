"""The triple memory keeps the contract, answers every pattern, and updates by four operators."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.contract import Memory
from agentmem.records import Draft
from agentmem.testing import Bench, MemoryContract, Rig, ScriptedChat
from agentmem_retllm import RetLlmMemory
from agentmem_retllm.calls import Triple, reads, stated, writes
from agentmem_retllm.operators import Operator, operator_of


class TestRetLlm(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return RetLlmMemory


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, Bench(RetLlmMemory))
    yield made
    made.close()


def say(rig: Rig, text: str) -> str:
    return rig.remember_all([Draft(body=text, kind="turn", speaker="ann")])[0]


def triples(rig: Rig) -> set[tuple[str | None, str | None, str | None]]:
    found = rig.home.journal.records.find(kinds=["triple"])
    return {(record.subject, record.relation, record.object) for record in found}


def test_a_call_that_does_not_parse_writes_nothing() -> None:
    assert writes("MEM_WRITE(Ann>>lives in>>Oslo)\nMEM_WRITE(Ann>>lives in)\nMEM_WRITE(a>>b>>c>>d) DROP") == [
        Triple("Ann", "lives in", "Oslo")
    ]
    assert reads("MEM_READ(Ann>>lives in>>)") == Triple("Ann", "lives in", "")
    assert reads("MEM_READ(>>>>)") is None
    assert stated("Ann no longer lives in Oslo.") == [(Triple("Ann", "lives in", "Oslo"), True)]


@pytest.mark.parametrize(
    ("old", "new", "denied", "wanted"),
    [
        ("Ann/lives in/Oslo", "ann/lives in/oslo", False, Operator.PASS),
        ("Ann/lives in/Oslo", "Ann/lives in/Rome", False, Operator.REPLACE),
        ("Ann/likes/tea", "Ann/likes/figs", False, Operator.APPEND),
        ("Ann/lives in/Oslo", "Ann/lives in/Oslo", True, Operator.DELETE),
        ("Bob/lives in/Oslo", "Ann/lives in/Rome", False, Operator.APPEND),
        ("Ann/lives in/Oslo", "Ann/lives in/Rome", True, Operator.APPEND),
    ],
)
def test_the_operators_follow_their_table(old: str, new: str, denied: bool, wanted: Operator) -> None:
    one, other = Triple(*old.split("/")), Triple(*new.split("/"))
    assert operator_of(one, other, denied=denied, single_valued=("lives in",)) is wanted


def test_every_pattern_answers_like_a_set_comprehension(rig: Rig) -> None:
    held = [Triple(s, r, o) for s, r, o in itertools.product(("Ann", "Bob"), ("likes", "owns"), ("tea", "figs"))][:6]
    for triple in held:
        rig.remember(" ".join(triple), subject=triple.subject, relation=triple.relation, object=triple.object)
    for mask in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)):
        pattern = Triple(*(part if keep else "" for part, keep in zip(held[1], mask, strict=True)))
        wanted = {t for t in held if all(not want or want == have for want, have in zip(pattern, t, strict=True))}
        hits = [hit for hit in rig.hits(f"MEM_READ({'>>'.join(pattern)})") if hit.why == "fits the pattern"]
        assert {(h.record.subject, h.record.relation, h.record.object) for h in hits} == wanted


def test_a_near_term_answers_only_where_no_exact_one_does(rig: Rig) -> None:
    say(rig, "Ann Byron lives in Oslo.")
    assert rig.hits("MEM_READ(Ann B Byron>>lives in>>)")[0].why == "nearly fits the pattern"
    assert {hit.why for hit in rig.hits("MEM_READ(Ann Byron>>lives in>>)") if hit.score >= 1} == {"fits the pattern"}


def test_a_newer_statement_replaces_appends_or_ends_and_undo_brings_back(rig: Rig) -> None:
    say(rig, "Ann lives in Oslo. Ann likes tea.")
    say(rig, "Ann lives in Rome. Ann likes figs.")
    assert triples(rig) == {("Ann", "lives in", "Rome"), ("Ann", "likes", "tea"), ("Ann", "likes", "figs")}
    say(rig, "Bob lives in Oslo.")
    say(rig, "Ann no longer lives in Rome.")
    assert triples(rig) == {("Ann", "likes", "tea"), ("Ann", "likes", "figs"), ("Bob", "lives in", "Oslo")}
    last = rig.home.journal.records.transactions(limit=1)[0]
    rig.undo(last.id)
    assert ("Ann", "lives in", "Rome") in triples(rig)


def test_purging_what_was_said_purges_the_triple(rig: Rig) -> None:
    told = say(rig, "Ann lives in Oslo.")
    rig.purge(told)
    assert triples(rig) == set()


def test_a_model_writes_triples_and_its_operator_is_taken_from_the_four_words(tmp_path: Path) -> None:
    chat = ScriptedChat(["MEM_WRITE(Ann>>plays>>flute)", "MEM_WRITE(Ann>>plays>>drums)", "Replace."])
    rig = Rig(tmp_path, Bench(RetLlmMemory, chat=chat))
    say(rig, "I have taken up the flute, says Ann")
    say(rig, "It is drums now, says Ann")
    assert triples(rig) == {("Ann", "plays", "drums")}
    rig.close()
