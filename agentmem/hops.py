"""A further hop: from the facts that a question found to facts about what those name, until the question is covered.

"Where was the creator of Tetris born?" finds "Tetris was created by Ada Berg"; this looks for what is said of Ada Berg
and keeps what speaks of a birth. It joins short statements (facts, notes, triples); passages are the graph's matter.
Deterministic, no model. Knows no memory: it searches by the function that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agentmem.claims import Claim, claim_of, folded_value, names_in
from agentmem.records import Hit, Record
from agentmem.sentences import covered, sentences, stem_set

Search = Callable[[str], Sequence[Hit]]
"""Looks a name up: hits, best first."""

_KINDS = frozenset({"fact", "note", "triple", "insight"})
_ROUNDS = 3  # hops after the first; four facts in a row
_WIDTH = 4  # chains that are followed at a time
_STARTS = 6  # hits of the question itself that may begin a chain
_LOOK_UPS = 16  # names looked up for one question at most
_NAMES = 3  # names of the question that are looked up
_SHORT = 2  # sentences; what is longer is a passage


@dataclass(frozen=True, slots=True)
class _Chain:
    """Facts in a row, what of the question they leave open, and how well they fit it (higher is better)."""

    hits: tuple[Hit, ...]
    left: frozenset[str]
    fit: float

    @property
    def last(self) -> Hit:
        return self.hits[-1]


def hops(question: str, hits: Sequence[Hit], search: Search, *, k: int = 10) -> list[Hit]:
    """At most ``k`` hits: those of the question, and after each the facts that it leads to.

    The same list (cut to ``k``) when nothing leads anywhere. Added hits carry the ids of the chain in ``path``.
    """
    chains = _follow(question, hits, search)
    if not chains:
        return list(hits[:k])
    return _woven(question, hits, chains, k)


def leads_on(question: str, hits: Sequence[Hit]) -> bool:
    """Whether a further hop may help: the best statements leave words of the question open and name something new."""
    return any(_open(question, hit) and _new_names(question, hit.record, ()) for hit in _starts(question, hits))


def _follow(question: str, hits: Sequence[Hit], search: Search) -> list[_Chain]:
    looked: dict[str, Sequence[Hit]] = {}

    def look_up(name: str) -> Sequence[Hit]:
        key = folded_value(name)
        if key not in looked:
            looked[key] = () if len(looked) >= _LOOK_UPS else search(name)
        return looked[key]

    frontier = [_Chain((hit,), _open(question, hit), _fit(question, hit)) for hit in _starts(question, hits, look_up)]
    frontier = sorted(frontier, key=_order)[:_WIDTH]
    done: list[_Chain] = []
    for _ in range(_ROUNDS):
        grown = [longer for chain in frontier for longer in _grown(question, chain, look_up)]
        if not grown:
            break
        frontier = sorted(grown, key=_order)[:_WIDTH]
        done += frontier
    return done


def _grown(question: str, chain: _Chain, look_up: Search) -> list[_Chain]:
    out: list[_Chain] = []
    known = {hit.record_id for hit in chain.hits}
    for name in _new_names(question, chain.last.record, chain.hits[:-1]):
        for hit in look_up(name):
            if hit.record_id in known or not is_short(hit.record) or not speaks_of(hit.record, name):
                continue
            held = covered(chain.left, _respect(hit.record, name))
            out.append(_Chain((*chain.hits, hit), chain.left - held, chain.fit + len(held) - _STEP))
            known.add(hit.record_id)
    return out


_STEP = 0.5  # what a hop costs, in words of the question


def _order(chain: _Chain) -> tuple[float, str]:
    return (-chain.fit, chain.last.record_id)


def _starts(question: str, hits: Sequence[Hit], look_up: Search | None = None) -> list[Hit]:
    """Statements that a chain may begin with: those about something that the question names, if there are any."""
    found = list(hits)
    if look_up is not None:
        found += [hit for name in names_in(question)[:_NAMES] for hit in look_up(name)[:_STARTS]]
    short = {hit.record_id: hit for hit in found if is_short(hit.record)}
    said, named = f" {folded_value(question)} ", [folded_value(name) for name in names_in(question)]
    about = [hit for hit in short.values() if _is_about(hit.record, said, named)]
    return about or [hit for hit in hits[:_STARTS] if is_short(hit.record) and _fit(question, hit) > 0]


def _is_about(record: Record, said: str, named: Sequence[str]) -> bool:
    """Whether a statement's subject, or a name that it holds beside its value, stands in the question."""
    claim = _claim(record)
    subject = folded_value(record.subject or "") or (claim.subject if claim is not None else "")
    if subject and f" {subject} " in said:
        return True
    told = f" {folded_value(_without_value(record))} "
    return any(f" {name} " in told for name in named)


def _claim(record: Record) -> Claim | None:
    first = sentences(record.body)[:1]
    return claim_of(first[0]) if first else None


def is_short(record: Record) -> bool:
    """Whether a record is a short statement, which can be joined to others."""
    return record.kind in _KINDS and len(sentences(record.body)) <= _SHORT


def _open(question: str, hit: Hit) -> frozenset[str]:
    asked = stem_set(question)
    return asked - covered(asked, hit.record.body)


def _fit(question: str, hit: Hit) -> float:
    return float(len(stem_set(question)) - len(_open(question, hit)))


def _new_names(question: str, record: Record, before: Sequence[Hit]) -> list[str]:
    """What a statement leads to: its value, and names that neither the question nor the chain before it holds."""
    said = f" {folded_value(' '.join([question, *(hit.record.body for hit in before)]))} "
    claim = _claim(record)
    found = [record.object or "", claim.value if claim is not None else "", *names_in(record.body)]
    out: dict[str, str] = {}
    for name in found:
        key = folded_value(name)
        if key and len(key.split()) <= 8 and f" {key} " not in said:
            out.setdefault(key, name)
    return list(out.values())


def speaks_of(record: Record, name: str) -> bool:
    """Whether the record says something of the name, rather than of something else whose value it is."""
    return f" {folded_value(name)} " in f" {folded_value(_without_value(record))} "


def _respect(record: Record, name: str) -> str:
    """What the record says of the name, without the name itself and its own value."""
    return _without_value(record).replace(name, " ")


def _without_value(record: Record) -> str:
    claim = _claim(record)
    value = record.object or (claim.value if claim is not None else "")
    return record.body.replace(value, " ") if value else record.body


def _woven(question: str, hits: Sequence[Hit], chains: Sequence[_Chain], k: int) -> list[Hit]:
    """The facts of the best chains in their order, then what else the question found."""
    out: dict[str, Hit] = {}
    useful = [chain for chain in chains if len(chain.left) < len(_open(question, chain.hits[0]))]
    best = sorted(useful, key=lambda chain: (-chain.fit, len(chain.hits), chain.last.record_id))
    for hit in hits[:1]:
        out[hit.record_id] = hit
    for chain in best[:_WIDTH]:
        for place, hit in enumerate(chain.hits):
            path = tuple(one.record_id for one in chain.hits[: place + 1])
            told = hit if place == 0 else replace(hit, path=path, why=f"{place + 1}. hop; {hit.why}".rstrip("; "))
            out.setdefault(hit.record_id, told)
    kept = list(out.values())[: max(1, k - 2)]
    held = {hit.record_id for hit in kept}
    rest = [hit for hit in hits if hit.record_id not in held]
    return [*kept, *rest][:k]
