from __future__ import annotations

from functools import partial

import pytest

from agentmem.contract import Calibration
from agentmem.fusion import fuse as fuse_declared
from agentmem.fusion import min_max
from agentmem.lifting import Lift
from agentmem.records import Hit, Recall, Record, Source

fuse = partial(
    fuse_declared,
    calibrations={
        "bm25": Calibration(0.6),
        "chroma": Calibration(0.4),
        "hipporag": Calibration(0.02, {"chunk": 4.0}, logarithmic=True),
    },
)


def record(record_id: str, *sources: Source) -> Record:
    return Record(id=record_id, kind="chunk", body=record_id, sources=sources)


def recall(memory: str, **scores: float) -> Recall:
    return Recall(memory=memory, hits=tuple(Hit(record(i), score) for i, score in scores.items()))


def test_scores_are_stretched_weighted_and_added() -> None:
    fused = fuse([recall("bm25", a=20.0, b=10.0, c=0.0), recall("chroma", b=0.9, d=0.5)], k=10)
    assert {h.record.id: h.score for h in fused} == {
        "a": pytest.approx(0.6),
        "b": pytest.approx(0.3 + 0.4),
        "c": pytest.approx(0.0),
        "d": pytest.approx(0.0),
    }
    assert [h.record.id for h in fused] == ["b", "a", "c", "d"]
    assert fused[0].memory == "chroma+bm25"
    assert fused[0].why == "chroma 0.40; bm25 0.30"


def test_a_memory_that_failed_or_abstained_counts_for_nothing() -> None:
    alone = fuse([recall("chroma", a=0.9, b=0.1)], k=5)
    silent = [
        Recall(memory="bm25", abstain="nothing"),
        Recall(memory="graph", error="broken", hits=recall("x", z=1).hits),
    ]
    assert fuse([*silent, recall("chroma", a=0.9, b=0.1)], k=5) == alone
    assert alone[0].score == 1.0
    assert fuse([], k=5) == []


def test_the_same_place_is_shown_once_and_neighbouring_chunks_both() -> None:
    hits = (
        Hit(record("whole", Source("a.md", 0, 100)), 1.0),
        Hit(record("inside", Source("a.md", 10, 90)), 0.9),
        Hit(record("next", Source("a.md", 80, 180)), 0.8),
        Hit(record("other file", Source("b.md", 0, 100)), 0.7),
        Hit(record("no span", Source("a.md")), 0.6),
    )
    fused = fuse([Recall(memory="bm25", hits=hits)], k=10)
    assert [h.record.id for h in fused] == ["whole", "next", "other file", "no span"]


def test_ties_are_broken_by_id_and_k_holds() -> None:
    assert [h.record.id for h in fuse([recall("bm25", b=1.0, a=1.0, c=1.0)], k=2)] == ["a", "b"]
    assert fuse([recall("bm25", a=1.0)], k=0) == []


def test_equal_scores_are_all_the_best() -> None:
    assert min_max([3.0, 3.0]) == [1.0, 1.0]
    assert min_max([1.0, 3.0, 2.0]) == [0.0, 1.0, 0.5]


def test_a_memory_is_trusted_with_some_kinds_more_than_with_others() -> None:
    def of(memory: str, kind: str, scores: dict[str, float]) -> Recall:
        hits = (Hit(Record(id=i, kind=kind, body=i), score) for i, score in scores.items())
        return Recall(memory=memory, hits=tuple(hits))

    for kind, best in (("chunk", "graph's"), ("turn", "words'")):
        words = of("bm25", kind, {"words'": 9.0, "graph's": 1.0, "none's": 0.5})
        graph = of("hipporag", kind, {"graph's": 0.5, "none's": 0.01, "words'": 0.001})
        assert fuse([words, graph], k=3)[0].record.id == best


def test_records_of_two_kinds_can_both_be_the_best() -> None:
    turn, chunk = Record(id="t", kind="turn", body="t"), Record(id="c", kind="chunk", body="c")
    words = Recall(memory="bm25", hits=(Hit(turn, 9.0), Hit(chunk, 9.0), Hit(record("x"), 1.0)))
    graph = Recall(memory="hipporag", hits=(Hit(chunk, 0.9), Hit(record("x"), 0.1)))
    assert [h.record.id for h in fuse([words, graph], k=2)] == ["c", "t"]


def test_a_memory_may_ask_for_less_than_its_weight() -> None:
    doubtful = Recall(memory="bm25", hits=recall("bm25", a=2.0, b=1.0).hits, signals={"trust": 0.01})
    assert [h.record.id for h in fuse([doubtful, recall("chroma", b=0.9, a=0.1)], k=2)] == ["b", "a"]


def test_favoured_records_are_lifted_a_little() -> None:
    hits = [recall("bm25", a=1.0, b=0.95, c=0.0)]
    lifted = fuse(hits, k=3, favour=lambda record: record.id in "bc")
    assert [h.record.id for h in lifted] == ["b", "a", "c"]
    assert lifted[0].score <= 1.0


def _turn(record_id: str, seq: int) -> Record:
    return Record(id=record_id, kind="turn", body=record_id, thread="t", session="s", created_seq=seq)


def test_a_summary_is_no_hit_and_lifts_what_it_names_beside_what_no_summary_covers() -> None:
    told = {"rests": [["named"], ["elsewhere"]]}
    summary = Record(id="sum", kind="summary", body="sum", derived_from=("named", "passed over"), attributes=told)
    turns = [_turn("passed over", 1), _turn("named", 2), _turn("newer", 9)]
    hits = [Hit(one, score) for one, score in zip((*turns, summary), (0.5, 0.45, 0.4, 1.0), strict=True)]
    hits.append(Hit(record("a fact"), 0.0))
    brought = [Recall(memory="bm25", hits=tuple(hits))]
    plain = fuse(brought, k=3)
    assert [hit.record.id for hit in plain] == ["sum", "passed over", "named"]
    found = {hit.record.id: hit for hit in fuse(brought, k=3, lift=Lift({((), "t", "s"): 5}))}
    assert list(found) == ["named", "newer", "passed over"]
    assert found["named"].score == pytest.approx((0.45 + 0.3) / 1.3)
    assert found["named"].why == "bm25 0.45; named in a summary 0.30"
    assert found["newer"].score == pytest.approx(0.4), "it keeps its place beside what is lifted"
    assert found["passed over"].score == pytest.approx(0.5 / 1.3)


def test_a_summary_that_does_not_say_what_it_rests_on_is_a_hit_like_any_other() -> None:
    summary = Record(id="sum", kind="summary", body="sum", derived_from=("a",))
    brought = [Recall(memory="bm25", hits=(Hit(summary, 1.0), Hit(_turn("a", 1), 0.5), Hit(_turn("b", 2), 0.0)))]
    found = fuse(brought, k=3, lift=Lift({((), "t", "s"): 5}))
    assert [(hit.record.id, hit.score) for hit in found] == [("sum", 1.0), ("a", 0.5), ("b", 0.0)]


def test_a_memory_that_declares_nothing_counts_like_any_other() -> None:
    fused = fuse_declared([recall("one", a=2.0, b=1.0), recall("two", b=9.0, a=1.0)], k=2)
    assert [h.score for h in fused] == [0.5, 0.5]
