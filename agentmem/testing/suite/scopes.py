"""Namespaces keep apart what belongs apart, and so do two instances of one class."""

from __future__ import annotations

from agentmem.testing.rig import Rig
from agentmem.testing.sentences import facts
from agentmem.testing.suite.base import NewRig, SuiteBase


class Scopes(SuiteBase):
    def test_a_namespace_never_leaks(self, rig: Rig) -> None:
        """recalls nothing from another namespace"""
        text = "Velmark keeps lanterns"
        places = [("ann",), ("bob",), ("ann", "work"), ("ann", "home"), ("an",), ("annex",), ("bob", "ann"), ("a/b",)]
        ids = {place: rig.remember(text, namespace=place) for place in places}
        for scope in (("ann",), ("bob",), ("ann", "work"), ("an",), ("a/b",), ("a",), ("nobody",)):
            found = set(rig.ids(text, namespace=scope))
            for place, record_id in ids.items():
                if place[: len(scope)] != scope:
                    assert record_id not in found, f"leaks a namespace: {place} is recalled from the scope {scope}"

    def test_a_prefix_is_a_scope(self, rig: Rig) -> None:
        """recalls all that lies below a namespace"""
        text = "Velmark keeps lanterns"
        places = [(), ("ann",), ("ann", "work"), ("ann", "work", "late"), ("bob",)]
        ids = {place: rig.remember(text, namespace=place) for place in places}
        for scope in ((), ("ann",), ("ann", "work"), ("ann", "work", "late")):
            found = set(rig.ids(text, namespace=scope))
            for place, record_id in ids.items():
                if place[: len(scope)] == scope:
                    assert record_id in found, f"does not find what lies in {place} from the scope {scope} above it"

    def test_a_small_namespace_is_not_crowded_out(self, rig: Rig) -> None:
        """finds the few records of a namespace among many of others"""
        rig.remember_all([rig.draft(f"{text} in town", namespace=("crowd",)) for text in facts(300)])
        wanted = rig.remember("Velmark keeps lanterns in town", namespace=("few",))
        found = rig.ids("Velmark keeps lanterns in town", 3, namespace=("few",))
        assert wanted in found, "does not find the one record of a namespace among many of others (filter before k)"

    def test_two_instances_share_nothing(self, new_rig: NewRig) -> None:
        """keeps no state in its class"""
        one, two = new_rig("one"), new_rig("two")
        mine = one.remember("Velmark keeps lanterns")
        theirs = two.remember("Osterby keeps sardines")
        for rig, foreign, text in ((one, theirs, "Osterby keeps sardines"), (two, mine, "Velmark keeps lanterns")):
            assert foreign not in rig.ids(text), "keeps class-level state: one instance recalls a record of another"
        for rig, own, text in ((one, mine, "Velmark keeps lanterns"), (two, theirs, "Osterby keeps sardines")):
            assert own in rig.ids(text), "keeps class-level state: an instance loses its records to another"
        two.rebuild()
        assert mine in one.ids("Velmark keeps lanterns"), "keeps class-level state: rebuilding one empties another"
