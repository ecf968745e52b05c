"""Any sequence of operations leaves the journal's store and LangGraph's own in-memory store with the same content."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, SearchItem, SearchOp
from langgraph.store.memory import InMemoryStore

from agentmem import Agent
from agentmem.testing import SettableClock
from agentmem_langgraph import JournalStore

LABELS = st.sampled_from(["a", "b", "ab", "x/y"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k1", "k2", "k3"])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["red", "blue"]), st.just(2.5))
VALUES = st.dictionaries(
    st.sampled_from(["f", "g", "h"]),
    st.one_of(LEAVES, st.lists(LEAVES, max_size=2), st.fixed_dictionaries({"n": LEAVES})),
)
FILTERS = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["f", "g"]), LEAVES, max_size=2),
    st.builds(lambda name, value: {name: {"$ne": value}}, st.sampled_from(["f", "g"]), LEAVES),
    st.builds(lambda name, value: {name: {"n": value}}, st.sampled_from(["f", "g"]), LEAVES),
)
PATHS = st.lists(st.one_of(LABELS, st.just("*")), min_size=1, max_size=2).map(tuple)
CONDITIONS = st.lists(st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PATHS), max_size=2).map(tuple)

PUTS = st.builds(lambda *op: PutOp(*op), NAMESPACES, KEYS, st.one_of(st.none(), VALUES, VALUES))
OPS = st.one_of(
    PUTS,
    PUTS,
    st.builds(lambda *op: GetOp(*op), NAMESPACES, KEYS),
    st.builds(lambda ns, wanted: SearchOp(ns, wanted, 100), st.lists(LABELS, max_size=2).map(tuple), FILTERS),
    st.builds(
        ListNamespacesOp, CONDITIONS, st.one_of(st.none(), st.integers(1, 3)), st.integers(1, 5), st.integers(0, 2)
    ),
)


@contextmanager
def opened(**keywords: Any) -> Iterator[Agent]:
    with (
        tempfile.TemporaryDirectory() as home,
        Agent.open(home, embedder="hash", memories=("context",), synchronous="NORMAL", **keywords) as agent,
    ):
        yield agent


def plain(result: Any) -> Any:
    """What may be compared: not the times, nor the order of a search without a query."""
    if isinstance(result, list) and all(isinstance(one, SearchItem) for one in result):
        return sorted((item.namespace, item.key, json.dumps(item.value, sort_keys=True), item.score) for item in result)
    return result if result is None or isinstance(result, list) else (result.namespace, result.key, result.value)


def without_empty(reference: InMemoryStore) -> None:
    """The reference lists namespaces that were emptied or only read; a journal has none without items."""
    for namespace in [namespace for namespace, items in reference._data.items() if not items]:
        del reference._data[namespace]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.lists(OPS, min_size=1, max_size=5), max_size=8))
def test_the_store_answers_as_langgraphs_own(batches: list[list[Op]]) -> None:
    with opened() as agent:
        store, reference = JournalStore(agent), InMemoryStore()
        for ops in batches:
            expected = []
            for op in ops:  # reads one by one, since reading a namespace creates it in the reference
                without_empty(reference)
                expected += [None] if isinstance(op, PutOp) else reference.batch([op])
            reference.batch([op for op in ops if isinstance(op, PutOp)])
            assert [plain(result) for result in store.batch(ops)] == [plain(result) for result in expected]
        assert agent.home.journal.fold() == agent.home.journal.table()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.lists(PUTS, min_size=1, max_size=4), max_size=6))
def test_undoing_every_batch_backwards_leads_through_the_same_states(batches: list[list[PutOp]]) -> None:
    clock = SettableClock()
    with opened(clock=clock) as agent:
        store, journal = JournalStore(agent), agent.home.journal
        done: list[tuple[str, str, Any]] = []
        for ops in batches:
            before, seen, head = journal.state_hash(), content(store), journal.records.head()
            clock.advance(seconds=1)
            store.batch(ops)
            if journal.records.head() > head:
                done.append((journal.records.transactions(limit=1)[0].id, before, seen))
        for receipt, state, seen in reversed(done):
            agent.undo(receipt)
            assert (journal.state_hash(), content(store)) == (state, seen)


def content(store: JournalStore) -> Any:
    return plain(store.search((), limit=1000))


def test_numbers_are_ordered_as_in_the_reference() -> None:
    reference = InMemoryStore()
    with opened() as agent:
        store = JournalStore(agent)
        for either in (store, reference):
            for number in (-2, 0, 1.5, 3):
                either.put(("t",), str(number), {"n": number})
        for name in ("$gt", "$gte", "$lt", "$lte", "$eq", "$ne"):
            for number in (-2, 1, 1.5, 9):
                asked = {"filter": {"n": {name: number}}}
                assert plain(store.search(("t",), **asked)) == plain(reference.search(("t",), **asked))  # type: ignore[arg-type]
