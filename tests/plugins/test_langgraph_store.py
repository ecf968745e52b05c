"""The journal as a LangGraph store: LangGraph's documented semantics, and what a journal adds (agentmem_langgraph)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchItem,
    SearchOp,
)

from agentmem import Agent
from agentmem.errors import BadInput, NotFound, Refused
from agentmem.records import Status
from agentmem.testing import SettableClock
from agentmem_langgraph import JournalStore

TREES = ("a b c", "a b d e", "a b d i", "a b f", "a c f", "b a f", "users 123", "users 456 settings", "admin users 789")


def opened(home: Path, **keywords: Any) -> Agent:
    return Agent.open(home, embedder="hash", **keywords)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def agent(tmp_path: Path, clock: SettableClock) -> Iterator[Agent]:
    with opened(tmp_path / "home", clock=clock) as agent:
        yield agent


@pytest.fixture
def store(agent: Agent) -> JournalStore:
    return JournalStore(agent)


def keys(found: list[SearchItem]) -> list[str]:
    return [item.key for item in found]


# ---- items


def test_an_item_is_put_read_replaced_and_deleted(store: JournalStore, clock: SettableClock) -> None:
    value = {"title": "Plan", "n": 3, "nested": {"tags": ["x", None, 1.5]}, "done": False}
    store.put(("docs", "ann"), "one", value)
    item = store.get(("docs", "ann"), "one")
    assert isinstance(item, Item)
    assert (item.namespace, item.key, item.value) == (("docs", "ann"), "one", value)
    clock.advance(seconds=5)
    store.put(("docs", "ann"), "one", {"title": "Other"})
    later = store.get(("docs", "ann"), "one")
    assert later is not None
    assert later.value == {"title": "Other"}
    assert later.created_at == item.created_at < later.updated_at
    assert store.get(("docs",), "one") is None, "a namespace is not the one above it"
    store.delete(("docs", "ann"), "one")
    store.delete(("docs", "ann"), "one")
    assert store.get(("docs", "ann"), "one") is None
    store.put(("docs", "ann"), "one", {"back": True})
    assert store.get(("docs", "ann"), "one").value == {"back": True}  # type: ignore[union-attr]


def test_what_is_returned_can_be_changed_without_changing_the_store(store: JournalStore) -> None:
    value = {"list": [1]}
    store.put(("a",), "k", value)
    value["list"].append(2)
    store.get(("a",), "k").value["list"].append(3)  # type: ignore[union-attr]
    assert store.get(("a",), "k").value == {"list": [1]}  # type: ignore[union-attr]


def test_a_batch_reads_before_it_writes_and_the_last_put_of_a_key_wins(store: JournalStore) -> None:
    store.put(("t", "foo"), "k1", {"data": "value1"})
    results = store.batch(
        [
            GetOp(("t", "foo"), "k1"),
            PutOp(("t", "foo"), "k1", {"data": "value2"}),
            PutOp(("t", "bar"), "k2", {"data": "first"}),
            PutOp(("t", "bar"), "k2", {"data": "last"}),
            PutOp(("t", "bar"), "never", None),
            SearchOp(("t",), filter={"data": "value1"}),
            ListNamespacesOp(),
            GetOp(("t", "bar"), "k2"),
        ]
    )
    assert results[0].value == {"data": "value1"}  # type: ignore[union-attr]
    assert results[1:5] == [None] * 4
    assert keys(results[5]) == ["k1"]  # type: ignore[arg-type]
    assert results[6] == [("t", "foo")]
    assert results[7] is None
    assert store.get(("t", "foo"), "k1").value == {"data": "value2"}  # type: ignore[union-attr]
    assert store.get(("t", "bar"), "k2").value == {"data": "last"}  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="Unknown operation"):
        store.batch(["get"])  # type: ignore[list-item]


def test_namespaces_that_langgraph_forbids_are_refused(store: JournalStore) -> None:
    forbidden: list[Any] = [(), ("the", "thing.about"), ("some", ""), ("langgraph", "x"), ("nul\0",), (1,)]
    for namespace in forbidden:
        with pytest.raises(InvalidNamespaceError):
            store.put(namespace, "k", {"a": 1})
        with pytest.raises(InvalidNamespaceError):
            asyncio.run(store.aput(namespace, "k", {"a": 1}))


def test_a_label_with_a_period_is_refused_below_the_public_methods_too(store: JournalStore) -> None:
    for op in (PutOp(("a.b",), "k", {}), GetOp(("a.b",), "k"), SearchOp(("a.b",))):
        with pytest.raises(InvalidNamespaceError):
            store.batch([op])
    store.batch([PutOp(("langgraph", "inner"), "k", {"a": 1})])
    assert store.get(("langgraph", "inner"), "k").value == {"a": 1}  # type: ignore[union-attr]


def test_keys_and_labels_may_hold_anything_else(store: JournalStore) -> None:
    places = [
        (("a/b", "c"), "k"),
        (("a", "b/c"), "k"),
        (("a", "b", "c"), "k"),
        (("ünï", "%2F"), "a\nb"),
        (("x*",), "*"),
    ]
    for number, (namespace, key) in enumerate(places):
        store.put(namespace, key, {"n": number})
    for number, (namespace, key) in enumerate(places):
        assert store.get(namespace, key).value == {"n": number}  # type: ignore[union-attr]
    assert set(store.list_namespaces()) == {namespace for namespace, _ in places}


def test_a_value_that_is_no_json_object_is_refused_with_its_place(store: JournalStore) -> None:
    wrong: list[Any] = [{"x": float("nan")}, {"x": object()}, {"x": {1, 2}}, ["no mapping"], "text"]
    for value in wrong:
        with pytest.raises(BadInput, match=r"the value of 'k' in \('a',\)"):
            store.put(("a",), "k", value)
    assert store.get(("a",), "k") is None


# ---- searching


def test_a_search_is_within_its_prefix_and_pages_newest_first(store: JournalStore, clock: SettableClock) -> None:
    for number in range(7):
        clock.advance(seconds=1)
        store.put(("t", f"n{number % 2}"), f"k{number}", {"n": number})
    store.put(("tt",), "other", {"n": 99})
    assert keys(store.search(("t",))) == ["k6", "k5", "k4", "k3", "k2", "k1", "k0"]
    assert keys(store.search(("t",), limit=3)) == ["k6", "k5", "k4"]
    assert keys(store.search(("t",), limit=3, offset=5)) == ["k1", "k0"]
    assert keys(store.search(("t", "n1"))) == ["k5", "k3", "k1"]
    assert len(store.search(())) == 8
    assert store.search(("t",), limit=0) == []
    assert store.search(["t"])[0].score is None  # type: ignore[arg-type]


FILTERED: list[tuple[dict[str, Any], str]] = [
    ({"color": "red"}, "a b"),
    ({"color": "red", "score": {"$gte": 4.0}}, "a"),
    ({"score": {"$gt": 3.0, "$lt": 4.5}}, "c d"),
    ({"score": {"$lte": 3.5}}, "b d"),
    ({"score": {"$eq": 3}}, "b"),
    ({"color": {"$ne": "red"}}, "c d e"),
    ({"tags": ["x", "y"]}, "a"),
    ({"meta": {"lang": "en"}}, "a c"),
    ({"meta": {"lang": {"$ne": "en"}}}, "b"),
    ({"missing": None}, "a b c d e"),
    ({"flag": True}, "d"),
    ({"color": {"$gt": "blue"}}, "a b c"),
    ({"score": {"$gt": "text"}}, ""),
    ({}, "a b c d e"),
]


def test_filters_compare_fields(store: JournalStore) -> None:
    values: dict[str, dict[str, Any]] = {
        "a": {"color": "red", "score": 4.5, "tags": ["x", "y"], "meta": {"lang": "en", "n": 1}},
        "b": {"color": "red", "score": 3.0, "tags": ["x"], "meta": {"lang": "de"}},
        "c": {"color": "green", "score": 4, "meta": {"lang": "en"}},
        "d": {"color": "blue", "score": 3.5, "flag": True},
        "e": {},
    }
    store.batch([PutOp(("t",), key, value) for key, value in values.items()])
    for wanted, expected in FILTERED:
        assert sorted(keys(store.search(("t",), filter=wanted))) == expected.split(), wanted


def test_an_operator_that_nobody_knows_is_an_error(store: JournalStore) -> None:
    with pytest.raises(ValueError, match="Unsupported operator: \\$in; known are \\$eq"):
        store.search(("t",), filter={"color": {"$in": ["red"]}})


def test_a_query_ranks_what_it_finds_and_the_rest_follows_without_a_score(store: JournalStore) -> None:
    store.put(("t",), "zebra", {"text": "a zany zebra called Xerxes"})
    store.put(("t",), "dogs", {"text": "something about dogs"})
    store.put(("t",), "hidden", {"text": "a zany zebra called Xerxes"}, index=False)
    store.put(("u",), "far", {"text": "a zany zebra called Xerxes"})
    found = store.search(("t",), query="zany zebra")
    assert keys(found)[0] == "zebra"
    assert found[0].score is not None
    assert set(keys(found)) == {"zebra", "dogs", "hidden"}
    assert {item.key: item.score for item in found}["hidden"] is None
    store.put(("t",), "zebra", {"text": "now about harbours"})
    store.put(("t",), "dogs", {"text": "dogs and a zany zebra"})
    assert keys(store.search(("t",), query="zany zebra"))[0] == "dogs"
    assert keys(store.search(("t",), query="zany zebra", filter={"text": "now about harbours"})) == ["zebra"]
    for odd in ("", "   ", "test!@#$%^&*()", "zebra " * 300):
        assert len(store.search(("t",), query=odd)) == 3


def test_pages_of_a_query_do_not_overlap(store: JournalStore) -> None:
    store.batch([PutOp(("t",), f"k{n}", {"text": f"test document number {n}"}) for n in range(9)])
    pages = [keys(store.search(("t",), query="test number 4", limit=2, offset=start)) for start in range(0, 10, 2)]
    assert pages[0][0] == "k4"
    assert [len(page) for page in pages] == [2, 2, 2, 2, 1]
    assert len({key for page in pages for key in page}) == 9


def test_only_the_chosen_fields_are_searched(agent: Agent) -> None:
    store = JournalStore(agent, namespace=("fields",), fields=["meta.title", "parts[*].text"], memory="bm25")
    value = {"meta": {"title": "harbour"}, "parts": [{"text": "crane"}, {"text": "rope"}], "secret": "zebra"}
    store.put(("t",), "k", value)
    store.put(("t",), "chosen", value, index=["secret"])
    assert {i.key for i in store.search(("t",), query="rope") if i.score is not None} == {"k"}
    assert {i.key for i in store.search(("t",), query="zebra") if i.score is not None} == {"chosen"}


def test_other_records_of_the_namespace_are_no_items(agent: Agent, store: JournalStore) -> None:
    agent.remember("harbour harbour harbour", namespace=("t",))
    for number in range(120):
        agent.remember(f"harbour office {number}", namespace=("t", "deep"))
    store.put(("t",), "k", {"text": "the harbour"})
    assert keys(store.search(("t",), query="harbour")) == ["k"]
    assert store.list_namespaces() == [("t",)]


# ---- namespaces


def test_namespaces_are_listed_by_prefix_suffix_and_wildcard(store: JournalStore) -> None:
    store.batch([PutOp(tuple(tree.split()), "k", {"a": 1}) for tree in TREES])

    def listed(**asked: Any) -> list[str]:
        return [" ".join(namespace) for namespace in store.list_namespaces(**asked)]

    assert listed() == sorted(TREES)
    assert listed(prefix=("a", "b")) == ["a b c", "a b d e", "a b d i", "a b f"]
    assert listed(suffix=("f",)) == ["a b f", "a c f", "b a f"]
    assert listed(prefix=("a",), suffix=("f",)) == ["a b f", "a c f"]
    assert listed(prefix=("a", "b"), max_depth=3) == ["a b c", "a b d", "a b f"]
    assert listed(max_depth=1) == ["a", "admin", "b", "users"]
    assert listed(prefix=("a", "b"), limit=2) == ["a b c", "a b d e"]
    assert listed(prefix=("a", "b"), offset=2) == ["a b d i", "a b f"]
    assert listed(prefix=("a", "*", "f")) == ["a b f", "a c f"]
    assert listed(suffix=("*", "f")) == ["a b f", "a c f", "b a f"]
    assert listed(prefix=("users", "*")) == ["users 123", "users 456 settings"]
    assert listed(prefix=("nonexistent",)) == listed(prefix=("user",)) == []
    with pytest.raises(BadInput, match="no match type named 'infix'"):
        store.batch([ListNamespacesOp((MatchCondition("infix", ("a",)),))])  # type: ignore[arg-type]


def test_a_namespace_without_items_is_not_listed(store: JournalStore) -> None:
    store.put(("a", "b"), "k", {"a": 1})
    store.get(("only", "read"), "k")
    store.delete(("a", "b"), "k")
    assert store.list_namespaces() == []


# ---- expiry


def test_items_expire_after_their_last_use_and_a_sweep_archives_them(agent: Agent, clock: SettableClock) -> None:
    store = JournalStore(agent, ttl={"default_ttl": 5, "refresh_on_read": True})
    store.put(("t",), "default", {"v": 1})
    store.put(("t",), "short", {"v": 2}, ttl=1)
    store.put(("t",), "forever", {"v": 3}, ttl=None)
    clock.advance(seconds=50)
    assert store.sweep_ttl() == 0
    assert store.get(("t",), "short") is not None, "reading begins its time anew"
    clock.advance(seconds=50)
    assert store.sweep_ttl() == 0
    store.get(("t",), "short", refresh_ttl=False)
    clock.advance(seconds=20)
    assert store.sweep_ttl() == 1
    assert store.get(("t",), "short") is None
    clock.advance(seconds=290)
    store.search(("t",), filter={"v": 1})
    clock.advance(seconds=290)
    assert store.sweep_ttl() == 0
    clock.advance(seconds=20)
    assert store.sweep_ttl() == 1
    assert keys(store.search(("t",))) == ["forever"]
    agent.undo()
    assert set(keys(store.search(("t",)))) == {"default", "forever"}, "a sweep can be undone"
    clock.advance(seconds=200)
    store.put(("t",), "default", {"v": 1})
    clock.advance(seconds=200)
    assert store.sweep_ttl() == 0, "a put is a use, also one that changes nothing"


def test_reading_need_not_refresh(agent: Agent, clock: SettableClock) -> None:
    store = JournalStore(agent, ttl={"default_ttl": 1, "refresh_on_read": False})
    store.put(("t",), "k", {"text": "harbour"})
    clock.advance(seconds=40)
    store.get(("t",), "k")
    store.search(("t",), query="harbour")
    clock.advance(seconds=40)
    assert store.sweep_ttl() == 1


def test_what_has_expired_is_left_out_before_a_sweep_only_when_asked(agent: Agent, clock: SettableClock) -> None:
    shown, omitted = JournalStore(agent), JournalStore(agent, ttl={"omit_expired": True})
    shown.put(("t", "gone"), "k", {"text": "harbour"}, ttl=1)
    shown.put(("t", "kept"), "k", {"text": "harbour"})
    clock.advance(seconds=90)
    assert shown.get(("t", "gone"), "k", refresh_ttl=False) is not None
    assert omitted.get(("t", "gone"), "k") is None, "and reading does not bring it back"
    assert [item.namespace for item in omitted.search(("t",))] == [("t", "kept")]
    assert [item.namespace for item in omitted.search(("t",), query="harbour", limit=1)] == [("t", "kept")]
    assert omitted.list_namespaces() == [("t", "kept")]
    assert omitted.sweep_ttl() == 1


def test_a_sweeper_sweeps_by_itself(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as agent:
        store = JournalStore(agent, ttl={"default_ttl": 0.0005})
        store.put(("t",), "k", {"v": 1})
        store.start_ttl_sweeper(0.0005)
        store.start_ttl_sweeper(0.0005)
        waited = threading.Event()
        for _ in range(100):
            if store.get(("t",), "k", refresh_ttl=False) is None:
                break
            waited.wait(0.05)
        assert store.get(("t",), "k") is None
        assert store.stop_ttl_sweeper(5)


# ---- what a journal adds


def test_every_write_is_a_change_that_can_be_undone(agent: Agent, store: JournalStore) -> None:
    journal = agent.home.journal
    states = [journal.state_hash()]
    receipts = []

    def after(write: Any) -> None:
        write()
        receipts.append(agent.home.journal.records.transactions(limit=1)[0].id)
        states.append(journal.state_hash())

    after(lambda: store.put(("t",), "k", {"text": "one"}))
    after(lambda: store.put(("t",), "k", {"text": "two"}))
    after(lambda: store.batch([PutOp(("t",), "k", {"text": "three"}), PutOp(("t",), "other", {"text": "x"})]))
    after(lambda: store.delete(("t",), "k"))
    after(lambda: store.put(("t",), "k", {"text": "four"}))
    assert len(set(states)) == 6
    for receipt, state in zip(reversed(receipts), reversed(states[:-1]), strict=True):
        agent.undo(receipt)
        assert journal.state_hash() == state
    assert store.get(("t",), "k") is None
    store.put(("t",), "k", {"text": "again"})
    assert store.get(("t",), "k").value == {"text": "again"}  # type: ignore[union-attr]
    assert [entry.op for entry in store.history(("t",), "k")][:2] == ["add", "put"]


def test_the_last_change_of_an_item_is_taken_back_by_its_name(agent: Agent, store: JournalStore) -> None:
    store.put(("t",), "k", {"text": "one"})
    store.put(("t",), "k", {"text": "two"})
    store.put(("t",), "other", {"text": "later"})
    store.undo(("t",), "k")
    assert store.get(("t",), "k").value == {"text": "one"}  # type: ignore[union-attr]
    assert store.get(("t",), "other") is not None
    with pytest.raises(NotFound, match="no item 'nobody'"):
        store.undo(("t",), "nobody")


def test_putting_what_is_there_already_writes_nothing(agent: Agent, store: JournalStore) -> None:
    store.put(("t",), "k", {"text": "one"})
    head = agent.home.journal.records.head()
    store.put(("t",), "k", {"text": "one"})
    store.delete(("t",), "nobody")
    assert agent.home.journal.records.head() == head


def test_a_correction_by_a_person_is_what_the_store_returns(agent: Agent, store: JournalStore) -> None:
    store.put(("t",), "one", {"text": "the office is at Pier 4"})
    store.put(("t",), "many", {"text": "the office is at Pier 4", "n": 1})
    agent.correct(store.record_id(("t",), "one"), "the office is at Pier 6")
    agent.correct(store.record_id(("t",), "many"), "the office is at Pier 6")
    assert store.get(("t",), "one").value == {"text": "the office is at Pier 6"}  # type: ignore[union-attr]
    assert store.get(("t",), "many").value["corrected"] == "the office is at Pier 6"  # type: ignore[union-attr]
    store.put(("t",), "many", {"text": "settled"})
    assert store.get(("t",), "many").value == {"text": "settled"}  # type: ignore[union-attr]


def test_what_is_purged_is_gone_and_its_key_can_be_used_again(agent: Agent, store: JournalStore) -> None:
    for text in ("first", "second"):
        store.put(("t",), "k", {"text": text})
        agent.purge(store.record_id(("t",), "k"))
        assert store.get(("t",), "k") is None
    store.put(("t",), "k", {"text": "third"})
    store.put(("t",), "k", {"text": "fourth"})
    assert store.get(("t",), "k").value == {"text": "fourth"}  # type: ignore[union-attr]
    assert keys(store.search(("t",), query="fourth")) == ["k"]
    assert agent.history(store.record_id(("t",), "k"))[-1].status is Status.ACTIVE


def test_items_are_the_agents_memories(agent: Agent) -> None:
    store = JournalStore(agent, namespace=("team",))
    store.put(("ann",), "office", {"text": "The harbour office moved to Pier 4."})
    assert store.get(("ann",), "office").namespace == ("ann",)  # type: ignore[union-attr]
    assert agent.recall("harbour office", namespace=("team", "ann"))[0].record.body.endswith("Pier 4.")
    assert "Pier 4" in agent.ask("Where is the harbour office?", namespace="team/ann").text
    assert JournalStore(agent, namespace=("others",)).search(()) == []


def test_a_store_survives_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as agent:
        JournalStore(agent).put(("t",), "k", {"text": "zebra"})
    with opened(tmp_path) as agent:
        assert keys(JournalStore(agent).search(("t",), query="zebra")) == ["k"]


def test_a_home_that_asks_or_is_read_only_refuses_to_put(tmp_path: Path) -> None:
    with opened(tmp_path, approval="ask") as agent, pytest.raises(Refused, match="approval='auto'"):
        JournalStore(agent).put(("t",), "k", {"text": "zebra"})
    with opened(tmp_path, readonly=True) as agent:
        store = JournalStore(agent)
        assert store.search(("t",)) == []
        with pytest.raises(Refused, match="read-only"):
            store.put(("t",), "k", {"text": "zebra"})


# ---- many at once


async def test_the_async_twins_do_the_same(store: JournalStore) -> None:
    await asyncio.gather(*[store.aput(("t",), f"k{n}", {"n": n}) for n in range(8)])
    found = await asyncio.gather(*[store.aget(("t",), f"k{n}") for n in range(8)])
    assert [item.value["n"] for item in found if item] == list(range(8))
    assert len(await store.asearch(("t",), filter={"n": {"$gte": 4}})) == 4
    await store.adelete(("t",), "k0")
    assert await store.aget(("t",), "k0") is None
    assert await store.alist_namespaces() == [("t",)]


def test_threads_that_write_the_same_keys_leave_one_item_each(agent: Agent, store: JournalStore) -> None:
    def work(me: int) -> None:
        for number in range(12):
            store.put(("t",), f"k{number}", {"by": me, "n": number})

    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.search(("t",), limit=100)
    assert len(found) == len(list(agent.records())) == 12
    journal = agent.home.journal
    assert journal.fold() == journal.table()


_OTHER = """
import sys
from agentmem import Agent
from agentmem_langgraph import JournalStore
with Agent.open(sys.argv[1], embedder="hash") as agent:
    store = JournalStore(agent)
    for n in range(20):
        store.put(("shared",), f"k{n}", {"by": sys.argv[2]})
        store.put((sys.argv[2],), f"k{n}", {"text": f"note {n} of {sys.argv[2]}"})
"""


def test_processes_share_a_home(tmp_path: Path) -> None:
    with opened(tmp_path) as agent:
        store = JournalStore(agent)
        others = [subprocess.Popen([sys.executable, "-c", _OTHER, str(tmp_path), name]) for name in ("one", "two")]
        for number in range(20):
            store.put(("shared",), f"k{number}", {"by": "me"})
        assert [process.wait(60) for process in others] == [0, 0]
        assert len(store.search(("shared",), limit=100)) == 20
        assert keys(store.search(("two",), query="note 7", limit=1)) == ["k7"]
        assert len(list(agent.records())) == 60
