"""The main path: what happens between a message and its answer.

    message ▶ route ▶ recall × n, in parallel ▶ compose ▶ respond ⇄ act ▶ learn ▶ write back ▶ answer

A LangGraph graph over small, plain state. The state names records by id and quotes none, because a checkpoint must not
keep what a purge removes. What has been said is in the journal; a checkpoint lives only as long as its turn.
How turns wait, stream, are cancelled and resumed is in `agentmem.conversation`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentmem import events
from agentmem.answering import Responder
from agentmem.believing import is_summary
from agentmem.budget import TurnBudget, charged_to
from agentmem.compose import compose
from agentmem.facts import only_asks
from agentmem.models.protocol import ToolCall
from agentmem.policy import no_longer, stated
from agentmem.reading import Reading
from agentmem.records import Hit, Query, QueryKind, Recall, Receipt, Record
from agentmem.redact import redact
from agentmem.router import Route
from agentmem.state import State, as_message, hits_of, plain_hit, turn_of
from agentmem.timing import asked_of
from agentmem.tools import Asked, MemoryTools, Outcome, offered
from agentmem.turns import Turn
from agentmem.writing import Writer

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from agentmem.agent import Agent

_DEPTH = 50  # fused hits to choose from: some are out of date, or say the same
_MAX_CALLS = 8  # tool calls that one reply may make
_SAME_CALL = 2  # how often the same call may be repeated in a turn


class Graph:
    """The nodes, in the order in which they run, and the graph that joins them."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.home = agent.home
        self.reading = Reading(self.home)
        self.responder = Responder(self.home)
        self.tools = MemoryTools(agent)
        self.writer = Writer(self.home)
        self.turns: dict[str, Turn] = {}  # those that run now, by id

    def build(self) -> Any:
        """The graph, not compiled."""
        from langgraph.graph import END, START, StateGraph

        graph = StateGraph(State)
        graph.add_node("route", self.route)
        graph.add_node("recall", self.recall)
        graph.add_node("compose", self.compose)
        graph.add_node("respond", self.respond)
        graph.add_node("act", self.act)
        graph.add_node("learn", self.learn)
        graph.add_node("write_back", self.write_back)
        graph.add_edge(START, "route")
        graph.add_conditional_edges("route", self.memories_to_ask, ["recall", "compose"])
        graph.add_edge("recall", "compose")
        graph.add_edge("compose", "respond")
        graph.add_conditional_edges("respond", self.what_next, ["act", "learn", "write_back"])
        graph.add_edge("act", "respond")
        graph.add_edge("learn", "write_back")
        graph.add_edge("write_back", END)
        return graph

    # ---- the main path

    def route(self, state: State, config: RunnableConfig) -> State:
        """Which memories shall be asked."""
        asked = turn_of(state, config)
        turn = self._turn(asked)
        started = time.perf_counter()
        query = self._query(asked)
        if asked["memories"] is None:
            with charged_to(turn.budget):  # a router may ask memories, or a chat model
                route, turn.situation, probes = self.reading.route(query, ranking=self.responder.is_extractive)
            turn.probed = probes.recalls
        else:
            route = Route(tuple(asked["memories"]), "asked for by name", kind=query.kind)
        turn.route = route
        self._tell_route(turn, route, _ms(started))
        names = list(dict.fromkeys(route.memories))
        if query.text.strip():
            self._begin_recalls(turn, self._query(asked, route.kind.value), names)
        plan = {"memories": names, "kind": route.kind.value, "width": route.width}
        return {"turn": asked, "route": plan, "recalls": None, "evidence": [], "steps": [], "learned": [], "answer": {}}  # type: ignore[typeddict-item]

    def _begin_recalls(self, turn: Turn, query: Query, names: Sequence[str]) -> None:
        """Ask the memories, each on a thread of its own; the steps that follow only wait for them."""
        for name in names:
            self.emit(turn, events.MemoryAsked, memory=name, query=query.text, k=query.k)
        with charged_to(turn.budget):
            turn.asked = self.reading.begin(query, [name for name in names if name not in turn.probed])

    def memories_to_ask(self, state: State) -> Any:
        """One step a memory."""
        from langgraph.types import Send

        if not state["route"]["memories"] or not state["turn"]["text"].strip():
            return "compose"
        carried = {"turn": state["turn"]}
        return [
            Send("recall", {**carried, "route": {**state["route"], "memories": [name]}})
            for name in state["route"]["memories"]
        ]

    def recall(self, state: State) -> State:
        """What one memory answers: the next that comes, or the one named when it has told the router already."""
        asked, (name,) = state["turn"], state["route"]["memories"]
        turn = self._turn(asked)
        query = self._query(asked, state["route"]["kind"])
        found = turn.probed.get(name) or (None if turn.asked is None else turn.asked.take())
        if found is None:  # another process had begun to ask
            with charged_to(turn.budget):
                found = self.reading.ask(query, [name])[0]
        self._tell_recall(turn, query, found)
        signals = {key: float(value) for key, value in found.signals.items()}
        plain = {"memory": found.memory, "signals": signals, "abstain": found.abstain, "error": found.error}
        return {"recalls": [{**plain, "hits": [plain_hit(hit) for hit in found.hits]}]}

    def compose(self, state: State) -> State:
        """Fuse what came, and keep what is still true, once, within the token budget."""
        asked = state["turn"]
        turn = self._turn(asked)
        started = time.perf_counter()
        recalls = self._recalls(turn, state.get("recalls") or [], asked["as_of"])
        query = self._query(asked, state["route"]["kind"])
        recalls = self._settled(turn, query, recalls)
        limit = asked["k"] * self._width(state["route"])
        fused = self.reading.fuse(query, recalls, k=max(3 * limit, _DEPTH))
        fused = self.reading.further(query, fused, state["route"]["memories"])
        limit = max(limit, asked["k"] * self._width(self._widened(turn, query, fused, state["route"])))
        evidence = compose(
            fused,
            self.home.journal.records,
            question=asked["text"],
            budget_tokens=self.home.settings.budget.context_tokens,
            limit=limit,
            as_of=asked["as_of"],
            now=self.home.clock.now(),
            over=self._over(asked, fused),
        )
        self.emit(
            turn,
            events.Composed,
            hits=evidence.hits,
            tokens=evidence.tokens,
            dropped=evidence.dropped,
            ms=_ms(started),
        )
        turn.hits = list(evidence.hits)
        return {"evidence": [plain_hit(hit) for hit in evidence.hits]}

    def respond(self, state: State) -> State:
        """Let the model answer or call tools; at a limit, or when it fails, answer with what there is and say so."""
        asked = state["turn"]
        turn = self._turn(asked)
        hits = self._evidence(state)
        last = turn.budget.left()["steps"] <= 1
        may_write = not asked["incognito"] and not self.home.readonly
        tools = [] if last else offered(asked["text"], may_write=may_write)
        with charged_to(turn.budget):
            reply = self.responder.reply(
                turn,
                asked,
                hits,
                state.get("steps") or [],
                tools,
                lambda what, /, **told: self.emit(turn, what, **told),
            )
        if reply.calls and not reply.stopped:
            return {"steps": [*(state.get("steps") or []), as_message(reply)]}
        return {"answer": {"turn": asked["id"], "text": reply.text, "stopped": reply.stopped, "cited": reply.cited}}

    def what_next(self, state: State) -> str:
        if not state.get("answer"):
            return "act"
        asked = state["turn"]
        keeps = not (asked["incognito"] or self.home.readonly or state["answer"]["stopped"])
        return "learn" if keeps and not only_asks(asked["text"]) else "write_back"

    def act(self, state: State) -> State:
        """Carry out the tools that the model called."""
        asked, steps = state["turn"], list(state["steps"])
        turn = self._turn(asked)
        who = Asked(
            asked["id"], asked["thread"], tuple(asked["namespace"]), asked["text"], asked["session"], asked["speaker"]
        )
        before = [(c["name"], c["args"]) for step in steps[:-1] for c in step.get("tool_calls", ())]
        for number, made in enumerate(steps[-1]["tool_calls"]):
            call = ToolCall(made["id"], made["name"], made["args"], made.get("fault", ""))
            turn.budget.add(steps=1)
            self.emit(turn, events.ToolCalled, call_id=call.id, name=call.name, arguments=call.args)
            started = time.perf_counter()
            may_write = not asked["incognito"] and not self.home.readonly
            refusal = ""
            if number >= _MAX_CALLS:
                refusal = f"not done: one reply may call {_MAX_CALLS} tools"
            elif before.count((call.name, call.args)) >= _SAME_CALL:
                refusal = "not done: you made this call before; answer with what you have"
            elif turn.cancelled.is_set():
                refusal = "not done: stopped by the user"
            if refusal:
                outcome = Outcome(refusal, ok=False)
            else:
                with charged_to(turn.budget):
                    outcome = self.tools.call(call, who, may_write=may_write)
            if outcome.receipt is not None:
                self._tell_written(turn, outcome.receipt, call.name)
            self.emit(
                turn,
                events.ToolReturned,
                call_id=call.id,
                name=call.name,
                text=outcome.text,
                ok=outcome.ok,
                ms=_ms(started),
            )
            steps.append(
                {
                    "role": "tool",
                    "tool_call_id": call.id,
                    "content": redact(outcome.text).text,
                    "found": list(outcome.found),
                }
            )
        return {"steps": steps}

    def learn(self, state: State) -> State:
        """Facts that the user stated, with what they do to the facts that are known."""
        asked = state["turn"]
        turn = self._turn(asked)
        if self.responder.learns:
            with charged_to(turn.budget):
                found = self.responder.learn(turn, asked, lambda what, /, **told: self.emit(turn, what, **told))
        elif turn.receipts:  # a wish that was carried out is written down already
            found = []
        else:
            before = self.responder.before(turn, asked)
            found = [dict(c) for c in stated(self.home.journal.records, asked, self._evidence(state), before).changes]
        return {"learned": found}

    def write_back(self, state: State) -> State:
        """Write the exchange, what was learned and the trace; let memories derive. Doing it twice writes it once."""
        asked, answer = state["turn"], state["answer"]
        turn = self._turn(asked)
        hits = self._evidence(state)
        trace_id: str | None = None
        if not asked["incognito"] and not self.home.readonly:
            with charged_to(turn.budget):
                written = self.writer.write(turn, asked, answer, hits, state.get("learned") or [], self._found(state))
            trace_id = written.trace_id
            for receipt, what in written.receipts:
                self._tell_written(turn, receipt, what, written.records)
            for sentence in written.notes:
                self.emit(turn, events.Notice, text=sentence, level="warning")
        turn.answer = self._answer(turn, answer, hits, trace_id)
        self.turns.pop(turn.id, None)
        return {"messages": [{"role": "assistant", "content": answer["text"]}], "answer": {**answer, "trace": trace_id}}

    def finished(self, turn: Turn, state: Mapping[str, Any]) -> events.Answer:
        """The answer of a turn whose last step was done before it was cut off."""
        answer = state["answer"]
        hits = self._evidence(state)  # type: ignore[arg-type]
        return self._answer(turn, answer, hits, answer.get("trace"))

    def _answer(
        self, turn: Turn, answer: Mapping[str, Any], hits: Sequence[Hit], trace_id: str | None
    ) -> events.Answer:
        return events.Answer(
            text=answer["text"],
            citations=self._citations(answer["cited"], hits),
            hits=tuple(hits),
            receipts=tuple(turn.receipts),
            cost=turn.budget.cost,
            trace=trace_id,
            turn=turn.id,
            thread=turn.thread,
            model=self.responder.name,
            stopped=answer["stopped"],
            notes=tuple(turn.notes),
        )

    # ---- events

    def emit(self, turn: Turn, what: type[events.Event], /, **told: Any) -> None:
        """Tell whoever listens; inside another graph that is its custom stream."""
        event = what(turn=turn.id, thread=turn.thread, at=self.home.clock.now(), **told)
        if isinstance(event, events.Notice):
            if event.text in turn.notes:  # the router and the model that answers may find the same
                return
            turn.notes.append(event.text)
        if not isinstance(event, events.Token):
            turn.log.append(event)
        if turn.sink is not None:
            turn.sink(event)
        else:
            from langgraph.config import get_stream_writer

            get_stream_writer()(event)

    def _width(self, plan: Mapping[str, Any]) -> int:
        """By how much more is shown than was asked for: quoting takes time for each, so there only to count."""
        counts = plan["kind"] in (QueryKind.AGGREGATE.value, QueryKind.GLOBAL.value)
        return int(plan.get("width", 1)) if counts or not self.responder.is_extractive else 1

    def _widened(self, turn: Turn, query: Query, fused: list[Hit], plan: Mapping[str, Any]) -> Mapping[str, Any]:
        """The plan, wider when what would be shown leaves the question open (a turn that was resumed keeps its own)."""
        if turn.route is None or turn.situation is None or self._width({**plan, "width": 2}) == 1:
            return plan
        started = time.perf_counter()
        route = self.reading.widened(query, turn.route, fused)
        if route is not turn.route:
            self._tell_route(turn, route, _ms(started))
        return {**plan, "width": route.width}

    def _tell_route(self, turn: Turn, route: Route, ms: float) -> None:
        self.emit(
            turn,
            events.Routed,
            memories=route.memories,
            reason=route.reason,
            kind=route.kind.value,
            skipped=route.skipped,
            abstain=route.abstain,
            decision=route.decision,
            ms=ms,
        )

    def _tell_recall(self, turn: Turn, query: Query, found: Recall) -> None:
        turn.recalled[found.memory] = found
        self.emit(
            turn,
            events.Recalled,
            memory=found.memory,
            hits=found.hits[: query.k],
            ms=found.ms,
            abstain=found.abstain,
            error=found.error,
            signals=found.signals,
        )

    def _settled(self, turn: Turn, query: Query, recalls: list[Recall]) -> list[Recall]:
        """What came, and what the router had asked besides when it did not suffice (not in a turn that was resumed)."""
        if turn.route is None or turn.situation is None or not turn.route.memories:
            return recalls
        started = time.perf_counter()
        with charged_to(turn.budget):
            route, found = self.reading.settle(query, turn.situation, turn.route, recalls)
        if route is not turn.route:
            turn.route = route
            self._tell_route(turn, route, _ms(started))
            for recall in found:
                if all(recall is not known for known in recalls):
                    self._tell_recall(turn, query, recall)
            for sentence in route.notes:
                self.emit(turn, events.Notice, text=sentence, kept=False)
        return sorted(found, key=lambda recall: recall.memory)

    def _tell_written(self, turn: Turn, receipt: Receipt, what: str, known: Mapping[str, Record] | None = None) -> None:
        missing = [i for i in receipt.record_ids if i not in (known or {})]
        found = {**(known or {}), **self.home.journal.records.get_many(missing)}
        records = {i: found[i] for i in receipt.record_ids if i in found}
        turn.receipts.append(receipt)
        self.emit(turn, events.Written, receipt=receipt, records=tuple(records.values()), what=what)
        for change_id in receipt.change_ids:
            if change_id in records:
                reason = "approval = ask" if self.home.settings.approval == "ask" else "asked for by the agent"
                self.emit(turn, events.PendingApproval, change_id=change_id, record=records[change_id], reason=reason)

    # ---- between plain state and what it stands for

    def _turn(self, asked: Mapping[str, Any]) -> Turn:
        """The running turn; one that came by another graph, or back from a checkpoint, begins here."""
        turn = self.turns.get(asked["id"])
        if turn is None:
            budget = TurnBudget(self.home.settings.budget, self.responder.ledger)
            turn = self.turns[asked["id"]] = Turn(asked["id"], asked["thread"], budget)
        return turn

    def _query(self, asked: Mapping[str, Any], kind: str = QueryKind.UNKNOWN.value) -> Query:
        return self.reading.query(
            asked["text"],
            namespace=tuple(asked["namespace"]),
            k=asked["k"],
            as_of=asked["as_of"],
            kind=QueryKind(kind),
            speaker=None,
            session=asked["session"],
            thread=asked["thread"],
        )

    def _over(self, asked: Mapping[str, Any], fused: Sequence[Hit]) -> Mapping[str, frozenset[str]]:
        """What no longer holds; to a question about a time that is over, what has ended since may be the answer.

        Not in a summary: it claims nothing that could be told to have ended.
        """
        now = self.home.clock.now()
        if asked_of(asked["text"], now).past(now) is not None:
            fused = [hit for hit in fused if is_summary(hit.record)]
        return no_longer(self.home.journal.records, fused)

    def _recalls(self, turn: Turn, plain: Sequence[Mapping[str, Any]], as_of: float | None) -> list[Recall]:
        if all(one["memory"] in turn.recalled for one in plain):
            return [turn.recalled[name] for name in sorted(one["memory"] for one in plain)]
        ids = {hit["id"] for recall in plain for hit in recall["hits"]}
        records = self.home.journal.records.get_many(sorted(ids), as_of=as_of)
        return [
            Recall(
                hits=tuple(hits_of(one["hits"], records)),
                signals=one["signals"],
                abstain=one["abstain"],
                memory=one["memory"],
                error=one["error"],
            )
            for one in sorted(plain, key=lambda r: str(r["memory"]))
        ]

    def _evidence(self, state: State) -> list[Hit]:
        turn = self.turns.get(state["turn"]["id"])
        if turn is not None and turn.hits is not None:
            return turn.hits
        plain = state.get("evidence") or []
        records = self.home.journal.records.get_many([p["id"] for p in plain], as_of=state["turn"]["as_of"])
        return hits_of(plain, records)

    def _found(self, state: State) -> list[str]:
        """Ids of the records that tools brought."""
        return [i for step in state.get("steps") or [] for i in step.get("found", ())]

    def _citations(self, cited: Sequence[Sequence[Any]], hits: Sequence[Hit]) -> tuple[events.Citation, ...]:
        by_id = {hit.record_id: hit for hit in hits}
        return tuple(events.Citation(n, by_id[i], quote) for n, i, quote in cited if i in by_id)


def _ms(started: float) -> float:
    return 1000 * (time.perf_counter() - started)
