"""Hard rules, which every router but the static one obeys, and the router that has nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentmem.contract import Capability
from agentmem.records import Query, QueryKind
from agentmem.router import Route, Situation, kind_of


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules leave: a finished route, or the memories that may still be chosen from."""

    route: Route | None
    names: tuple[str, ...]
    skipped: dict[str, str]
    kind: QueryKind


def rule(query: Query, situation: Situation) -> Ruling:
    """Nothing stored; an earlier time; the whole history fits."""
    kind = query.kind if query.kind is not QueryKind.UNKNOWN else kind_of(query.text)
    names = [c.name for c in situation.candidates]
    parametric = [c.name for c in situation.candidates if Capability.PARAMETRIC in c.capabilities]
    if not situation.live:
        skipped = {n: "nothing is stored in this namespace yet" for n in names if n not in parametric}
        if not parametric or query.as_of is not None:
            route = Route((), "nothing is stored in this namespace yet", dict.fromkeys(names, "empty"), kind)
        else:
            route = Route(tuple(parametric), "nothing is stored yet; the model's own weights may know", skipped, kind)
        return Ruling(route, (), {}, kind)
    skipped = {}
    if query.as_of is not None:
        skipped |= {
            c.name: "holds the present only" for c in situation.candidates if Capability.AS_OF not in c.capabilities
        }
    fits = situation.history_tokens is not None and situation.history_tokens <= situation.context_tokens
    whole = [c.name for c in situation.candidates if Capability.WHOLE in c.capabilities and c.name not in skipped]
    if whole and fits and not situation.ranking:
        others = dict.fromkeys((n for n in names if n != whole[0]), "the whole history fits")
        route = Route((whole[0],), "the whole history fits into the model's context", others, kind)
        return Ruling(route, (), {}, kind)
    skipped |= dict.fromkeys(
        whole, "the hits are ranked" if situation.ranking else "the history is too long to show whole"
    )
    left = tuple(n for n in names if n not in skipped)
    if not left:
        if query.as_of is not None:
            reason = "no memory that is switched on can answer for an earlier time"
        else:
            reason = "no memory that ranks is switched on"
        return Ruling(Route((), reason, skipped, kind), (), {}, kind)
    return Ruling(None, left, skipped, kind)


class RulesRouter:
    """Hard rules: nothing stored, everything fits, an earlier time, otherwise every memory that ranks."""

    def route(self, query: Query, situation: Situation) -> Route:
        ruling = rule(query, situation)
        if ruling.route is not None:
            return ruling.route
        reason = f"asked every memory that ranks ({ruling.kind.value} question)"
        return Route(ruling.names, reason, ruling.skipped, ruling.kind)


class StaticRouter:
    """Always asks the same memories: all of them, or those given."""

    def __init__(self, memories: Sequence[str] | None = None) -> None:
        self._memories = memories

    def route(self, query: Query, situation: Situation) -> Route:
        names = [c.name for c in situation.candidates]
        chosen = tuple(n for n in names if self._memories is None or n in self._memories)
        skipped = {n: "not among the memories given" for n in names if n not in chosen}
        return Route(chosen, "static", skipped, query.kind)
