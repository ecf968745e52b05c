"""What a turn of the loop costs beyond LangGraph itself: the whole loop against a bare graph of the same shape.

Both have the same nodes and edges, ask the same number of memories in parallel, carry as many hits, stream the same
words from a stub model and use the same checkpointer. The loop besides routes, fuses, composes, keeps a real journal
(five records' worth of transactions a turn) and writes a trace. Blocks alternate, so that a busy machine hits both.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from agentmem.agent import Agent
from agentmem.bench.report import Report, bootstrap
from agentmem.checkpoints import TurnStore
from agentmem.contract import Memory, Message
from agentmem.models.protocol import Delta, PlainMessage, ToolSpec
from agentmem.records import Change, Hit, Query, Recall, Record

_WORDS = "The harbour office is at Pier 4 [1].".split(" ")
_HITS = 10


class Stub(Memory):
    """Recalls its first records, whatever is asked."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._held: dict[str, Record] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.record is None:
                self._held.pop(change.record_id, None)
            elif len(self._held) < _HITS:
                self._held[change.record_id] = change.record

    def recall(self, query: Query) -> Recall:
        return Recall(hits=tuple(Hit(record, 1.0 / (n + 1)) for n, record in enumerate(self._held.values())))


class StubModel:
    """Streams the same words, whatever it is asked."""

    name = "stub"
    calls_tools = True
    extracts_facts = True

    def stream(
        self,
        messages: Sequence[PlainMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Delta]:
        for word in _WORDS:
            yield Delta(f"{word} ")

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        return '{"facts": []}'

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return 0.0


def _joined(old: list[Any] | None, new: list[Any] | None) -> list[Any]:
    return [] if new is None else [*(old or ()), *new]


class _BareState(TypedDict, total=False):
    turn: dict[str, Any]
    route: dict[str, Any]
    recalls: Annotated[list[dict[str, Any]], _joined]
    evidence: list[dict[str, Any]]
    answer: dict[str, Any]


def bare_graph(store: TurnStore, memories: int) -> Any:
    """LangGraph alone, in the loop's shape."""
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send

    model = StubModel()
    hits = [{"id": f"{n:032x}", "score": 1.0 / (n + 1), "memory": "stub", "why": ""} for n in range(_HITS)]

    def route(state: _BareState) -> Any:
        return {"route": {"memories": [str(n) for n in range(memories)]}, "recalls": None}

    def recall(state: _BareState) -> Any:
        return {"recalls": [{"memory": state["route"]["memories"][0], "hits": hits}]}

    def respond(state: _BareState) -> Any:
        return {"answer": {"text": "".join(delta.text for delta in model.stream([]))}}

    def asked(state: _BareState) -> Any:
        return [Send("recall", {**state, "route": {"memories": [name]}}) for name in state["route"]["memories"]]

    graph: Any = StateGraph(_BareState)
    graph.add_node("route", route)
    graph.add_node("recall", recall)
    graph.add_node("compose", lambda state: {"evidence": hits})
    graph.add_node("respond", respond)
    graph.add_node("write_back", lambda state: {})
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", asked, ["recall"])
    graph.add_edge("recall", "compose")
    graph.add_edge("compose", "respond")
    graph.add_edge("respond", "write_back")
    graph.add_edge("write_back", END)
    return graph.compile(checkpointer=store.saver)


def measure(*, turns: int = 60, rounds: int = 7, memories: int = 4) -> dict[str, list[float]]:
    """Milliseconds a turn, one number a round: ``loop_ms``, ``loop_cpu_ms``, ``bare_ms``, ``bare_cpu_ms``."""
    out: dict[str, list[float]] = {"loop_ms": [], "loop_cpu_ms": [], "bare_ms": [], "bare_cpu_ms": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugins = {f"stub{n}": type(f"Stub{n}", (Stub,), {}) for n in range(memories)}
        store = TurnStore(folder / "bare.db")
        graph = bare_graph(store, memories)
        with Agent.open(folder / "home", plugins=plugins, embedder="hash", chat=StubModel()) as agent:
            for number in range(_HITS):
                agent.remember(f"The harbour office is at Pier {number}, said number {number} of the list.")
            counter = iter(range(10**9))

            def loop_turn() -> None:
                agent.ask("Where is the harbour office?", thread=f"t{next(counter) % 8}")

            def bare_turn() -> None:
                number = next(counter)
                config: Any = {"configurable": {"thread_id": f"b{number}"}}
                graph.invoke({"turn": {"text": "Where is the harbour office?", "id": str(number)}}, config)
                store.end(f"b{number}")

            for turn in (loop_turn, bare_turn):
                _timed(turn, 5)  # imports, statement caches
            for _ in range(rounds):
                for kind, turn in (("bare", bare_turn), ("loop", loop_turn)):
                    ms, cpu = _timed(turn, turns)
                    out[f"{kind}_ms"].append(ms)
                    out[f"{kind}_cpu_ms"].append(cpu)
        store.close()
    return out


def _timed(turn: Callable[[], None], turns: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(turns):
        turn()
    return 1000 * (time.perf_counter() - wall) / turns, 1000 * (time.process_time() - cpu) / turns


def main(argv: list[str]) -> int:
    """``agentmem bench loop``."""
    parser = argparse.ArgumentParser(prog="agentmem bench loop", description=__doc__)
    parser.add_argument("--turns", type=int, default=60, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memories", type=int, default=4)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    found = measure(turns=options.turns, rounds=options.rounds, memories=options.memories)
    report = Report("loop", {k: v for k, v in vars(options).items() if k != "json"})
    add_to(report, found, options.memories)
    report.finish(options.json)
    return 0


def add_to(report: Report, found: Mapping[str, Sequence[float]], memories: int) -> None:
    """Rows and figures: ``loop_ratio`` of CPU time, ``loop_ratio_wall``, ``loop_ms_per_step``."""
    for what in ("ms", "cpu_ms"):
        ratios = [a / b for a, b in zip(found[f"loop_{what}"], found[f"bare_{what}"], strict=True)]
        for kind in ("bare", "loop"):
            values = found[f"{kind}_{what}"]
            middle = statistics.median(values)
            report.row(what=f"{kind} turn, {what}", n=len(values), median=middle, least=min(values), most=max(values))
            report.figure(f"{kind}_{what}", middle)
        interval = bootstrap(ratios, statistic=statistics.median)
        report.row(what=f"ratio of {what}", n=interval.n, median=interval.value, least=interval.low, most=interval.high)
        report.figure("loop_ratio" if what == "cpu_ms" else "loop_ratio_wall", interval.value)
    report.figure("loop_ms_per_step", statistics.median(found["loop_ms"]) / (4 + memories))
