"""The default router: rules, calibrated features, probes when the best two are close, a choice, one escalation.

What it decides by is written into the route's ``decision``: the same question in the same situation gives the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentmem.contract import Capability
from agentmem.records import Hit, Query, QueryKind, Recall
from agentmem.router import Route, Situation
from agentmem.routing.arms import NOTHING, WIDE, Arm, Prices, possible
from agentmem.routing.bearing import looked_at
from agentmem.routing.evidence import missing_names, open_words
from agentmem.routing.features import features_of, is_small_talk, signals_of
from agentmem.routing.model import RoutingModel, bundled
from agentmem.routing.rules import Ruling, rule

_NEAR = 0.5  # of the greatest declared weight, from which a memory is one of the best at what lies in scope
_FAMILIAR = 0.5  # share of turns and passages, below which a store is unlike those learnt from: all are asked
_OPEN = 2  # words of a question that no hit holds, from which more hits are kept; one may be said in other words
BAND = 0.03
"""Probes are asked when the best two arms, neither of which holds the other, are closer than this (net of costs)."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Arms with p̂ and what each is worth, best first; ties go to the cheaper arm, then by name."""

    ranked: list[tuple[Arm, float, float]]  # arm, p̂, worth

    @classmethod
    def of(cls, judged: Mapping[Arm, float], costs: Mapping[Arm, float], value: float) -> _Choice:
        worth = {arm: round(p * value - costs[arm], 6) for arm, p in judged.items()}
        order = sorted(judged, key=lambda arm: (-worth[arm], costs[arm], arm.key))
        return cls([(arm, judged[arm], worth[arm]) for arm in order])

    @property
    def best(self) -> Arm:
        return self.ranked[0][0]

    @property
    def gap(self) -> float:
        return self.ranked[0][2] - self.ranked[1][2] if len(self.ranked) > 1 else 1.0


class CalibratedRouter:
    """Chooses the set of memories that is worth most: the likelihood that it brings the evidence, less its cost."""

    def __init__(self, model: RoutingModel | None = None, prices: Prices | None = None, band: float = BAND) -> None:
        self._model = model
        self._prices = prices or Prices()
        self._band = band

    def route(self, query: Query, situation: Situation) -> Route:
        ruling = rule(query, situation)
        if ruling.route is not None:
            return ruling.route
        edited = any("edit" in kinds for kinds in situation.subjects.values())
        if edited and ruling.kind is QueryKind.MULTI_HOP:  # no method carries an edit on to what follows from it
            parametric = _parametric(situation)
            chosen = tuple(n for n in ruling.names if n not in parametric) or ruling.names
            reason = "several steps over something that was edited: text and graph, not weights"
            return self._told(chosen, ruling, reason, {"stage": "rule"})
        model = self.model_for(situation)
        arms, strangers = possible(model.arms, ruling.names)
        features = features_of(query, situation, ruling.kind)
        known = {name for arm in arms for name in arm.memories} - _parametric(situation)
        arms = [arm for arm in arms if self._allowed(arm, features, situation, known)]
        if not any(arm.memories for arm in arms):
            reason = f"asked every memory that ranks ({ruling.kind.value} question; none is calibrated)"
            return self._told(ruling.names, ruling, reason, {"stage": "rule"})
        calls = [c.name for c in situation.candidates if Capability.NEEDS_CHAT in c.capabilities]
        ranking = [name for name in ruling.names if name not in _parametric(situation)]
        costs = {
            arm: self._prices.of(arm, model.ms, k=query.k, calls=calls) + self._prices.weigh(arm, ranking)
            for arm in arms
        }
        choice = _Choice.of({arm: model.judge(arm, features) for arm in arms}, costs, self._prices.value)
        stage, signals = "features", {}
        if choice.gap < self._band and situation.probe is not None and model.probed:
            first, second = choice.ranked[0][0], choice.ranked[1][0]
            one, other = set(first.memories), set(second.memories)
            asked = [n for n in sorted(one | other) if n not in calls]
            if asked and not (one <= other or other <= one):  # a set that holds the other is its own insurance
                stage, signals = "probes", signals_of(situation.probe(asked))
                judged = {
                    arm: model.judge_again(arm, features, signals) if arm in (first, second) else p
                    for arm, p, _ in choice.ranked
                }
                choice = _Choice.of(judged, costs, self._prices.value)
        arm = choice.best
        decision = {
            "stage": stage,
            "arm": arm.key,
            "features": {name: round(value, 4) for name, value in features.items() if value},
            "p": {a.key: round(p, 4) for a, p, _ in choice.ranked},
            "cost": {a.key: round(costs[a], 5) for a, _, _ in choice.ranked},
            "propensity": 1.0,  # the choice is not random: what was not chosen has none
            **({"signals": {name: round(v, 4) for name, v in signals.items()}} if signals else {}),
        }
        if arm == NOTHING:
            reason = "small talk: nothing has to be looked up"
            return replace(self._told((), ruling, reason, decision), abstain="")
        runner_up = next((f"; next {a.key or 'nothing'} {p:.2f}" for a, p, _ in choice.ranked[1:2]), "")
        reason = f"{arm.key}: likely to bring it {choice.ranked[0][1]:.2f} ({ruling.kind.value} question{runner_up})"
        route = self._told((*arm.memories, *strangers), ruling, reason, decision)
        return replace(route, width=arm.width)

    def escalate(self, query: Query, situation: Situation, route: Route, recalls: Sequence[Recall]) -> Route | None:
        """Once: ask those that were not asked when nothing that came names what the question names; then abstain.

        Where it is named and yet may not be what was asked for, a model that tells how sure it is decides.
        """
        if not route.memories or not query.text.strip() or query.filters:
            return None
        parametric = _parametric(situation)
        texts = [recall for recall in recalls if recall.memory not in parametric]
        missing = missing_names(query.text, texts)
        found = any(recall.hits for recall in texts)
        ruling = rule(query, situation)
        if found and not missing:
            return _by_gain(query, situation, route, recalls, ruling)
        told = "nothing that was recalled names what the question names" if missing else "nothing was recalled"
        if any(recall.memory in parametric and recall.hits for recall in recalls):
            return _weights_alone(replace(route, reason=f"{route.reason}; {told}"), recalls, parametric, told)
        return _others(route, ruling, told) or _abstaining(route, told)

    def widen(self, query: Query, route: Route, hits: Sequence[Hit]) -> Route | None:
        """Once: keep more hits when several words of the question are in none of those that would be shown."""
        if route.width > 1 or route.abstain or not hits:
            return None
        left = len(open_words(query.text, hits[: query.k]))
        if left < _OPEN:
            return None
        reason = f"{route.reason}; {left} words of the question are in no hit, so more hits are kept"
        return replace(route, width=WIDE, reason=reason, decision={**route.decision, "widened": left})

    def model_for(self, situation: Situation) -> RoutingModel:
        """What this home has learnt, else what was given, else what comes along."""
        if situation.learned is not None:
            return RoutingModel.from_dict(situation.learned)
        return self._model if self._model is not None else bundled()

    def _allowed(self, arm: Arm, features: Mapping[str, float], situation: Situation, known: set[str]) -> bool:
        """What no likelihood may override."""
        if arm == NOTHING:  # only what looks like talk may go unanswered
            return is_small_talk(features)
        # a text record is the source of truth: weights alone answer when none names what is asked for (see `escalate`),
        # and of an arm some memory has to be among those that by their own word are best at what prevails in scope
        if not set(arm.memories) & _fit(situation):
            return False
        strange = situation.kinds and features["turns"] + features["chunks"] < _FAMILIAR
        return not strange or known <= set(arm.memories)

    def _told(self, chosen: Sequence[str], ruling: Ruling, reason: str, decision: Mapping[str, Any]) -> Route:
        names = tuple(dict.fromkeys(chosen))
        skipped = dict(ruling.skipped)
        skipped |= {name: "another choice is worth more" for name in ruling.names if name not in names}
        return Route(names, reason, skipped, ruling.kind, decision=decision)


def _by_gain(
    query: Query, situation: Situation, route: Route, recalls: Sequence[Recall], ruling: Ruling
) -> Route | None:
    """The route by whether what was recalled bears on the question, where a model can tell; None when it stands."""
    parametric, before = _parametric(situation), route.decision.get("gain")
    seen = looked_at(query, situation, recalls, ruling.kind, parametric, before)
    if seen is None:
        return None
    is_new = seen.decision is not before
    if is_new:
        decision = {**route.decision, "gain": seen.decision}
        route = replace(route, reason=f"{route.reason}; {seen.reason}", decision=decision, notes=seen.notes)
    further: Route | None = None
    told = "what was recalled does not bear on the question"
    if seen.outcome == "weights":
        if not any(recall.memory in parametric and recall.hits for recall in recalls):
            further = _also(route, [n for n in ruling.names if n in parametric], "weights")
        elif situation.ranking:  # a model that reads is shown the text as well, and judges for itself
            further = _weights_alone(route, recalls, parametric, told)
    elif seen.outcome == "conflict" and is_new:  # a text record is the source of truth
        skipped = {n: "a text says otherwise, and text is believed" for n in route.memories if n in parametric}
        kept = tuple(n for n in route.memories if n not in parametric)
        further = replace(route, memories=kept, skipped={**route.skipped, **skipped})
    elif seen.outcome == "neither":
        further = _others(route, ruling, told) or _abstaining(route, told)
    elif seen.outcome == "unsure":
        further = _others(route, ruling, "what was recalled may not bear on the question")
    return further or (route if is_new else None)


def _weights_alone(route: Route, recalls: Sequence[Recall], parametric: Collection[str], told: str) -> Route | None:
    """A model that says when it does not know, and answers: what was recalled besides is of something else."""
    known = tuple(recall.memory for recall in recalls if recall.memory in parametric and recall.hits)
    if set(known) == set(route.memories):
        return None
    skipped = {**route.skipped, **{r.memory: told for r in recalls if r.memory not in parametric}}
    reason = f"{route.reason}; the weights of {', '.join(known)} answer"
    return replace(
        route, memories=known, skipped=skipped, reason=reason, decision={**route.decision, "escalated": "weights"}
    )


def _others(route: Route, ruling: Ruling, told: str) -> Route | None:
    """Those that were not asked are asked as well, once."""
    others = [name for name in ruling.names if name not in route.memories]
    if route.decision.get("escalated"):
        return None
    further = _also(route, others, "others")
    return further and replace(further, reason=f"{route.reason}; {told}, so the others were asked as well")


def _also(route: Route, names: Sequence[str], stage: str) -> Route | None:
    """The route with those of these memories that were not asked; None when all were."""
    new = tuple(name for name in names if name not in route.memories)
    if not new:
        return None
    skipped = {name: why for name, why in route.skipped.items() if name not in new}
    decision = {**route.decision, "escalated": stage}
    return replace(route, memories=(*route.memories, *new), skipped=skipped, decision=decision)


def _abstaining(route: Route, told: str) -> Route:
    decision = {**route.decision, "escalated": "abstain"}
    return replace(route, reason=f"{route.reason}; {told}", abstain=told, decision=decision)


def _fit(situation: Situation) -> set[str]:
    """The memories that declare a weight near the greatest for the kind of record that prevails in scope."""
    prevailing = max(sorted(situation.kinds), key=lambda kind: situation.kinds[kind], default="")
    parametric = _parametric(situation)
    weights = {c.name: c.calibration.of(prevailing) for c in situation.candidates if c.name not in parametric}
    return {name for name, weight in weights.items() if weight >= _NEAR * max(weights.values())}


def _parametric(situation: Situation) -> set[str]:
    return {c.name for c in situation.candidates if Capability.PARAMETRIC in c.capabilities}
