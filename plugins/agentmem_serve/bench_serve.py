"""Recalls over HTTP: how many a second, how long each takes, what each costs, beside the same recalls in this process.

A home of made-up sentences is filled, ``agentmem serve`` started on it as a process of its own, and asked at a steady
rate by an asyncio client in a third process: first with the questions' vectors given, then with texts to embed. Latency
counts from the moment at which a request was due, so a server that falls behind is not flattered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentmem.bench.overhead import World
from agentmem.bench.report import Report, percentile

_BATCH = 1_000
_WARM, _DIRECT = 200, 300  # recalls in this process before the timed ones, and those
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as the server sets it for itself
_MAIN = "import sys; from agentmem.cli import main; sys.exit(main())"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agentmem bench serve", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200.0, help="recalls a second with vectors given")
    parser.add_argument("--embed-rate", type=float, default=50.0, help="recalls a second with texts to embed; 0: none")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--connections", type=int, default=16, help="kept alive, used in turn")
    parser.add_argument(
        "--memories", default="chroma,bm25,context", help="of the home; the router asks those that rank"
    )
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--home", metavar="DIR", help="keep the home here and use it again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--load", metavar="PLAN", help=argparse.SUPPRESS)
    parser.add_argument("--prepare", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.prepare:
        return _prepare(Path(options.home), Path(options.prepare), options)
    if options.load:
        return _load(Path(options.load), options.first)
    report = Report(
        "serve", {k: v for k, v in vars(options).items() if k not in ("json", "load", "first", "prepare", "home")}
    )
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(options.home or Path(scratch) / "home")
        runs = [("vectors given", "vector", options.rate), ("embedding", "embed", options.embed_rate)]
        world = World(options.seed)
        direct = _prepared(home, Path(scratch), argv)
        for name, short, rate in runs:
            if rate > 0:
                _measure(report, home, Path(scratch), options, world, direct, name=name, short=short, rate=rate)
    report.finish(options.json)
    return 0


def _prepared(home: Path, scratch: Path, argv: Sequence[str]) -> dict[str, Any]:
    """The home filled, questions with their vectors, and direct recalls timed, in a process set up like the server."""
    file = scratch / "prepared.json"
    command = [sys.executable, "-m", "agentmem_serve.bench_serve", *argv, "--home", str(home), "--prepare", str(file)]
    subprocess.run(command, check=True, env={**os.environ, **_ONE_THREAD})
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _prepare(home: Path, file: Path, options: argparse.Namespace) -> int:
    from agentmem.agent import Agent
    from agentmem.records import Draft

    world = World(options.seed)
    memories = tuple(name.strip() for name in options.memories.split(","))
    with Agent.open(home, memories=memories, embedder=options.embedder) as agent:
        for start in range(agent.home.journal.records.count(), options.records, _BATCH):
            size = min(_BATCH, options.records - start)
            agent.remember_many([Draft(body=world.sentence()) for _ in range(size)])
            agent.home.views.catch_up()
        count = max(_DIRECT + _WARM, min(2_000, int(options.rate * options.seconds)))
        questions = [world.sentence() for _ in range(count)]
        vectors = agent.home.embedder.embed(questions)
        packed = [base64.b64encode(v.astype("<f4").tobytes()).decode() for v in vectors]
        found: dict[str, Any] = {"questions": questions, "vectors": packed}
        for question, vector in zip(questions[:_WARM], vectors, strict=False):
            agent.recall(question, vector=vector)
        for short in ("vector", "embed"):
            used, took = time.process_time(), []
            for i in range(_WARM, _WARM + _DIRECT):
                question = questions[i] if short == "vector" else world.sentence()
                started = time.perf_counter()
                agent.recall(question, vector=vectors[i] if short == "vector" else None)
                took.append(1000 * (time.perf_counter() - started))
            found[short] = (took, 1000 * (time.process_time() - used) / len(took))
    file.write_text(json.dumps(found))
    return 0


def _measure(
    report: Report,
    home: Path,
    scratch: Path,
    options: argparse.Namespace,
    world: World,
    direct: dict[str, Any],
    *,
    name: str,
    short: str,
    rate: float,
) -> None:
    server, port = _serve(home, options)
    try:
        bodies = _bodies(short, world, direct, int(rate * options.seconds))
        plan = scratch / f"plan-{short}.json"
        plan.write_text(json.dumps({"port": port, "rate": rate, "connections": options.connections, "bodies": bodies}))
        for warm in (True, False):
            used = _cpu_s(server.pid)
            told = _generate(plan, first=200 if warm else None)
            used = _cpu_s(server.pid) - used
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        if server.stderr is not None:
            server.stderr.close()
    took, statuses = told["ms"], told["statuses"]
    own, own_cpu = direct[short]
    faults = sum(n for status, n in statuses.items() if int(status) >= 500 or int(status) == 0)
    figures = {
        f"serve_{short}_per_s": told["done"] / told["seconds"],
        f"serve_{short}_ms_p50": percentile(took, 0.5),
        f"serve_{short}_ms_p95": percentile(took, 0.95),
        f"serve_{short}_ms_p99": percentile(took, 0.99),
        f"serve_{short}_5xx": faults,
        f"serve_{short}_cpu_ms": 1000 * used / max(1, told["done"]),
        f"direct_{short}_ms_p50": percentile(own, 0.5),
        f"direct_{short}_cpu_ms": own_cpu,
        f"serve_{short}_cpu_ratio": 1000 * used / max(1, told["done"]) / own_cpu,
    }
    for key, value in figures.items():
        report.figure(key, value)
    report.row(
        run=name,
        asked=f"{rate:g}/s",
        got=figures[f"serve_{short}_per_s"],
        **{
            "p50 ms": figures[f"serve_{short}_ms_p50"],
            "p95": figures[f"serve_{short}_ms_p95"],
            "p99": figures[f"serve_{short}_ms_p99"],
            "not 200": told["done"] - statuses.get("200", 0),
            "5xx": faults,
            "cpu ms": figures[f"serve_{short}_cpu_ms"],
            "direct p50": figures[f"direct_{short}_ms_p50"],
            "direct cpu": own_cpu,
            "n": told["done"],
        },
    )


def _bodies(short: str, world: World, direct: dict[str, Any], count: int) -> list[str]:
    if short == "embed":
        return [json.dumps({"query": world.sentence(), "k": 10}) for _ in range(count)]
    made = [
        json.dumps({"query": question, "k": 10, "vector": vector})
        for question, vector in zip(direct["questions"], direct["vectors"], strict=True)
    ]
    return [made[i % len(made)] for i in range(count)]


def _serve(home: Path, options: argparse.Namespace) -> tuple[subprocess.Popen[bytes], int]:
    command = [sys.executable, "-c", _MAIN, "serve", "--home", str(home), "--port", "0"]
    command += ["--memories", options.memories, "--set", f"embedder={options.embedder}"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert server.stderr is not None, "its first line says where it listens"
    line = server.stderr.readline().decode()
    port = line.partition("http://127.0.0.1:")[2].partition(" ")[0]
    if not port:
        raise RuntimeError(f"the server did not start: {line}{server.stderr.read().decode()[-2000:]}")
    return server, int(port)


def _cpu_s(pid: int) -> float:
    """Seconds of CPU that the process has used in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- the client, a process of its own


def _generate(plan: Path, *, first: int | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "agentmem_serve.bench_serve", "--load", str(plan)]
    command += [] if first is None else ["--first", str(first)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _load(plan: Path, first: int | None) -> int:
    given = json.loads(plan.read_text())
    bodies = given["bodies"][:first]
    told = asyncio.run(_ask_all(given["port"], bodies, given["rate"], given["connections"]))
    print(json.dumps(told))
    return 0


async def _ask_all(port: int, bodies: Sequence[str], rate: float, connections: int) -> dict[str, Any]:
    """Ask at a steady rate; a request waits for a free connection, and its time counts from when it was due."""
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(_Connection(port))
    took: list[float] = []
    statuses: dict[str, int] = {}
    started = time.perf_counter()

    async def ask(number: int, body: bytes) -> None:
        due = started + number / rate
        await asyncio.sleep(due - time.perf_counter())
        connection = await free.get()
        try:
            status = await connection.post(b"/v1/recall", body)
        except (OSError, EOFError, ValueError):
            status = 0
            connection = _Connection(port)
        free.put_nowait(connection)
        took.append(1000 * (time.perf_counter() - due))
        statuses[str(status)] = statuses.get(str(status), 0) + 1

    waiting: set[asyncio.Task[None]] = set()
    for number, body in enumerate(bodies):
        ahead = started + number / rate - time.perf_counter()
        if ahead > 0.5:
            await asyncio.sleep(ahead - 0.4)  # tasks are made shortly before they are due
        task = asyncio.create_task(ask(number, body.encode()))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    while waiting:
        await asyncio.wait(waiting)
    return {"ms": took, "statuses": statuses, "done": len(took), "seconds": time.perf_counter() - started}


class _Connection:
    """One connection that is kept alive: enough of HTTP to post JSON and read the status."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: bytes, body: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % (path, len(body)) + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))
        await reader.readexactly(length)
        return int(lines[0].split(b" ")[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
