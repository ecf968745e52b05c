"""The guards and fakes of the kit do what they say."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agentmem.contract import Message
from agentmem.errors import BudgetExceeded, ModelError
from agentmem.testing import (
    CountingBudget,
    ScriptedChat,
    SeededIds,
    SettableClock,
    Snapshot,
    files_with,
    guarded,
)
from agentmem.testing.guards import ConnectionForbidden


def test_a_write_outside_is_noted_and_one_inside_is_not(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    with guarded(inside) as guard:
        (inside / "a.txt").write_text("a")
        (inside / "a.txt").rename(inside / "b.txt")
        (inside / "b.txt").read_text()
        sqlite3.connect(":memory:").close()
    assert guard.writes == []
    with guarded(inside) as guard:
        (outside / "a.txt").write_text("a")
        (inside / "b.txt").rename(outside / "b.txt")
        (outside / "sub").mkdir()
        sqlite3.connect(outside / "c.db").close()
        os.remove(outside / "a.txt")
    assert {Path(path).name for path in guard.writes} == {"a.txt", "b.txt", "sub", "c.db"}


def test_nothing_is_watched_after_the_block(tmp_path: Path) -> None:
    with guarded(tmp_path / "in") as guard:
        pass
    (tmp_path / "free.txt").write_text("free")
    assert guard.writes == []


def test_guards_of_several_threads_may_end_in_any_order(tmp_path: Path) -> None:
    first, second = guarded(tmp_path), guarded(tmp_path)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    socket.getaddrinfo("127.0.0.1", 9)  # nobody watches any more


def send_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.sendto(b"x", ("127.0.0.1", 9))


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(("127.0.0.1", 9), timeout=0.1),
        lambda: socket.getaddrinfo("host.invalid", 80),
        send_datagram,
    ],
    ids=["connect", "name", "datagram"],
)
def test_a_connection_is_refused_and_noted(reach: Callable[[], object], tmp_path: Path) -> None:
    with guarded(tmp_path) as guard, pytest.raises(ConnectionForbidden):
        reach()
    assert len(guard.connections) == 1


def test_a_word_is_found_in_any_encoding_and_in_file_names(tmp_path: Path) -> None:
    (tmp_path / "eight").write_bytes("…needle…".encode())
    (tmp_path / "sixteen").write_bytes("…needle…".encode("utf-16-be"))
    (tmp_path / "loud").write_bytes(b"NEEDLE")
    (tmp_path / "needle.txt").write_bytes(b"")
    (tmp_path / "hay").write_bytes(b"hay")
    assert files_with(tmp_path, "needle") == ["eight", "loud", "needle.txt", "sixteen"]


def test_a_snapshot_tells_what_was_added_changed_and_removed(tmp_path: Path) -> None:
    for name in ("kept", "changed", "removed"):
        (tmp_path / name).write_text(name)
    before = Snapshot.of(tmp_path)
    (tmp_path / "changed").write_text("otherwise")
    (tmp_path / "removed").unlink()
    (tmp_path / "added").write_text("new")
    assert before.difference(Snapshot.of(tmp_path)) == ["added (added)", "changed (changed)", "removed (removed)"]


def test_a_scripted_chat_replies_in_turn_and_refuses_where_it_may_not_be_called() -> None:
    chat = ScriptedChat(["one", lambda messages: messages[-1].content.upper()], default="rest")
    asked = [Message("user", "hello")]
    assert [chat.chat(asked) for _ in range(3)] == ["one", "HELLO", "rest"]
    assert len(chat.calls) == 3
    chat.forbidden = "apply"
    with pytest.raises(ModelError, match="in apply"):
        chat.chat(asked)
    assert chat.refused == ["apply"]


def test_time_and_ids_are_the_same_in_every_run() -> None:
    assert [SeededIds(3)() for _ in range(2)] == [SeededIds(3)(), SeededIds(3)()]
    clock = SettableClock(100.0)
    assert clock.advance(days=1, hours=1, seconds=1) == clock.now() == 100 + 90_001


def test_a_budget_refuses_what_goes_past_it_and_charges_nothing_then() -> None:
    budget = CountingBudget(calls=1)
    budget.charge(calls=1, tokens=50)
    with pytest.raises(BudgetExceeded):
        budget.charge(calls=1, tokens=50)
    assert budget.used["tokens"] == 50
    assert budget.left() == {"calls": 0}
