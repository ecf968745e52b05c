"""The read path: route a question, ask the chosen memories at once, fuse what they answer. Used by `Agent.recall`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from agentmem import registry
from agentmem.believing import SUMMARY
from agentmem.bridges import bridged
from agentmem.contract import Calibration, Capability
from agentmem.errors import BadInput
from agentmem.fusion import fuse
from agentmem.home import Home
from agentmem.hops import hops, leads_on
from agentmem.lifting import Lift, named_turns
from agentmem.overview import asks_overview, led, shows_summaries
from agentmem.records import Hit, Namespace, Query, Recall, Record
from agentmem.router import Escalates, Route, Router, Situation, Widens
from agentmem.situation import Probes, Situations
from agentmem.views import Asked

_DEPTH = 50  # how many hits each memory gives to the fusion, whatever k is
_ESCALATIONS = 2  # asking once more, and judging what that brought
_LEAST_FOR_HOPS = 4  # hits; with fewer there is no room for a chain
_FILTERS = ("kind", "speaker", "session", "thread", "subject")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought: fused hits, the route, each memory's own answer, milliseconds by step."""

    hits: tuple[Hit, ...]
    route: Route
    recalls: tuple[Recall, ...]
    ms: Mapping[str, float] = field(default_factory=dict)


class Reading:
    """Searches one home. It writes nothing but touches (which records answered)."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._router: Router | None = None
        self._situations = Situations(home)
        self._lifts: tuple[tuple[int, Namespace], Lift] | None = None

    @property
    def router(self) -> Router:
        """The router of the settings."""
        if self._router is None:
            self._router = registry.load("routers", self._home.settings.router)()
        return self._router

    def calibrations(self) -> dict[str, Calibration]:
        """How each memory's scores count, as it declares."""
        return {view.name: view.memory.calibration for view in self._home.views.usable()}

    def route(self, query: Query, *, ranking: bool) -> tuple[Route, Situation, Probes]:
        """Which memories shall be asked, what that was decided by, and what was asked already to decide it."""
        probes = Probes(lambda names: self.ask(query, names))
        situation = self._situations.of(query, ranking=ranking, probe=probes)
        return self.router.route(query, situation), situation, probes

    def settle(
        self, query: Query, situation: Situation, route: Route, recalls: Sequence[Recall]
    ) -> tuple[Route, list[Recall]]:
        """Let the router look at what came: it may have others asked, or say that nothing supports an answer.

        A memory that failed (the first recall of a model may be too slow: it is loaded) is asked once more with them.
        """
        found = list(recalls)
        router = self.router
        if not isinstance(router, Escalates):
            return route, found
        for _ in range(_ESCALATIONS):
            further = router.escalate(query, situation, route, found)
            if further is None:
                break
            failed = {recall.memory for recall in found if recall.error is not None}
            new = [name for name in further.memories if name not in route.memories or name in failed]
            route = further
            found = [recall for recall in found if recall.memory in route.memories and recall.memory not in new]
            found += self.ask(query, new) if new else []
            if route.abstain:
                break
        return route, found

    def widened(self, query: Query, route: Route, hits: Sequence[Hit]) -> Route:
        """The route, wider when the router finds that what would be shown of these hits leaves the question open."""
        router = self.router
        wider = router.widen(query, route, hits) if isinstance(router, Widens) else None
        return route if wider is None else wider

    def fuse(self, query: Query, recalls: Sequence[Recall], *, k: int) -> list[Hit]:
        """One ranking of all that came. Whom a question names often said it: their turns count a little more.

        Summaries of sessions are in it only when they are asked for; otherwise they lift the turns that they name.
        """
        named = set(query.text.casefold().replace("'s", " ").replace("’s", " ").split()) if recalls else set()
        kept = [filtered(recall, query) for recall in recalls]
        lift = None
        told = (hit.record for recall in kept for hit in recall.hits if hit.record.kind == SUMMARY)
        if not shows_summaries(query) and any(named_turns(record) is not None for record in told):
            lift = self._lift(query.namespace)
        favour = partial(_speaks, named=named)
        return fuse(kept, k=k, calibrations=self.calibrations(), favour=favour, lift=lift)

    def _lift(self, namespace: Namespace) -> Lift:
        """Which turns summaries tell of; read again when the journal has grown."""
        records = self._home.journal.records
        key = (records.head(), namespace)
        if self._lifts is None or self._lifts[0] != key:
            self._lifts = (key, Lift(records.summarised(namespace=namespace)))
        return self._lifts[1]

    def further(self, query: Query, hits: Sequence[Hit], names: Sequence[str]) -> list[Hit]:
        """The hits with what they lead to: the summaries that an overview asks for, or those of further hops."""
        if not asks_overview(query.text):
            return self._hops(query, hits, names)
        if query.filters or query.k == 0:
            return list(hits)
        return led(query, hits, self._home.journal.records, self._home.clock.now(), k=max(query.k, len(hits)))

    def query(
        self,
        text: str,
        *,
        namespace: Namespace = (),
        k: int | None = None,
        as_of: float | None = None,
        filters: Mapping[str, Any] | None = None,
        vector: Any = None,
        **known: Any,
    ) -> Query:
        """A checked query."""
        unknown = sorted(set(filters or {}) - set(_FILTERS))
        if unknown:
            raise BadInput(f"no filter named '{unknown[0]}'; known: {', '.join(_FILTERS)}")
        count = self._home.settings.k if k is None else k
        if count < 0:
            raise BadInput(f"k = {count} is not right; ask for 0 or more hits")
        return Query(
            text=text, namespace=namespace, k=count, as_of=as_of, filters=dict(filters or {}), vector=vector, **known
        )

    def ask(self, query: Query, names: Sequence[str]) -> list[Recall]:
        """Ask the memories for enough hits to fuse; the question is embedded once for all of them."""
        return self._home.recall(self._deep(query, names), names)

    def begin(self, query: Query, names: Sequence[str]) -> Asked:
        """Begin to ask them."""
        return self._home.begin(self._deep(query, names), names)

    def _deep(self, query: Query, names: Sequence[str]) -> Query:
        depth = 0 if query.k == 0 else max(query.k * (4 if query.filters else 1), _DEPTH)
        vector = query.vector
        if vector is None and query.text.strip() and any(self._has(n, Capability.NEEDS_EMBED) for n in names):
            vector = self._home.vectors.of_query(query.text)
        return Query(
            text=query.text,
            namespace=query.namespace,
            k=depth,
            kind=query.kind,
            as_of=query.as_of,
            filters=query.filters,
            speaker=query.speaker,
            session=query.session,
            thread=query.thread,
            vector=vector,
        )

    def _hops(self, query: Query, hits: Sequence[Hit], names: Sequence[str]) -> list[Hit]:
        """The hits with those of further hops among them, when what was found leads on and the question asks more.

        Facts are joined over what they name; where that leads nowhere, the question is asked again of what the first
        record names.
        """
        asked = [n for n in names if not self._has(n, Capability.PARAMETRIC | Capability.NEEDS_CHAT)]
        if query.k < _LEAST_FOR_HOPS or not asked:
            return list(hits)
        cheap = [n for n in asked if not self._has(n, Capability.NEEDS_EMBED)] or asked

        def look_up(text: str, among: Sequence[str]) -> list[Hit]:
            named = replace(query, text=text, vector=None, k=_DEPTH)
            return self.fuse(query, self.ask(named, among), k=_DEPTH)

        k = max(query.k, len(hits))
        if leads_on(query.text, hits):
            found = hops(query.text, hits, lambda name: look_up(name, cheap), k=k)
            if found != list(hits[:k]):
                return found
        speakers = self._situations.speakers(query.namespace)
        return bridged(query.text, hits, lambda text: look_up(text, asked), speakers=speakers, k=query.k)

    def _has(self, name: str, wanted: Capability) -> bool:
        """Whether a memory that this process may open declares one of these capabilities."""
        view = self._home.views[name]
        return view.pid is None and bool(wanted & view.memory.capabilities)

    def search(
        self,
        text: str,
        *,
        namespace: Namespace = (),
        k: int | None = None,
        memory: str | Sequence[str] | None = None,
        readonly: bool = False,
        **keywords: Any,
    ) -> Found:
        """Route (unless ``memory`` names who is asked), ask, fuse."""
        started = time.perf_counter()
        query = self.query(text, namespace=namespace, k=k, **keywords)
        situation, known = None, {}
        if memory is None:
            route, situation, probes = self.route(query, ranking=True)
            known = probes.recalls
        else:
            names = (memory,) if isinstance(memory, str) else tuple(memory)
            route = Route(names, "asked for by name", kind=query.kind)
        routed = time.perf_counter()
        recalls: list[Recall] = []
        if route.memories and query.text.strip():
            fresh = {r.memory: r for r in self.ask(query, [n for n in route.memories if n not in known])}
            recalls = [{**known, **fresh}[name] for name in route.memories]
            if situation is not None:
                route, recalls = self.settle(query, situation, route, recalls)
        asked = time.perf_counter()
        hits = self.fuse(query, recalls, k=query.k)
        if memory is None:
            hits = self.further(query, hits, route.memories)
        if hits and not (readonly or self._home.readonly):
            self._home.journal.touch(hit.record_id for hit in hits)
        ended = time.perf_counter()
        ms = {"route": routed - started, "recall": asked - routed, "fuse": ended - asked}
        return Found(tuple(hits), route, tuple(recalls), {name: 1000 * s for name, s in ms.items()})


def filtered(recall: Recall, query: Query) -> Recall:
    """The recall without hits that the query's filters exclude (memories may filter early, the core makes sure)."""
    if not query.filters:
        return recall
    return replace(recall, hits=tuple(hit for hit in recall.hits if query.admits(hit.record)))


def _speaks(record: Record, named: set[str]) -> bool:
    """Whether a turn's speaker is among the words of a question."""
    return record.speaker is not None and not named.isdisjoint(record.speaker.casefold().split())
