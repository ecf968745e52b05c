"""What is written is found again, as it was written; hits are well formed."""

from __future__ import annotations

import math
from itertools import pairwise

from agentmem.records import Hit, Record
from agentmem.testing.rig import Rig
from agentmem.testing.sentences import ODD_QUERIES, UNICODE, facts
from agentmem.testing.suite.base import SuiteBase


class RoundTrip(SuiteBase):
    def test_what_was_written_is_found(self, rig: Rig) -> None:
        """finds what was written"""
        ids = {text: rig.remember(text) for text in facts(8)}
        for text, record_id in ids.items():
            found = rig.ids(text)
            assert record_id in found, f"does not find what was written: asked with its own words for {text!r}"

    def test_a_correction_replaces_what_is_found(self, rig: Rig) -> None:
        """finds the corrected text, not the one before"""
        rig.remember(facts(20)[5])
        record_id = rig.remember("Velmark keeps lanterns")
        rig.correct(record_id, "Velmark keeps turnstiles")
        bodies = [hit.record.body for hit in rig.hits("Velmark keeps turnstiles")]
        assert "Velmark keeps turnstiles" in bodies, "does not find a record after its correction"
        assert "Velmark keeps lanterns" not in bodies, "recalls the text of a record as it was before its correction"

    def test_an_empty_store_answers_with_nothing(self, rig: Rig) -> None:
        """answers an empty store with nothing"""
        assert rig.ids("anything at all") == [], "returns hits from an empty store"

    def test_at_most_k_hits_are_returned(self, rig: Rig) -> None:
        """returns at most k hits"""
        rig.remember_all([rig.draft(f"{text} and a common word") for text in facts(12)])
        for k in (0, 1, 3, 12, 500):
            found = len(rig.hits("a common word", k))
            assert found <= k, f"returns more than k hits: {found} for k={k}"

    def test_hits_are_sorted_best_first(self, rig: Rig) -> None:
        """returns hits sorted by score, ties by record id"""
        rig.remember_all([rig.draft(f"{text} beside the river") for text in facts(12)])
        rig.remember_all([rig.draft("Orsk keeps ravens beside the river") for _ in range(4)])
        for query in ("Orsk keeps ravens", "beside the river", facts(12)[7]):
            hits = rig.hits(query, 10)
            for hit in hits:
                assert isinstance(hit, Hit), f"returns a {type(hit).__name__} among the hits, not a Hit"
                assert math.isfinite(hit.score), f"returns a score of {hit.score}; scores must be finite"
            for left, right in pairwise(hits):
                assert left.score >= right.score, (
                    f"returns unsorted hits: {left.score:.4g} stands before {right.score:.4g}; best first"
                )
            for left, right in pairwise(hits):
                assert left.score > right.score or left.record.id < right.record.id, (
                    f"leaves ties in no order: two hits score {left.score:.4g}; break ties by record id"
                )
            assert len({hit.record.id for hit in hits}) == len(hits), "returns the same record twice"

    def test_every_hit_carries_its_record(self, rig: Rig) -> None:
        """returns hits that carry their record as it stands"""
        ids = [rig.remember(text) for text in facts(6)]
        rig.correct(ids[2], "Tarnhill keeps oysters")
        for hit in rig.hits("Tarnhill keeps oysters") + rig.hits(facts(6)[0]):
            assert isinstance(hit.record, Record), f"returns a hit without a record: {hit.record!r}"
            stands = rig.record(hit.record.id)
            assert stands is not None, f"returns a hit without a record: nothing has the id {hit.record.id!r}"
            assert hit.record == stands, f"returns record {hit.record.id} otherwise than it stands in the journal"

    def test_unicode_comes_back_unharmed(self, rig: Rig) -> None:
        """keeps every script and sign"""
        ids = {text: rig.remember(text) for text in UNICODE}
        for text, record_id in ids.items():
            bodies = {hit.record.id: hit.record.body for hit in rig.hits(text)}
            assert record_id in bodies, f"does not find {text!r} when asked with the same words"
            assert bodies[record_id] == text, f"changes {text!r} to {bodies[record_id]!r}"

    def test_empty_texts_are_harmless(self, rig: Rig) -> None:
        """takes an empty text without harm"""
        for text in ("", " ", "\n"):
            rig.remember(text)
        wanted = rig.remember("Velmark keeps lanterns")
        assert wanted in rig.ids("Velmark keeps lanterns"), "finds nothing any more once an empty text was written"

    def test_huge_texts_are_harmless(self, rig: Rig) -> None:
        """takes a text of 300,000 characters without harm"""
        huge = " ".join(f"{text}." for text in facts(9000))[:300_000]
        rig.remember(huge)
        wanted = rig.remember("Velmark keeps lanterns")
        found = rig.ids("Velmark keeps lanterns")
        assert wanted in found, "finds nothing any more once a huge text was written"

    def test_any_query_is_answered(self, rig: Rig) -> None:
        """answers any query, however odd, without an untyped error"""
        rig.remember_all([rig.draft(text) for text in facts(5)])
        for query in ODD_QUERIES:
            rig.recall(query)
        rig.recall("Velmark", 1_000_000, namespace=("nobody", "here"))
        rig.recall("Velmark", filters={"speaker": ["a", "b"], "kind": "nothing"})

    def test_filters_hold(self, rig: Rig) -> None:
        """returns only what its filters admit"""
        by_ann = rig.remember("Velmark keeps lanterns", speaker="ann", session="one")
        by_bob = rig.remember("Velmark keeps sardines", speaker="bob", session="one")
        for filters, wanted, other in (
            ({"speaker": "ann"}, by_ann, by_bob),
            ({"speaker": ["bob", "cy"], "session": "one"}, by_bob, by_ann),
        ):
            found = rig.ids("Velmark keeps", filters=filters)
            assert other not in found, f"returns what the filters {filters} exclude (use query.admits)"
            assert wanted in found, f"does not find what the filters {filters} admit"
