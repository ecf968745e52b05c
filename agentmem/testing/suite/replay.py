"""A memory is a view: it can be closed, killed, replayed and rebuilt, and is the same each time."""

from __future__ import annotations

import random

from agentmem.testing.rig import Rig
from agentmem.testing.sentences import facts
from agentmem.testing.suite.base import SuiteBase, compare, search


def live_a_little(rig: Rig, steps: int = 60, seed: int = 7) -> list[str]:
    """Random writes, corrections and deletes, each applied at once; returns queries about them."""
    rng, texts = random.Random(seed), facts(steps * 2)
    ids = rig.remember_all([rig.draft(text) for text in texts[:10]])
    for step in range(steps):
        text = texts[10 + step]
        match rng.randrange(5):
            case 0 | 1:
                ids.append(rig.remember(text))
            case 2:
                rig.correct(rng.choice(ids), text)
            case 3:
                rig.retract(rng.choice(ids))
            case 4:
                rig.restore(rng.choice(ids))
    return texts[: 10 + steps : 5]


class Replay(SuiteBase):
    def test_it_remembers_after_reopening(self, rig: Rig) -> None:
        """remembers after it is closed and opened again"""
        queries = facts(10)
        ids = rig.remember_all([rig.draft(text) for text in queries])
        then, before = rig.clock.now(), search(rig, queries)
        rig.reopen()
        assert ids[4] in rig.ids(queries[4]), "forgets after reopening"
        why = compare(rig.memory, before, search(rig, queries, at=then))
        assert not why, f"answers otherwise after reopening: {why}"

    def test_it_catches_up_after_a_crash_before_apply(self, rig: Rig) -> None:
        """catches up after a crash between append and apply"""
        rig.remember_all([rig.draft(text) for text in facts(10)])
        late = rig.append(rig.draft("Velmark keeps compasses and sextants"))[0]
        after = rig.crash(rig.root.with_name("after"))
        after.catch_up()
        assert late in after.ids("Velmark keeps compasses and sextants"), (
            "misses after a crash what was appended before it"
        )
        after.close()

    def test_it_survives_a_crash_between_apply_and_cursor(self, rig: Rig) -> None:
        """is the same after a crash between apply and the move of its cursor"""
        texts = facts(10)
        rig.remember_all([rig.draft(text) for text in texts])
        rig.append(rig.draft("Velmark keeps compasses and sextants"))
        rig.apply(rig.changes(rig.memory.applied))
        after = rig.crash(rig.root.with_name("after"))
        after.catch_up()
        rig.catch_up()
        why = compare(rig.memory, search(rig, texts), search(after, texts))
        assert not why, f"differs after a crash between apply and its cursor: {why}"
        after.close()

    def test_applying_a_change_twice_changes_nothing(self, rig: Rig) -> None:
        """takes a change that comes again as one"""
        queries = facts(12)
        rig.remember_all([rig.draft(text) for text in queries])
        then, before = rig.clock.now(), search(rig, queries)
        rig.apply(rig.changes())
        rig.apply(rig.changes()[-3:])
        why = compare(rig.memory, before, search(rig, queries, at=then))
        assert not why, f"applies a change twice: {why}"

    def test_batches_of_any_size_give_the_same_index(self, rig: Rig) -> None:
        """depends on no size of batches"""
        queries = live_a_little(rig, steps=40)
        then, wanted = rig.clock.now(), search(rig, queries)
        for size in (1, 3, 1000):
            other = rig.copy(rig.root.with_name(f"batches-of-{size}"))
            other.catch_up(size)
            why = compare(rig.memory, wanted, search(other, queries, at=then))
            other.close()
            assert not why, f"depends on the order or size of batches: in batches of {size}, {why}"

    def test_only_the_live_set_matters(self, rig: Rig) -> None:
        """depends on what is live, not on the way there"""
        texts = facts(12)
        ids = rig.append(*(rig.draft(text) for text in texts))
        rig.catch_up()
        straight = rig.clock.now(), search(rig, texts)
        for record_id in reversed(ids[2:9]):
            rig.retract(record_id)
        for record_id in (*ids[5:9], *ids[2:5]):
            rig.restore(record_id)
        why = compare(rig.memory, straight[1], search(rig, texts, at=straight[0]))
        assert not why, f"depends on the way to its live set: {why}"

    def test_replay_equals_live(self, rig: Rig) -> None:
        """is the same when its changes are replayed"""
        queries = live_a_little(rig)
        then, live = rig.clock.now(), search(rig, queries)
        other = rig.copy(rig.root.with_name("replay"))
        other.catch_up()
        why = compare(rig.memory, live, search(other, queries, at=then))
        other.close()
        assert not why, f"differs from its replay: {why}"

    def test_a_rebuild_equals_the_live_index(self, rig: Rig) -> None:
        """is the same when it is built anew"""
        queries = live_a_little(rig, seed=11)
        then, live = rig.clock.now(), search(rig, queries)
        rig.rebuild()
        why = compare(rig.memory, live, search(rig, queries, at=then))
        assert not why, f"differs from its rebuild: {why}"
