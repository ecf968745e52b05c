"""The four deletes: retract, archive, purge, undo; and what was true at an earlier time."""

from __future__ import annotations

import secrets

import pytest

from agentmem.contract import Capability
from agentmem.testing.guards import files_with
from agentmem.testing.rig import Rig
from agentmem.testing.sentences import facts
from agentmem.testing.suite.base import SuiteBase, also_for_weights, compare, search


class Deletes(SuiteBase):
    def test_a_retracted_record_is_not_recalled(self, rig: Rig) -> None:
        """does not recall what was retracted"""
        gone, stays = (rig.remember(text) for text in ("Velmark keeps lanterns", "Velmark keeps sardines"))
        rig.retract(gone)
        found = rig.ids("Velmark keeps lanterns")
        assert gone not in found, "recalls a retracted record"
        assert stays in found, "loses another record when one is retracted"
        rig.reopen()
        assert gone not in rig.ids("Velmark keeps lanterns"), "recalls a retracted record after reopening"

    def test_an_archived_record_comes_back_when_restored(self, rig: Rig) -> None:
        """does not recall what was archived until it is restored"""
        record_id = rig.remember("Velmark keeps lanterns")
        rig.archive(record_id)
        assert record_id not in rig.ids("Velmark keeps lanterns"), "recalls an archived record"
        rig.restore(record_id)
        assert record_id in rig.ids("Velmark keeps lanterns"), "does not find an archived record once it is restored"

    def test_a_superseded_record_is_not_recalled(self, rig: Rig) -> None:
        """does not recall what was superseded"""
        old = rig.remember("Velmark moved to windmills")
        new = rig.remember("Velmark moved to cathedrals", supersedes=(old,))
        found = rig.ids("Velmark moved to")
        assert old not in found, "recalls a superseded record"
        assert new in found, "does not find the record that superseded another"

    def test_a_purged_record_is_not_recalled(self, rig: Rig) -> None:
        """does not recall what was purged"""
        gone, stays = (rig.remember(text) for text in ("Velmark keeps lanterns", "Osterby keeps sardines"))
        rig.purge(gone)
        assert gone not in rig.ids("Velmark keeps lanterns"), "recalls a purged record"
        assert stays in rig.ids("Osterby keeps sardines"), "loses another record when one is purged"
        rig.reopen()
        assert gone not in rig.ids("Velmark keeps lanterns"), "recalls a purged record after reopening"

    @also_for_weights
    def test_a_purged_text_is_in_no_file(self, rig: Rig) -> None:
        """keeps no purged text in its files"""
        needles = ["qz" + secrets.token_hex(8) for _ in range(3)]
        ids = [rig.remember(f"Velmark keeps {needle}") for needle in needles]
        rig.remember_all([rig.draft(text) for text in facts(10)])
        rig.reopen()  # so that whatever is buffered reaches the files
        rig.correct(ids[1], "Velmark keeps nothing of the kind")  # its earlier body has to go as well
        rig.retract(ids[2])
        for record_id in ids:
            rig.purge(record_id)
        rig.close()
        for needle in needles:
            found = files_with(rig.data_dir, needle)
            assert not found, f"keeps the purged text in its files: {', '.join(found[:3])}"

    def test_undo_restores_search_for_search(self, rig: Rig) -> None:
        """finds after an undo what it found before"""
        texts = facts(30)
        ids = rig.remember_all([rig.draft(text) for text in texts])
        then, before = rig.clock.now(), search(rig, texts[::3])
        done = [
            rig.correct(ids[3], "Quillon keeps nothing but turnstiles"),
            rig.retract(ids[6]),
            rig.archive(ids[9]),
            rig.correct(ids[3], "Quillon lives in haystacks"),
            rig.home.write([rig.draft("Velmark keeps everything it finds")]).id,
        ]
        for transaction in reversed(done):
            rig.undo(transaction)
        why = compare(rig.memory, before, search(rig, texts[::3], at=then))
        assert not why, f"does not find after an undo what it found before: {why}"

    def test_an_undo_can_be_undone(self, rig: Rig) -> None:
        """follows an undo and its undo"""
        record_id = rig.remember("Velmark keeps lanterns")
        undone = rig.undo(rig.correct(record_id, "Velmark keeps sardines"))
        assert "Velmark keeps lanterns" in [hit.record.body for hit in rig.hits("Velmark keeps lanterns")], (
            "does not find the text that an undo brought back"
        )
        rig.undo(undone)
        assert "Velmark keeps sardines" in [hit.record.body for hit in rig.hits("Velmark keeps sardines")], (
            "does not follow the undo of an undo"
        )

    def test_as_of_answers_from_that_time(self, rig: Rig) -> None:
        """answers as_of from that time, when it declares AS_OF"""
        _needs_as_of(rig)
        record_id = rig.remember("Velmark keeps lanterns")
        dropped = rig.remember("Osterby keeps sardines")
        then = rig.clock.now()
        rig.correct(record_id, "Velmark keeps turnstiles")
        rig.retract(dropped)
        later = rig.remember("Velmark keeps lanterns and kites")
        for when in ("", " once it is rebuilt"):
            past = {hit.record.id: hit.record.body for hit in rig.hits("Velmark keeps lanterns", as_of=then)}
            assert later not in past, f"ignores as_of{when}: recalls a record from after that time"
            assert past.get(record_id) == "Velmark keeps lanterns", f"ignores as_of{when}: misses the text of that time"
            assert dropped in rig.ids("Osterby keeps sardines", as_of=then), (
                f"ignores as_of{when}: does not recall what was retracted only later"
            )
            assert not rig.ids("Velmark keeps lanterns", as_of=then - 10_000), f"ignores as_of{when}: recalls too early"
            rig.rebuild()
        now = {hit.record.id: hit.record.body for hit in rig.hits("Velmark keeps turnstiles")}
        assert now.get(record_id) == "Velmark keeps turnstiles", "answers the present from the past"

    def test_as_of_never_shows_what_was_purged(self, rig: Rig) -> None:
        """does not recall what was purged for any time, when it declares AS_OF"""
        _needs_as_of(rig)
        record_id = rig.remember("Velmark keeps lanterns")
        then = rig.clock.now()
        rig.purge(record_id)
        assert record_id not in rig.ids("Velmark keeps lanterns", as_of=then), "recalls a purged record as of the past"


def _needs_as_of(rig: Rig) -> None:
    if Capability.AS_OF not in rig.memory.capabilities:
        pytest.skip(f"{rig.memory.name} does not declare AS_OF; the core answers for earlier times")
