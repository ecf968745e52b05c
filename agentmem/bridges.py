"""A second step over what was said: the question is asked again of what the first record names.

"Where is the employer of Ada Berg based?" finds "Ada Berg works for Velmsoft." With the one name in the place of the
other, "Where is the employer of Velmsoft based?" finds "Velmsoft has its head office in Kall.", in whatever words it is
said. For turns, and for statements that `agentmem.hops` cannot join by their words; passages are the graph's matter.
Deterministic, no model of its own. Knows no memory: it asks by the function that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agentmem.claims import claim_of, folded_value, names_in
from agentmem.hops import is_short, speaks_of
from agentmem.records import Hit, QueryKind
from agentmem.router import kind_of
from agentmem.routing.features import speaks
from agentmem.sentences import STOP_WORDS, content_stems, covered, sentences

Ask = Callable[[str], Sequence[Hit]]
"""Asks a question: fused hits, best first."""

_OF_MANY = (QueryKind.AGGREGATE, QueryKind.GLOBAL)  # such a question is about many records, not about one after another
_FIRST = 5  # hits, one of which has to name what the question names (3 lose 2 points of planted chat; 10: the same)
_STEPS = 2  # after the first; the second of them only when the one before it covered a word of the question
_NAMES = 2  # new names of one record that are asked of
_KEPT = 2  # best hits that keep their place


@dataclass(frozen=True, slots=True)
class _Step:
    """What was found by asking again of ``name``, and the open words of the question that it holds."""

    hit: Hit
    name: str
    holds: frozenset[str]

    @property
    def is_sure(self) -> bool:
        """Whether it claims something of the name, in words of the question."""
        return bool(self.holds) and claim_of(sentences(self.hit.record.body)[0]) is not None


def bridged(
    question: str, hits: Sequence[Hit], ask: Ask, *, speakers: frozenset[str] = frozenset(), k: int = 10
) -> list[Hit]:
    """The hits, and behind the best of them what the question found when it was asked again; as many as before, or k.

    ``speakers`` (case-folded): names that tell nothing, since every other turn bears them. Added hits carry the chain
    in ``path`` where they surely belong to it: they claim something in words of the question that were open.
    """
    start = None if kind_of(question) in _OF_MANY else _start(question, hits, speakers)
    if start is None:
        return list(hits)
    first, name = start
    steps = _steps(question, first, name, ask, speakers)
    return _placed(hits, first, steps, k) if steps else list(hits)


def _start(question: str, hits: Sequence[Hit], speakers: frozenset[str]) -> tuple[Hit, str] | None:
    """The best record that holds a name of the question, and the name; None when it leads nowhere."""
    named = sorted((name for name in _names(question) if not speaks(name, speakers)), key=len, reverse=True)
    for hit in hits[:_FIRST] if named else ():
        name = next((name for name in named if _holds(hit, name)), None)
        if name is not None and (hit.record.kind == "turn" or is_short(hit.record)):
            return hit, name
    return None


def _steps(question: str, first: Hit, name: str, ask: Ask, speakers: frozenset[str]) -> list[_Step]:
    asked = frozenset(content_stems(_put(question, name, " ")))
    left = asked - covered(asked, first.record.body)
    chain, steps = [first], list[_Step]()
    # every record of a chain answers to a word of the question at least: "Where does Ada live?" has no second step
    while left and len(chain) < min(len(asked), _STEPS + 1):
        best: _Step | None = None
        for new in _new_names(question, chain, speakers):
            step = _step(_put(question, name, new), new, left, chain, ask)
            if step is not None and (best is None or len(step.holds) > len(best.holds)):
                best = step
        if best is None:
            break
        chain.append(best.hit)
        steps.append(best)
        left -= best.holds
        if not best.holds:
            break
    return steps


def _put(question: str, name: str, new: str) -> str:
    """The question with another name in the place of one of its own."""
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", lambda _: new, question)


def _step(question: str, name: str, left: frozenset[str], chain: Sequence[Hit], ask: Ask) -> _Step | None:
    known = {hit.record_id for hit in chain}
    for hit in ask(question):
        if hit.record_id not in known and speaks_of(hit.record, name):
            return _Step(hit, name, covered(left, hit.record.body))
    return None


def _new_names(question: str, chain: Sequence[Hit], speakers: frozenset[str]) -> list[str]:
    """Names in the last record that neither the question nor the chain before it holds; the last ones, often values."""
    said = f" {folded_value(' '.join([question, *(hit.record.body for hit in chain[:-1])]))} "
    found = [name for name in _names(chain[-1].record.body) if f" {folded_value(name)} " not in said]
    return [name for name in found if not speaks(name, speakers)][-_NAMES:]


def _names(text: str) -> list[str]:
    """Names by sentence; a single word that opens one is no name unless the sentence makes a claim about it."""
    out: dict[str, None] = {}
    for sentence in sentences(text):
        claim = claim_of(sentence)
        for found in names_in(sentence):
            name = re.sub(r"['’]s?$", "", found)
            opens = sentence.startswith(found) and " " not in name
            if opens and (claim is None or claim.subject != folded_value(name)):
                continue
            if folded_value(name) and name.casefold() not in STOP_WORDS:
                out.setdefault(name)
    return list(out)


def _holds(hit: Hit, name: str) -> bool:
    return f" {folded_value(name)} " in f" {folded_value(hit.record.body)} "


def _placed(hits: Sequence[Hit], first: Hit, steps: Sequence[_Step], k: int) -> list[Hit]:
    """What was found behind the first record and the best two; nothing moves down that stood above."""
    told: dict[str, Hit] = {}
    path: tuple[str, ...] = (first.record_id,)
    for step in steps:
        path = (*path, step.hit.record_id)
        why = f"asked again of {step.name}; {step.hit.why}".rstrip("; ")
        told[step.hit.record_id] = replace(step.hit, path=path if step.is_sure else step.hit.path, why=why)
    at = max(_KEPT, 1 + next(i for i, hit in enumerate(hits) if hit.record_id == first.record_id))
    above = [told.pop(hit.record_id, hit) for hit in hits[:at]]
    below = [hit for hit in hits[at:] if hit.record_id not in told]
    return [*above, *told.values(), *below][: max(k, len(hits))]
