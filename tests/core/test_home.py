"""A home and its views: isolation of plugins, catching up, ownership, purge on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentmem.contract import Capability, Memory, RebuildRequested
from agentmem.errors import AgentmemError, HomeBusy
from agentmem.home import Home
from agentmem.records import Change, Draft, Event, Hit, Proposal, Query, Recall


class Plain(Memory):
    """Words in a dictionary, kept in memory only."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.texts: dict[str, str] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.record is None:
                self.texts.pop(change.record_id, None)
            else:
                self.texts[change.record_id] = change.text

    def recall(self, query: Query) -> Recall:
        wanted = set(query.text.casefold().split())
        scored = [(len(wanted & set(text.casefold().split())), i) for i, text in self.texts.items()]
        best = sorted(((n, i) for n, i in scored if n), key=lambda x: (-x[0], x[1]))[: query.k]
        records = self.context.records.get_many([i for _, i in best])
        return Recall(hits=tuple(Hit(records[i], float(n)) for n, i in best))


class OnDisk(Plain):
    """The same, with a file of texts that an erase must rewrite."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)
        path = self.context.data_dir / "texts"
        self.texts = dict(line.split("\t", 1) for line in path.read_text().splitlines()) if path.exists() else {}

    @property
    def applied(self) -> int:
        path = self.context.data_dir / "applied"
        return int(path.read_text()) if path.exists() else 0

    @applied.setter
    def applied(self, seq: int) -> None:
        lines = [f"{i}\t{' '.join(text.split())}" for i, text in self.texts.items()]
        (self.context.data_dir / "texts").write_text("\n".join(lines))
        (self.context.data_dir / "applied").write_text(str(seq))

    def erase(self) -> None:
        raise RebuildRequested


class Failing(Plain):
    def recall(self, query: Query) -> Recall:
        raise ZeroDivisionError("no")


class Wrong(Plain):
    def recall(self, query: Query) -> Recall:
        return ["not a recall"]  # type: ignore[return-value]


class Hanging(Plain):
    def recall(self, query: Query) -> Recall:
        time.sleep(30)
        return Recall()


class Unbuildable(Plain):
    def __init__(self, *given: object) -> None:
        raise RuntimeError("cannot be made")


class Picky(Plain):
    """Cannot take one particular text."""

    def apply(self, changes: Sequence[Change]) -> None:
        if any("poison" in change.text for change in changes):
            raise ValueError("poisoned")
        super().apply(changes)


class Deriving(Plain):
    def observe(self, event: Event) -> Sequence[Proposal]:
        return [Draft(body=f"note on {r.body}", kind="note", derived_from=(r.id,)) for r in event.records]


def bodies(home: Home, text: str, name: str = "plain") -> list[str]:
    (found,) = home.recall(Query(text=text), [name])
    assert found.error is None, found.error
    return [hit.record.body for hit in found.hits]


def test_what_is_written_is_recalled_corrected_and_taken_back(tmp_path: Path) -> None:
    with Home.open(tmp_path, memories={"plain": Plain}) as home:
        first = home.write([Draft(body="office at pier four")])
        assert bodies(home, "office") == ["office at pier four"]
        home.journal.correct(first.record_id, "office at pier six")
        assert bodies(home, "office") == ["office at pier six"]
        home.journal.undo(first.id, cascade=True)
        assert bodies(home, "office") == []


@pytest.mark.parametrize(
    ("cls", "said"),
    [(Failing, "ZeroDivisionError"), (Wrong, "instead of a Recall"), (Hanging, "no answer within")],
)
def test_a_memory_that_fails_does_so_alone(tmp_path: Path, cls: type[Memory], said: str) -> None:
    settings = None
    with Home.open(tmp_path, settings, memories={"plain": Plain, "bad": cls}) as home:
        object.__setattr__(home.settings, "recall_timeout_s", 0.5)
        home.write([Draft(body="still here")])
        good, bad = home.recall(Query(text="still"), ["plain", "bad"])
        assert [hit.record.body for hit in good.hits] == ["still here"]
        assert bad.error is not None
        assert said in bad.error
        if cls is Hanging:  # the next question does not wait for it again
            started = time.monotonic()
            home.recall(Query(text="still"), ["plain", "bad"])
            assert time.monotonic() - started < 0.4
        home.abandon()


def test_a_memory_that_cannot_be_made_is_named_and_left_out(tmp_path: Path) -> None:
    with Home.open(tmp_path, memories={"plain": Plain, "bad": Unbuildable}) as home:
        home.write([Draft(body="fine")])
        assert [r.memory for r in home.recall(Query(text="fine"))] == ["plain"]
        assert "cannot be made" in home.views.faults["bad"]


def test_a_change_that_a_view_cannot_apply_is_set_aside_and_the_view_goes_on(tmp_path: Path) -> None:
    with Home.open(tmp_path, memories={"plain": Picky}) as home:
        home.write([Draft(body=f"good {i}") for i in range(5)] + [Draft(body="poison")] + [Draft(body="good last")])
        assert len(bodies(home, "good")) == 6
        (row,) = home.journal.put_aside_rows("plain")
        assert "poisoned" in row.error


def test_derived_records_follow_their_source(tmp_path: Path) -> None:
    with Home.open(tmp_path, memories={"plain": Deriving}) as home:
        receipt = home.write([Draft(body="the source", kind="turn")])
        home.observe(Event(kind="turn", records=tuple(home.journal.records.get_many(receipt.record_ids).values())))
        assert bodies(home, "note") == ["note on the source"]
        home.journal.undo(receipt.id)
        assert bodies(home, "note") == []


def test_a_view_catches_up_after_a_crash_between_append_and_apply(tmp_path: Path) -> None:
    home = Home.open(tmp_path, memories={"plain": OnDisk})
    home.write([Draft(body="first")])
    assert bodies(home, "first") == ["first"]
    home.write([Draft(body="second")])
    home.abandon()
    with Home.open(tmp_path, memories={"plain": OnDisk}) as home:
        assert bodies(home, "second") == ["second"]


def test_a_purge_leaves_the_text_in_no_file_and_says_what_is_out_of_reach(tmp_path: Path) -> None:
    with Home.open(tmp_path, memories={"plain": OnDisk}) as home:
        doomed = home.write([Draft(body="the quokkasecret number is nine")])
        home.write([Draft(body="harmless")])
        assert bodies(home, "quokkasecret")
        receipt = home.purge(doomed.record_ids)
        assert bodies(home, "quokkasecret") == []
        assert any("out of reach" in note for note in receipt.notes)
        assert not any("still" in note for note in receipt.notes)
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or b"quokkasecret" not in path.read_bytes(), path


def test_a_purge_that_was_cut_off_is_finished_on_opening(tmp_path: Path) -> None:
    home = Home.open(tmp_path, memories={"plain": OnDisk})
    doomed = home.write([Draft(body="the quokkasecret number")])
    assert bodies(home, "quokkasecret")
    home.journal.purge(doomed.record_ids)  # the logical half; then the process dies
    home.abandon()
    assert b"quokkasecret" in (tmp_path / "memories" / "plain" / "texts").read_bytes()
    with Home.open(tmp_path, memories={"plain": OnDisk}) as home:
        assert home.journal.open_jobs() == []
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"quokkasecret" not in path.read_bytes(), path


def test_readonly_leaves_no_trace(tmp_path: Path) -> None:
    with Home.open(tmp_path, memories={"plain": OnDisk}) as home:
        home.write([Draft(body="something")])
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with Home.open(tmp_path, memories={"plain": OnDisk}, readonly=True) as home:
        assert bodies(home, "something") == ["something"]
        with pytest.raises(AgentmemError, match="read-only"):
            home.write([Draft(body="no")])
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm"))}
    assert after == before


OTHER = """
import sys, time
from pathlib import Path
from agentmem.home import Home
from agentmem.contract import Memory
from agentmem.records import Draft
home = Home.open(Path(sys.argv[1]), memories={})
print("open", home.is_owner, flush=True)
for i in range(int(sys.argv[2])):
    home.write([Draft(body=f"other {i}")])
print("done", flush=True)
time.sleep(float(sys.argv[3]))
"""


def start_other(folder: Path, writes: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OTHER, str(folder), str(writes), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_one_home_and_nothing_is_lost(tmp_path: Path) -> None:
    other = start_other(tmp_path, 40, 30.0)
    assert other.stdout.readline().startswith("open True")
    with Home.open(tmp_path, memories={"plain": Plain}) as home:
        assert not home.is_owner
        for i in range(40):
            home.write([Draft(body=f"ours {i}")])
        assert other.stdout.readline() == "done\n"
        assert home.journal.records.count() == 80
        (found,) = home.recall(Query(text="ours"), ["plain"])
        assert str(other.pid) in found.abstain
        with pytest.raises(HomeBusy, match=f"process {other.pid} holds"):
            home.purge([next(home.journal.records.find()).id])
        os.kill(other.pid, signal.SIGKILL)  # the kernel drops its lock
        other.wait()
        assert len(bodies(home, "ours")) == 10
        assert home.is_owner
    other.stdout.close()


def test_a_memory_that_can_be_shared_answers_in_a_second_process(tmp_path: Path) -> None:
    class Shared(Plain):
        capabilities = Capability.SHARED_READ

    other = start_other(tmp_path, 3, 30.0)
    assert other.stdout.readline().startswith("open")
    assert other.stdout.readline() == "done\n"
    with Home.open(tmp_path, memories={"plain": Shared}) as home:
        assert len(bodies(home, "other")) == 3
    other.kill()
    other.wait()
    other.stdout.close()
