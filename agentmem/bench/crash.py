"""Kills a writing process at random moments, opens its home again, and looks for anything lost or out of step.

A child process performs mixed writes (remember, batches, correct, retract, archive, undo, purge, recall) and prints a
line for each acknowledged change after its call returned. The parent kills it with SIGKILL at a random moment, opens
the home again, and checks: every acknowledged change is there, the records table is the fold of the log, every view
equals a view built anew, purged words are in no file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentmem.bench.report import Report

_WORDS = tuple(
    "harbour pier office ferry crane tide anchor market bakery library bridge tower garden museum station clinic "
    "school theatre mill quarry orchard vineyard lighthouse chapel foundry depot arcade cellar terrace canal".split(" ")
)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agentmem bench crash", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memories", default="chroma,bm25", help="views that are kept and compared")
    parser.add_argument("--embedder", default="hash", help="a fast one, so that kills fall on writes")
    parser.add_argument("--check-every", type=int, default=10, help="rebuild and compare the views after every N kills")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--child", metavar="HOME", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        return _write_until_killed(Path(options.child), options)
    folder = Path(tempfile.mkdtemp(prefix="agentmem-crash-"))
    try:
        return _campaign(folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _campaign(folder: Path, options: argparse.Namespace) -> int:
    rng = random.Random(options.seed)
    home = folder / "home"
    expected: dict[str, tuple[str, str]] = {}  # record id -> (status, body) as last acknowledged
    purged: list[str] = []
    acknowledged = lost = differ = broken = residue = 0
    started = time.monotonic()
    for kill in range(options.kills):
        lines = _one_life(home, options, seed=rng.randrange(2**31), seconds=rng.uniform(0.0, 1.2))
        acknowledged += len(lines)
        for line in lines:
            expected |= {record_id: (status, body) for record_id, status, body in line["state"]}
            purged += line.get("purged", [])
        check = (kill + 1) % options.check_every == 0 or kill + 1 == options.kills
        found = _inspect(home, options, expected, purged if check else [], compare=check)
        lost += found["lost"]
        differ += found["differ"]
        broken += found["fold"]
        residue += found["residue"]
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{kill + 1}/{options.kills} kills, {acknowledged} acknowledged, {lost} lost\x1b[K")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    figures = {
        "kills": options.kills,
        "acknowledged": acknowledged,
        "lost": lost,
        "views_differ": differ,
        "fold_differs": broken,
        "purge_residue": residue,
    }
    report = Report("crash", {k: v for k, v in vars(options).items() if k not in ("json", "child")})
    report.row(**figures, seconds=round(time.monotonic() - started, 1))
    for name, value in figures.items():
        report.figure(name, value)
    report.finish(options.json)
    return 0 if not (lost or differ or broken or residue) else 1


def _one_life(home: Path, options: argparse.Namespace, *, seed: int, seconds: float) -> list[dict[str, Any]]:
    """Let a child write for a while, kill it, and return what it acknowledged."""
    command = [sys.executable, "-m", "agentmem.bench.crash", "--child", str(home), "--seed", str(seed)]
    command += ["--memories", options.memories, "--embedder", options.embedder]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None, "the child's output is piped"
    first = child.stdout.readline()  # "ready": the home is open; dying before that is part of later lives' recovery
    if first:
        time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    rest, errors = child.communicate()
    if not first:
        raise RuntimeError(f"the writing process failed to open the home: {errors[-2000:]}")
    return [json.loads(line) for line in rest.splitlines() if line.endswith("}")]


def _write_until_killed(home: Path, options: argparse.Namespace) -> int:
    """The child: random writes, each acknowledged by a line once its call has returned."""
    from agentmem.agent import Agent
    from agentmem.errors import AgentmemError
    from agentmem.records import Draft

    rng = random.Random(options.seed)
    agent = Agent.open(home, embedder=options.embedder, memories=tuple(options.memories.split(",")))
    print("ready", flush=True)

    def say(ids: Sequence[str], purged: Sequence[str] = ()) -> None:
        found = agent.home.journal.records.get_many(ids)
        state = [(i, found[i].status.value, found[i].body) if i in found else (i, "purged", "") for i in ids]
        print(json.dumps({"state": state, "purged": list(purged)}), flush=True)

    def text() -> str:
        return " ".join(rng.choices(_WORDS, k=rng.randint(3, 9))) + f" {rng.randrange(10**9)}"

    while True:
        live = [r.id for r in agent.records(newest_first=True, limit=50)]
        action = rng.choices(
            ["one", "batch", "correct", "retract", "archive", "undo", "purge", "recall"], [6, 1, 3, 1, 1, 2, 0.3, 3]
        )[0]
        try:
            if action == "one" or not live:
                say(agent.remember(text(), kind=rng.choice(["fact", "turn"]), thread="t", session="s").record_ids)
            elif action == "batch":
                say(agent.remember_many([Draft(body=text(), namespace=("batch",)) for _ in range(50)]).record_ids)
            elif action == "correct":
                say(agent.correct(rng.choice(live), text()).record_ids)
            elif action in ("retract", "archive"):
                say(getattr(agent, action)(rng.choice(live)).record_ids)
            elif action == "undo":
                say(agent.undo().record_ids)
            elif action == "purge":
                needle = f"needle{rng.getrandbits(60):x}"
                record_id = agent.remember(f"{text()} {needle}").record_id
                agent.recall(needle)  # let every memory take it up first
                say(agent.purge(record_id).record_ids, [needle])
            else:
                agent.recall(text())
        except AgentmemError:
            continue  # later changes stand in the way of an undo; that is an answer, not a loss


def _inspect(
    home: Path,
    options: argparse.Namespace,
    expected: dict[str, tuple[str, str]],
    purged: Sequence[str],
    *,
    compare: bool,
) -> dict[str, int]:
    """Open the home after a kill and count what is wrong. What was not acknowledged may be there or not."""
    from agentmem.agent import Agent
    from agentmem.records import Query

    found = {"lost": 0, "differ": 0, "fold": 0, "residue": 0}
    with Agent.open(home, embedder=options.embedder, memories=tuple(options.memories.split(","))) as agent:
        journal = agent.home.journal
        found["fold"] += journal.fold() != journal.table()
        for record_id, (status, body) in expected.items():
            found["lost"] += not _kept(journal, record_id, status, body)
        if compare:
            queries = [Query(text=word, k=20) for word in _WORDS[::3]]
            for view in agent.home.views.usable():
                live = [[(h.record_id, round(h.score, 4)) for h in view.recall(q).hits] for q in queries]
                view.rebuild()
                anew = [[(h.record_id, round(h.score, 4)) for h in view.recall(q).hits] for q in queries]
                found["differ"] += live != anew
    if purged:
        contents = [p.read_bytes() for p in home.rglob("*") if p.is_file()]
        for needle in purged:
            patterns = (needle.encode(), needle.encode("utf-16-le"))
            found["residue"] += any(pattern in content for content in contents for pattern in patterns)
    return found


def _kept(journal: Any, record_id: str, status: str, body: str) -> bool:
    """Whether an acknowledged state is in the record's history, or the record was purged since."""
    from agentmem.errors import NotFound

    try:
        entries = journal.records.history(record_id)
    except NotFound:
        return False
    if entries[-1].status.value == "purged":
        return True  # by an acknowledged purge, or by one that was done before the kill and finished on opening
    return status != "purged" and (status, body) in {(e.status.value, e.body) for e in entries}


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main(sys.argv[1:]))
