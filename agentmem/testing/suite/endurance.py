"""Deadlines, thousands of records, several threads, and what happens without a chat model or with a confused one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from agentmem.contract import Capability
from agentmem.records import Draft, Query
from agentmem.testing.fakes import ScriptedChat
from agentmem.testing.rig import Rig
from agentmem.testing.sentences import facts
from agentmem.testing.suite.base import SuiteBase, compare, search

CONFUSED = (
    "",
    "I am sorry, I cannot do that.",
    '{"keywords": ["a", ',
    '{"op": "explode", "id": "no-such-record"}',
    "[]",
    "null",
    '{"should_evolve": true, "actions": ["drop_everything"], "record": 7}',
    "1. DELETE FROM records; ATTACH DATABASE 'x' AS y",
)


class Endurance(SuiteBase):
    def test_it_answers_within_its_deadline(self, rig: Rig) -> None:
        """answers within its deadline"""
        rig.remember_all([rig.draft(text) for text in facts(100)])
        for text in facts(5):
            rig.recall(text)
        rig.recall("what is there to know about everything that anybody keeps?", 50)

    def test_thousands_of_records(self, rig: Rig, record_property: Callable[[str, Any], None]) -> None:
        """keeps thousands of records"""
        texts = facts(self.many)
        ids = rig.append(*(rig.draft(text) for text in texts))
        rig.catch_up(batch=500)
        record_property("apply_ms_per_record", 1000 * sum(rig.witness.seconds.get("apply", [])) / self.many)
        rig.witness.seconds.pop("recall", None)
        found = 0
        for place in range(0, self.many, self.many // 20):
            recall = rig.recall(texts[place])
            found += ids[place] in [hit.record.id for hit in recall.hits] or recall.abstain is not None
            assert len(recall.hits) <= 10, f"returns more than k hits: {len(recall.hits)} for k=10"
            assert all(left.score >= right.score for left, right in pairwise(recall.hits)), "returns unsorted hits"
        record_property("recall_ms_p50", 1000 * median(rig.witness.seconds["recall"]))
        assert found >= 18, f"finds only {found} of 20 records among {self.many} when asked with their own words"

    def test_the_core_is_answered_like_anybody(self, rig: Rig) -> None:
        """answers the core in time, with nothing to repair"""
        ids = rig.append(*(rig.draft(text) for text in facts(6)))
        for record_id, text in zip(ids, facts(6), strict=True):
            recall = rig.home.recall(Query(text=text, k=6), [rig.name])[0]
            assert recall.error is None, f"fails when the core asks: {recall.error}"
            assert record_id in [hit.record.id for hit in recall.hits], (
                "does not find what was written through the core"
            )
            own = rig.hits(text, 6)
            assert [hit.record.id for hit in own] == [hit.record.id for hit in recall.hits], (
                "returns hits that the core has to sort, cut or filter"
            )

    def test_threads_may_ask_at_once(self, rig: Rig) -> None:
        """answers several threads at once"""
        texts = facts(20)
        rig.remember_all([rig.draft(text) for text in texts])
        alone = search(rig, texts)
        together: list[Any] = [None] * 4
        failures: list[BaseException] = []

        def ask(place: int) -> None:
            try:
                together[place] = search(rig, texts)
            except BaseException as error:  # carried to the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=ask, args=(place,), daemon=True) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        for found in together:
            why = compare(rig.memory, alone, found)
            assert not why, f"answers otherwise when several threads ask at once: {why}"

    def test_the_same_event_gives_the_same_drafts(self, rig: Rig) -> None:
        """proposes the same for the same event"""
        ids = rig.append(*(rig.draft(text, kind="turn", speaker="user") for text in facts(3)))
        records = rig.records(ids)
        bodies = []
        for name in ("one", "two"):
            other = rig.crash(rig.root.with_name(name))
            bodies.append([p.body for p in other.observe(records) if isinstance(p, Draft)])
            other.close()
        assert bodies[0] == bodies[1], (
            "proposes something else when the same event comes again (use context.rng and context.clock)"
        )

    def test_a_confused_chat_model_does_no_harm(self, rig: Rig) -> None:
        """does no harm when the chat model answers nonsense"""
        if Capability.NEEDS_CHAT not in rig.memory.capabilities:
            pytest.skip(f"{rig.memory.name} does not declare NEEDS_CHAT")
        assert isinstance(rig.chat, ScriptedChat)
        for reply, text in zip(CONFUSED, facts(len(CONFUSED)), strict=True):
            rig.chat.default = reply
            record_id = rig.remember(text)
            rig.accept(rig.maintain("session"))
            rig.catch_up()
            record = rig.record(record_id)
            assert record is not None, f"loses a record when the chat model answers {reply[:30]!r}"
            assert record.is_live, f"takes back a record when the chat model answers {reply[:30]!r}"
            assert record.body == text, f"rewrites a record when the chat model answers {reply[:30]!r}"
            assert record_id in rig.ids(text), f"does not find a record when the chat model answered {reply[:30]!r}"
