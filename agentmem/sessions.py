"""Which sessions want a summary: it follows from the journal, and nothing is kept about it.

A session is summarised in parts that fit one call of the model; mostly there is one. A part is covered by a live
summary that derives from exactly its turns, as they stand: one that was corrected, retracted, undone or purged has
taken the summary along. Knows no model; `agentmem.summarising` makes what is due.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentmem.believing import SUMMARY
from agentmem.errors import BadInput
from agentmem.home import Home
from agentmem.journal.transaction import PERSON
from agentmem.policy import says_nothing
from agentmem.records import Namespace, Record, Status
from agentmem.settings import explain
from agentmem.summaries import MADE, is_persons, size_of
from agentmem.trace import KIND as TRACE

Key = tuple[Namespace, str, str]
"""Namespace, thread and session: turns of two keys never come into one summary."""

_LOOKED, _TURNS = 20, 2_000  # sessions and turns, the newest, that are looked at when nobody asks


class SummarySettings(BaseModel):
    """The section ``[summaries]`` of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    enabled: bool = Field(default=True, description="summarise a session by itself when it is over")
    least_turns: int = Field(default=4, ge=1, description="of people that say something, for a session to be worth one")
    sentences: int = Field(default=12, ge=1, le=30, description="that a summary has at most, for each call")
    quiet_minutes: float = Field(default=30.0, gt=0, description="after which a session without a turn is over")
    seconds: float = Field(default=6.0, ge=0, description="that closing may wait for the model; the rest is done later")
    at_once: int = Field(default=4, ge=1, description="how many are made in one go when nobody asks")


@dataclass(frozen=True, slots=True)
class Part:
    """Turns that one summary is due of. ``stale``: live summaries of some of them whose place it takes."""

    key: Key
    turns: tuple[Record, ...]
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """One session: how many turns it has, what of it is due, and why the rest is not.

    ``stale``: live summaries of turns that others cover as they stand now (an undo brought the turns back).
    """

    key: Key
    turns: int
    due: tuple[Part, ...] = ()
    reasons: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


def settings_of(home: Home) -> SummarySettings:
    try:
        return SummarySettings.model_validate(home.settings.section("summaries"))
    except ValidationError as error:
        raise BadInput(f"in the section of 'summaries': {explain(error, SummarySettings)}") from error


def look(
    home: Home, namespace: Namespace = (), *, session: str | None = None, over: Collection[Key] | None = None
) -> Iterator[Session]:
    """The sessions of a scope with what is due of them, the one last spoken in first.

    ``session`` names the only one that is looked at; it is due however short it is, and when its summary was taken
    back. With ``over`` nobody asks: only sessions that are over (these are, whatever the clock says) and that this
    model answered itself, a few of the newest.
    """
    wanted, now = settings_of(home), home.clock.now()
    running: set[tuple[Namespace, str]] = set()
    newest = None if over is None else _TURNS
    found_here = home.journal.records.sessions(namespace=namespace, newest=newest)
    for number, (key, turns, last_at) in enumerate(found_here):
        is_last = key[:2] not in running
        running.add(key[:2])
        if session is not None and key[2] != session:
            continue
        if over is not None:
            if number >= _LOOKED:
                return
            if key not in over and is_last and last_at > now - 60 * wanted.quiet_minutes:
                yield Session(key, turns, reasons=("it is not over yet",))
                continue
        found = _look_at(home, key, wanted, named=session is not None)
        if over is not None and found.due and not _is_own(home, key):
            found = replace(found, due=(), reasons=("it was not answered by this model",))
        yield found


def _look_at(home: Home, key: Key, wanted: SummarySettings, *, named: bool) -> Session:
    reader = home.journal.records
    namespace, thread, session = key
    place: dict[str, Any] = {"namespace": namespace, "thread": thread, "session": session}
    turns = [r for r in reader.find(kinds=("turn",), **place) if r.namespace == namespace]
    said = sum(is_persons(turn) and not says_nothing(turn.body) for turn in turns)
    if said < (1 if named else wanted.least_turns):
        reason = f"people said {said} thing(s) in it, {wanted.least_turns} are needed"
        return Session(key, len(turns), reasons=(reason,))
    found = reader.find(kinds=(SUMMARY, TRACE), statuses=tuple(Status), **place)
    made = [(r, frozenset(r.derived_from)) for r in found if r.namespace == namespace and MADE in r.attributes]
    live = [(r, ids) for r, ids in made if r.is_live and r.kind == SUMMARY]
    everything = frozenset(turn.id for turn in turns)
    standing = [ids for _, ids in live if ids <= everything]
    if standing and everything == frozenset().union(*standing):  # however it was split when it was made
        stale = tuple(r.id for r, ids in live if not ids <= everything or any(ids < other for other in standing))
        return Session(key, len(turns), reasons=("it is summarised",), stale=stale)
    tried = [ids for r, ids in made if r.is_live or _was_taken_back(home, r)]
    parts = list(_parts(turns, home.settings.budget.context_tokens, wanted.least_turns))
    wholes = [frozenset(turn.id for turn in part) for part in parts]
    old = {r.id: ids for r, ids in live if ids not in wholes}
    due: list[Part] = []
    reasons: list[str] = []
    for part, whole in zip(parts, wholes, strict=True):
        if any(ids == whole for _, ids in live):
            reasons.append("it is summarised")
        elif not named and whole in tried:
            reasons.append("nothing of its summary was kept, or it was taken back; name the session to make it again")
        else:
            due.append(Part(key, tuple(part), tuple(i for i, ids in old.items() if ids & whole)))
    return Session(key, len(turns), tuple(due), tuple(dict.fromkeys(reasons)))


def _parts(turns: Sequence[Record], limit: int, least: int) -> Iterator[list[Record]]:
    """The turns in stretches of at most ``limit`` tokens; a rest in which people say too little goes with the last."""
    stretches: list[list[Record]] = []
    room = 0
    for turn in turns:
        room -= size_of(turn)
        if room < 0 or not stretches:
            stretches.append([])
            room = limit - size_of(turn)
        stretches[-1].append(turn)
    if len(stretches) > 1 and sum(map(is_persons, stretches[-1])) < least:
        stretches[-2:] = [stretches[-2] + stretches[-1]]
    yield from stretches


def _was_taken_back(home: Home, record: Record) -> bool:
    """Whether a person took this very record back, rather than that it went along with a turn."""
    if record.is_live:
        return False
    last = home.journal.records.history(record.id)[-1]
    return last.actor == PERSON and last.cause is None


def _is_own(home: Home, key: Key) -> bool:
    """Whether this model, and no other, has answered in a session: what another was told is not for this one's eyes."""
    namespace, thread, session = key
    found = home.journal.records.find(namespace=namespace, kinds=(TRACE,), thread=thread, session=session)
    models = {json.loads(r.body).get("model") for r in found if r.namespace == namespace and MADE not in r.attributes}
    return home.chat is not None and models == {home.chat.name}
