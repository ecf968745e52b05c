"""Facts that earn a place in the weights, wait for a yes, and leave when their text changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentmem import Agent
from agentmem.contract import Capability, Memory
from agentmem.promotion import candidates
from agentmem.records import Change, Draft, Event, Proposal, Query, Recall, Record, Source, Status, Trust
from agentmem.testing.fakes import SettableClock

_TRUE = "The capital of Zurkia is Kultmouth."


class Weights(Memory):
    """Stands in for a weight memory: derives an edit from every request."""

    name = "weights"
    kinds = frozenset({"edit"})
    capabilities = Capability.NEEDS_LOCAL_MODEL | Capability.PARAMETRIC

    def observe(self, event: Event) -> Sequence[Proposal]:
        return [
            Draft(
                body=f"{request.prompt} {request.target}",
                kind="edit",
                derived_from=(request.record_id,) if request.record_id else (),
                attributes={"memory": self.name},
                namespace=event.namespace,
            )
            for request in event.requests
        ]

    def apply(self, changes: Sequence[Change]) -> None:
        """Nothing to hold."""

    def recall(self, query: Query) -> Recall:
        return Recall(abstain="nothing to say")


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(1_700_000_000.0)


@pytest.fixture
def agent(tmp_path: Path, clock: SettableClock) -> Iterator[Agent]:
    from agentmem_bm25 import Bm25Memory

    model: Any = object()  # never asked
    plugins: dict[str, type[Memory]] = {"bm25": Bm25Memory, "weights": Weights}
    with Agent.open(
        tmp_path, plugins=plugins, embedder="hash", local_model=model, clock=clock, promotion={"memory": "weights"}
    ) as opened:
        yield opened


def _earn(agent: Agent, clock: SettableClock, text: str = _TRUE, *, reads: int = 3) -> Record:
    agent.ask(text, session="one")
    clock.advance(days=1)
    agent.ask(f"By the way, {text}", session="two")
    for _ in range(reads):
        agent.recall(text, k=1)
    clock.advance(days=10)
    return next(iter(agent.records(kinds=("fact",))))


def _edits(agent: Agent) -> list[Record]:
    return list(agent.records(kinds=("edit",)))


def test_a_fact_that_earned_it_waits_for_a_yes(agent: Agent, clock: SettableClock) -> None:
    fact = _earn(agent, clock)
    agent.promote()
    (pending,) = agent.pending()
    assert pending.derived_from == (fact.id,)
    assert pending.memories == ()  # the text is found, not the copy
    assert _edits(agent) == []
    agent.approve(pending.id)
    agent.flush_edits()
    assert [edit.body for edit in _edits(agent)] == ["The capital of {} is Kultmouth"]
    assert agent.promote() == []  # it is there already


def test_a_promotion_is_rolled_back_by_undo(agent: Agent, clock: SettableClock) -> None:
    _earn(agent, clock)
    agent.promote()
    approved = agent.approve(agent.pending()[0].id)
    agent.flush_edits()
    undone = agent.undo(approved)
    assert _edits(agent) == []
    assert len(agent.pending()) == 1
    agent.undo(undone)
    assert len(_edits(agent)) == 1


@pytest.mark.parametrize("verb", ["said", "retract", "correct"])
def test_it_leaves_the_weights_when_its_text_changes(agent: Agent, clock: SettableClock, verb: str) -> None:
    fact = _earn(agent, clock)
    agent.promote()
    agent.approve(agent.pending()[0].id)
    agent.flush_edits()
    if verb == "said":
        agent.ask("The capital of Zurkia is now Nemport.")
    elif verb == "retract":
        agent.retract(fact.id)
    else:
        agent.correct(fact.id, "The capital of Zurkia is Nemport.")
    assert _edits(agent) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("My capital idea is Kultmouth.", "it is personal"),
        ("The salary of Rosa is 4000 crowns.", "it is personal"),
        ("The market opens at 9:00.", "it may not last"),
        ("The capital of Zurkia is currently Kultmouth.", "it may not last"),
    ],
)
def test_what_is_personal_or_passing_never_qualifies(
    agent: Agent, clock: SettableClock, text: str, reason: str
) -> None:
    _earn(agent, clock, text)
    assert all(reason in candidate.reasons for candidate in candidates(agent.home))
    assert candidates(agent.home)
    assert agent.promote() == []


def test_it_must_be_read_confirmed_and_old_enough(agent: Agent, clock: SettableClock) -> None:
    agent.ask(_TRUE)
    (found,) = candidates(agent.home)
    assert [reason.partition(",")[0] for reason in found.reasons] == [
        "it has not stood long enough",
        "it answered 0 time(s)",
        "it was stated in 1 place(s)",
    ]


def test_what_only_documents_say_never_reaches_the_weights(agent: Agent, clock: SettableClock) -> None:
    drafts = [Draft(body=_TRUE, kind="chunk", trust=Trust.DOCUMENT, sources=(Source(f"{n}.md"),)) for n in range(3)]
    agent.remember_many(drafts, actor="document")
    for _ in range(5):
        agent.recall(_TRUE)
    clock.advance(days=30)
    assert all("only a document says so" in candidate.reasons for candidate in candidates(agent.home))
    assert agent.promote() == []
    assert list(agent.records(statuses=(Status.PENDING,))) == []


def test_a_contradicted_fact_does_not_qualify(agent: Agent, clock: SettableClock) -> None:
    _earn(agent, clock)
    chunk = Draft(body="The capital of Zurkia is Beanby.", kind="chunk", trust=Trust.DOCUMENT)
    agent.remember_many([chunk], actor="document")
    assert any("another statement contradicts it" in candidate.reasons for candidate in candidates(agent.home))
    assert agent.promote() == []
