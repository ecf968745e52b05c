"""What must hold for any sequence of operations: fold, undo, export, and a view that follows equals one built anew."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_journal_verbs import open_journal

from agentmem.errors import Refused
from agentmem.journal import Journal
from agentmem.journal.transfer import export, import_
from agentmem.records import Change, Draft, Status

OPERATIONS = ("turn", "fact", "derive", "supersede", "correct", "retract", "archive", "restore", "undo", "pending")


class FollowingView:
    """Holds the text of what is live, as any memory would."""

    def __init__(self) -> None:
        self.seq = 0
        self.texts: dict[str, str] = {}

    def catch_up(self, journal: Journal, batch: int) -> None:
        while True:
            changes, upto = journal.feed.read(self.seq, batch, kinds=["turn", "fact", "triple"], view="v")
            for change in changes:
                self._apply(change)
            if upto == self.seq:
                return
            self.seq = upto

    def _apply(self, change: Change) -> None:
        if change.record is None:
            self.texts.pop(change.record_id, None)
        else:
            self.texts[change.record_id] = change.text


def perform(journal: Journal, operation: str, rng: random.Random, receipts: list[str]) -> None:
    """One random operation; refusals are part of the game."""
    live = [r.id for r in journal.records.find()]
    every = [r.id for r in journal.records.find(statuses=list(Status))]

    def write(draft: Draft, **keywords: object) -> None:
        receipts.append(journal.write([draft], **keywords).id)  # type: ignore[arg-type]

    one = rng.choice(live) if live else None
    body = f"body {rng.randrange(10)}"
    actions: dict[str, Callable[[], None]] = {
        "turn": lambda: write(Draft(body=body, kind="turn", thread="t", session=f"s{rng.randrange(2)}", speaker="A")),
        "fact": lambda: write(Draft(body=body, namespace=("n", str(rng.randrange(2))))),
        "pending": lambda: write(Draft(body=body), status=Status.PENDING),
        "derive": lambda: receipts.append(
            journal.propose([Draft(body=body, kind="triple", derived_from=(one,))], actor="memory:m").id
        ),
        "supersede": lambda: write(Draft(body=body, supersedes=(one,))),
        "correct": lambda: receipts.append(journal.correct(one, body).id),
        "retract": lambda: receipts.append(journal.set_status(one, "retract").id),
        "archive": lambda: receipts.append(journal.set_status(one, "archive").id),
        "restore": lambda: receipts.append(journal.set_status(rng.choice(every), "restore").id),
        "undo": lambda: receipts.append(journal.undo(rng.choice(receipts), cascade=rng.random() < 0.3).id),
    }
    needs_live = operation in ("derive", "supersede", "correct", "retract", "archive")
    if (needs_live and not live) or (operation in ("restore", "undo") and not (every and receipts)):
        return
    # later changes may stand in the way, and a receipt may have changed nothing
    with contextlib.suppress(Refused, LookupError):
        actions[operation]()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(OPERATIONS), max_size=25), st.integers(0, 10_000), st.integers(1, 7))
def test_any_history_folds_follows_and_can_be_taken_back(operations: list[str], seed: int, batch: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = open_journal(Path(folder) / "home", seed)
        rng = random.Random(seed)
        empty = journal.state_hash()
        receipts: list[str] = []
        view = FollowingView()
        for operation in operations:
            perform(journal, operation, rng, receipts)
            if rng.random() < 0.5:
                view.catch_up(journal, batch)
        view.catch_up(journal, batch)

        assert journal.fold() == journal.table()
        rebuilt = FollowingView()
        rebuilt.catch_up(journal, 1000)
        assert view.texts == rebuilt.texts

        export(journal, Path(folder) / "out", log=True)
        other = open_journal(Path(folder) / "other", seed + 1)
        import_(other, Path(folder) / "out")
        export(other, Path(folder) / "out2", log=True)
        assert (Path(folder) / "out" / "log.jsonl").read_bytes() == (Path(folder) / "out2" / "log.jsonl").read_bytes()
        assert other.state_hash() == journal.state_hash()
        other.close()

        # newest first: nothing stands in the way of the one that is taken back
        for transaction in journal.records.transactions(limit=1000):
            journal.undo(transaction.id)
        assert journal.state_hash() == empty
        view.catch_up(journal, batch)
        assert view.texts == {}
        journal.close()


def test_a_state_goes_into_another_home_and_comes_out_the_same(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "one")
    first = journal.write([Draft(body="a", blobs={"w": b"12"}), Draft(body="b", namespace=("x",))])
    journal.correct(first.record_ids[1], "c")
    export(journal, tmp_path / "out")
    other = open_journal(tmp_path / "two", 2)
    other.write([Draft(body="already here")])
    before = other.state_hash()
    receipt = import_(other, tmp_path / "out")
    assert {r.body for r in other.records.find()} == {"a", "c", "already here"}
    other.undo(receipt.id)
    assert other.state_hash() == before
    third = open_journal(tmp_path / "three", 3)
    import_(third, tmp_path / "out")
    export(third, tmp_path / "again")
    assert (tmp_path / "out" / "state.jsonl").read_bytes() == (tmp_path / "again" / "state.jsonl").read_bytes()
    for each in (journal, other, third):
        each.close()
