"""Whether recalled text bears on a question, by how sure a model is with it and without: the confidence gain.

A look at a model costs more than all else that routing does, so cheap checks come first. It is taken where the
passages that name what the question names hold none of its other words and are not near it in meaning; or where weights
that have answered already are sure of something that no passage holds. Only questions of one step are looked at: no
method makes a model's weights answer what follows from two facts.

What a look comes to (``outcome``):

    bears     the answer with the passages stands in them, or they made the model surer
    conflict  it stands in them, and the model is sure of another one by itself
    weights   the passages changed nothing for the better, and the model is sure by itself
    neither   it says that it does not know, with the passages and without, and they lead to no other text
    unsure    none of these
    fault     the model failed, was too slow, or the budget is used up
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentmem.errors import BudgetExceeded, ModelError
from agentmem.gain import SURE, Weighed, otherwise, same_answer, stands_in
from agentmem.records import Query, QueryKind, Recall
from agentmem.router import Situation
from agentmem.routing.evidence import leads_on, off_the_matter, passages_about
from agentmem.routing.features import names_in, speaks

NEAR = 0.35
"""Cosine, names masked, from which a passage may well answer: then no model is looked at."""
_SURER = 0.05  # nats; a model that is made surer by less is made no surer
_ONE_STEP = (QueryKind.UNKNOWN, QueryKind.SINGLE)
_RELATIVE = r"(?:where|who|whom|whose|that)\b"
_REASONS = {
    "bears": "what was recalled bears on it",
    "conflict": "what was recalled bears on it, and the weights of {} say otherwise",
    "weights": "what was recalled does not bear on it, and {} knows by itself",
    "neither": "what was recalled does not bear on it, and {} does not know either",
    "unsure": "what was recalled may not bear on it, and {} is not sure by itself",
}


@dataclass(frozen=True, slots=True)
class Bearing:
    """What a look at a model came to; ``decision`` holds the numbers, in JSON values and without a word of the text."""

    outcome: str
    decision: Mapping[str, Any]
    reason: str = ""
    notes: tuple[str, ...] = ()


def looked_at(
    query: Query,
    situation: Situation,
    recalls: Sequence[Recall],
    kind: QueryKind,
    parametric: Collection[str],
    before: Mapping[str, Any] | None = None,
) -> Bearing | None:
    """What a model makes of the question with these recalls and without; None when there is no need to ask one.

    ``before``: the decision of an earlier look; it stands as long as no further passage came.
    """
    if situation.weigh is None or query.as_of is not None:
        return None
    names = [name for name in names_in(query.text) if not speaks(name, situation.speakers)]
    if not all(_is_one_step(query.text, name, kind) for name in names):
        return None
    passages = passages_about(names, [r for r in recalls if r.memory not in parametric]) if names else []
    if not passages:
        return None
    if before is not None and before["passages"] == len(passages):
        return Bearing(str(before["outcome"]), before)
    decision: dict[str, Any] = {"passages": len(passages)}
    try:
        if not _contradicted(recalls, passages, parametric):
            if not off_the_matter(query.text, names, passages):
                return None
            near = situation.likeness(passages) if situation.likeness is not None else None
            if near is not None:
                decision["likeness"] = round(near, 4)
                if near >= NEAR:
                    return None
        weighed = situation.weigh(passages)
    except (ModelError, BudgetExceeded) as error:
        decision |= {"outcome": "fault", "fault": type(error).__name__}
        return Bearing("fault", decision, "no model could be asked whether what was recalled bears on it")
    if weighed is None:
        return None
    return _judged(weighed, passages, decision, leads_on(query.text, passages, recalls))


def _is_one_step(text: str, name: str, kind: QueryKind) -> bool:
    """Whether a question asks for one fact about the name, as far as its form tells: "the home of Ada" alone is one."""
    told = re.escape(name)
    if re.search(rf"\bthe (?:\w+ ){{1,3}}of {told}", text):
        asked = rf"\W*(?:who|what|where|when|which)(?: \w+)? (?:is|was|are|were) the (?:\w+ ){{1,3}}of {told}\W*"
        return kind in (*_ONE_STEP, QueryKind.MULTI_HOP) and re.fullmatch(asked, text, re.IGNORECASE) is not None
    return kind in _ONE_STEP and not re.search(rf"\bthe \w+ {told} \w+|(?<=\w ){_RELATIVE}", text)


def _contradicted(recalls: Sequence[Recall], passages: Sequence[str], parametric: Collection[str]) -> bool:
    """Whether weights that were asked already are sure of something that no passage holds."""
    said = [hit.record.attributes for r in recalls if r.memory in parametric for hit in r.hits[:1]]
    return any(
        float(told.get("confidence", 0.0)) >= SURE and not _held(str(told.get("answer", "")), passages) for told in said
    )


def _judged(weighed: Weighed, passages: Sequence[str], decision: Mapping[str, Any], further: bool) -> Bearing:
    """``further``: the passages lead to other texts, which the model was not shown."""
    outcome, closed, opened = _outcome(weighed, passages), weighed.closed, weighed.opened
    if outcome == "neither" and further:
        outcome = "unsure"
    numbers = {
        **decision,
        "outcome": outcome,
        "model": weighed.model,
        "gain": round(weighed.gain, 4),
        "entropy": [round(said.entropy, 4) for said in (closed, opened)],
        "confidence": [round(said.confidence, 4) for said in (closed, opened)],
        "unknown": [closed.unknown, opened.unknown],
    }
    reason = f"{_REASONS[outcome].format(weighed.model)} (confidence gain {weighed.gain:+.2f})"
    notes = (otherwise(weighed.model, closed.text),) if outcome == "conflict" else ()
    return Bearing(outcome, numbers, reason, notes)


def _outcome(weighed: Weighed, passages: Sequence[str]) -> str:
    closed, opened = weighed.closed, weighed.opened
    sure = not closed.unknown and closed.confidence >= SURE
    read = not opened.unknown and _held(opened.text, passages)
    if read and sure and not same_answer(closed.text, opened.text):
        return "conflict"
    if read or (not opened.unknown and weighed.gain > _SURER):
        return "bears"
    if sure:
        return "weights"
    return "neither" if closed.unknown and opened.unknown else "unsure"


def _held(answer: str, passages: Sequence[str]) -> bool:
    return any(stands_in(answer, passage) for passage in passages)
