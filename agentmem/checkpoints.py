"""Turns in flight, on disk: LangGraph's checkpoints and which turns are open.

A checkpoint is only kept while its turn runs or was cut off: what has been said is in the journal, and a file of old
states would keep what was purged. Each turn is a LangGraph thread of its own, so that no state of one turn leaks
into the next. One SQLite file; deleted content is overwritten (``secure_delete``).
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.sqlite import SqliteSaver

from agentmem.journal.purge import PurgeJob

FILE_NAME = "turns.db"
_TABLE = """
CREATE TABLE IF NOT EXISTS open_turns (
    id TEXT PRIMARY KEY, thread TEXT NOT NULL, process TEXT NOT NULL, at REAL NOT NULL, start TEXT NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """A turn that has begun and not ended; ``start`` is the state it began with."""

    id: str
    thread: str
    at: float
    start: Mapping[str, Any]
    is_running: bool


def everything(values: Mapping[str, Any]) -> bool:
    """Keeps every step's state."""
    return True


def what_cannot_be_asked_again(values: Mapping[str, Any]) -> bool:
    """Whether a state holds what a model said or a tool did; before that, a turn that was cut off may begin anew."""
    return bool(values.get("steps") or values.get("learned") or values.get("answer"))


class Saver(SqliteSaver):
    """LangGraph's SQLite saver, keeping of each thread the newest checkpoint only, and only states ``worth`` it."""

    def __init__(self, connection: sqlite3.Connection, worth: Callable[[Mapping[str, Any]], bool] = everything) -> None:
        super().__init__(connection)
        self._worth = worth
        self._passed: dict[str, str] = {}  # thread -> id of its newest checkpoint, when that was not kept

    def put(
        self,
        config: Any,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Any:
        keys = config["configurable"]
        place = {
            "thread_id": keys["thread_id"],
            "checkpoint_ns": keys["checkpoint_ns"],
            "checkpoint_id": checkpoint["id"],
        }
        if not self._worth(checkpoint["channel_values"]):
            self._passed[keys["thread_id"]] = checkpoint["id"]
            return {"configurable": place}
        saved = super().put(config, checkpoint, metadata, new_versions)
        older = (str(keys["thread_id"]), keys["checkpoint_ns"], checkpoint["id"])
        with self.cursor() as cursor:
            for table in ("checkpoints", "writes"):
                where = "thread_id = ? AND checkpoint_ns = ? AND checkpoint_id < ?"
                cursor.execute(f"DELETE FROM {table} WHERE {where}", older)
        return saved

    def put_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        keys = config["configurable"]
        if self._passed.get(keys["thread_id"]) != keys["checkpoint_id"]:
            super().put_writes(config, writes, task_id, task_path)

    def forget(self, thread_id: str) -> None:
        """The thread is over."""
        self._passed.pop(thread_id, None)


class TurnStore:
    """The open turns of a home. Thread-safe; several processes may share the file."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float] = time.time,
        worth: Callable[[Mapping[str, Any]], bool] = everything,
    ) -> None:
        self.path = path
        self._now = now
        self._connection = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
        # a killed process loses nothing under NORMAL; only a power cut may lose the last steps of a turn in flight
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON", "busy_timeout=30000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self.saver = Saver(self._connection, worth)
        self.saver.setup()
        with self.saver.cursor() as cursor:
            cursor.execute(_TABLE)

    def close(self) -> None:
        self._connection.close()

    # ---- turns

    def begin(self, turn_id: str, thread: str, start: Mapping[str, Any]) -> None:
        """Note that a turn begins, before anything else of it is written."""
        row = (turn_id, thread, _process(os.getpid()), self._now(), json.dumps(start, ensure_ascii=False))
        with self.saver.cursor() as cursor:
            cursor.execute("INSERT OR REPLACE INTO open_turns VALUES (?, ?, ?, ?, ?)", row)

    def end(self, turn_id: str) -> None:
        """Forget a turn that has been written to the journal or discarded."""
        with self.saver.cursor() as cursor:
            cursor.execute("DELETE FROM open_turns WHERE id = ?", (turn_id,))
            cursor.execute("DELETE FROM checkpoints WHERE thread_id = ?", (turn_id,))
            cursor.execute("DELETE FROM writes WHERE thread_id = ?", (turn_id,))
        self.saver.forget(turn_id)

    def release(self, turn_id: str) -> None:
        """The turn was cut off in this process; it stays open, to be resumed or discarded."""
        with self.saver.cursor() as cursor:
            cursor.execute("UPDATE open_turns SET process = '' WHERE id = ?", (turn_id,))
        self.saver.forget(turn_id)

    def open_turns(self, thread: str | None = None) -> list[OpenTurn]:
        """Turns that have not ended, oldest first."""
        with self.saver.cursor(transaction=False) as cursor:
            rows = cursor.execute("SELECT id, thread, process, at, start FROM open_turns ORDER BY at, id").fetchall()
        return [
            OpenTurn(id_, name, at, json.loads(start), _is_alive(process))
            for id_, name, process, at, start in rows
            if thread is None or name == thread
        ]

    def forget_threads(self, job: PurgeJob) -> Sequence[str]:
        """Drop every turn that was cut off: its state may quote what was purged. Returns what was done, in words."""
        cut = [turn for turn in self.open_turns() if not turn.is_running]
        for turn in cut:
            self.end(turn.id)
        with contextlib.suppress(sqlite3.OperationalError), self.saver.cursor(transaction=False) as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log keeps overwritten pages until then
        running = sum(turn.is_running for turn in self.open_turns())
        notes = [f"{len(cut)} turn(s) that were cut off have been discarded"] if cut else []
        if running:
            notes.append(f"{running} turn(s) that are running may still hold purged text until they end")
        return notes


def erase_turns(folder: Path) -> Callable[[PurgeJob], Sequence[str]]:
    """An eraser for a home: drops what its turns in flight quote of purged records."""

    def erase(job: PurgeJob) -> Sequence[str]:
        if not (folder / FILE_NAME).exists():
            return ()
        with contextlib.closing(TurnStore(folder / FILE_NAME)) as store:
            return store.forget_threads(job)

    return erase


def _process(pid: int) -> str:
    """Names a process for good: boot, process id, and when it started (ids are used again, in containers at once)."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, IndexError):
        return f":{pid}:"
    return f"{boot}:{pid}:{started}"


def _is_alive(process: str) -> bool:
    if not process:
        return False
    pid = int(process.split(":")[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _process(pid) == process
