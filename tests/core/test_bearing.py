"""Whether evidence bears on a question: when a model is looked at, what a look comes to, and where that leads."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from agentmem.contract import Capability
from agentmem.errors import BudgetExceeded, ModelError
from agentmem.gain import Said, Weighed
from agentmem.records import Hit, Query, QueryKind, Recall, Record
from agentmem.router import Candidate, Route, Situation
from agentmem.routing import CalibratedRouter, ChatRouter
from agentmem.routing.evidence import leads_on, off_the_matter, passages_about

QUESTION = Query(text="Where does Ada Berg live?")
CANDIDATES = (
    Candidate("text", Capability.NONE),
    Candidate("web", Capability.NONE),
    Candidate("weights", Capability.PARAMETRIC),
)
ROUTE = Route(("text",), "as chosen", {"web": "dear", "weights": "dear"}, decision={"stage": "features"})
OTHER, SUPPORT, AGAINST = "Ada Berg plays chess.", "The home of Ada Berg is in Kall.", "Ada Berg's home: Dorn."
KNOWN, UNKNOWN = Said("Kall.", 0.03, 0.95), Said("I don't know.", 0.001, 0.0, unknown=True)


class Model:
    """Says what it is told to, and notes the passages that it is shown."""

    def __init__(self, closed: Said, opened: Said) -> None:
        self.seen: list[list[str]] = []
        self._said = closed, opened

    def __call__(self, passages: Sequence[str]) -> Weighed:
        self.seen.append(list(passages))
        return Weighed("known", *self._said, math.log(100))


def text(*bodies: str, memory: str = "text", **told: Any) -> Recall:
    hits = tuple(Hit(Record(id=body, kind="fact", body=body, **told), 1.0) for body in bodies)
    return Recall(memory=memory, hits=hits)


def weights(answer: str, confidence: float) -> Recall:
    told = {"parametric": True, "answer": answer, "confidence": confidence}
    record = Record(id="lm:known", kind="answer", body=f"Where does Ada Berg live? {answer}", attributes=told)
    return Recall(memory="weights", hits=(Hit(record, confidence),))


def after(
    model: Any, *recalls: Recall, query: Query = QUESTION, route: Route = ROUTE, **told: Any
) -> tuple[Route | None, Situation]:
    situation = Situation(CANDIDATES, live=100, weigh=model, **{"ranking": True, "likeness": lambda _: 0.1, **told})
    return CalibratedRouter().escalate(query, situation, route, recalls), situation


# ---- when a model is looked at


def test_a_model_is_looked_at_only_where_words_and_meaning_say_that_the_evidence_may_not_bear() -> None:
    model = Model(KNOWN, KNOWN)
    assert after(model, text("Ada Berg lives in Kall."))[0] is None, "it holds a word of the question"
    assert after(model, text(SUPPORT), likeness=lambda _: 0.6)[0] is None, "it comes near the question"
    assert after(model, text("Where does Ada Berg live?", SUPPORT), likeness=lambda _: None)[0] is not None
    assert model.seen == [[SUPPORT]], "a question is no evidence"


@pytest.mark.parametrize(
    "query",
    [
        Query(text="Where does Ada Berg live?", kind=QueryKind.MULTI_HOP),
        Query(text="In which country is the city where Ada Berg lives?"),
        Query(text="What does the employer of Ada Berg make?"),
        Query(text="In which city is the company Ada Berg works for based?"),
        Query(text="How often did Ada Berg travel?"),
        Query(text="Where does Ada Berg live?", as_of=1.0),
        Query(text="Where does Ada Berg live?", filters={"kind": "fact"}),
        Query(text="Who is Ada Berg?"),
        Query(text="where are my keys?"),
    ],
)
def test_it_is_not_looked_at_for_what_it_cannot_be_trusted_with(query: Query) -> None:
    model = Model(KNOWN, KNOWN)
    assert after(model, text(OTHER), query=query)[0] is None
    assert not model.seen


@pytest.mark.parametrize("text_of", ["Where is the home of Ada Berg?", "Which city is the place of birth of Ada Berg?"])
def test_a_possession_is_one_step(text_of: str) -> None:
    assert after(Model(KNOWN, KNOWN), text(OTHER), query=Query(text=text_of))[0] is not None


def test_what_a_speaker_said_of_themselves_is_left_to_the_text() -> None:
    model = Model(UNKNOWN, UNKNOWN)
    said = text("I adopted a parrot.", speaker="Ada Berg")
    assert after(model, said, speakers=frozenset({"ada berg"}))[0] is None
    assert not model.seen
    assert after(model, said)[0] is not None, "of somebody who does not speak in scope every sentence counts"
    assert model.seen == [["I adopted a parrot."]]


def test_weights_that_are_sure_of_what_no_passage_holds_are_a_reason_to_look() -> None:
    words = text("Ada Berg lives for chess.")
    for recall, looks in ((weights("Kall.", 0.9), 1), (weights("Kall.", 0.5), 0), (weights("chess", 0.9), 0)):
        model = Model(KNOWN, KNOWN)
        after(model, words, recall)
        assert len(model.seen) == looks


def test_without_a_model_nothing_changes() -> None:
    assert after(None, text(OTHER))[0] is None
    assert after(lambda _: None, text(OTHER))[0] is None, "a model that gives no probabilities gives no signal"


# ---- what a look comes to


def test_evidence_that_answers_is_left_alone_and_the_figures_are_recorded() -> None:
    route, _ = after(Model(UNKNOWN, Said("Kall.", 0.1, 0.9)), text(SUPPORT))
    assert route is not None
    assert (route.memories, route.abstain, route.notes) == (("text",), "", ())
    told = route.decision["gain"]
    assert (told["outcome"], told["unknown"]) == ("bears", [True, False])
    assert told["gain"] == pytest.approx(math.log(100) - 0.1, abs=1e-3), "unknown counts as ignorance"
    assert route.decision["stage"] == "features"
    assert "Kall" not in json.dumps(dict(route.decision)) + route.reason, "a trace quotes nothing"


def test_evidence_that_makes_a_model_surer_bears_though_it_does_not_hold_the_words() -> None:
    query = Query(text="Is Ada Berg an athlete?")
    route, _ = after(Model(Said("Yes.", 0.6, 0.6), Said("Yes.", 0.1, 0.9)), text(OTHER), query=query)
    assert route is not None
    assert route.decision["gain"]["outcome"] == "bears"


def test_where_evidence_does_not_bear_and_the_model_is_sure_the_weights_are_asked_and_answer() -> None:
    model = Model(KNOWN, Said("Kall.", 0.2, 0.8))
    route, situation = after(model, text(OTHER))
    assert route is not None
    assert route.memories == ("text", "weights")
    assert route.decision["gain"]["outcome"] == "weights"
    assert "confidence gain -0.17" in route.reason
    last = CalibratedRouter().escalate(QUESTION, situation, route, [text(OTHER), weights("Kall.", 0.95)])
    assert last is not None
    assert last.memories == ("weights",)
    assert last.decision["escalated"] == "weights"
    assert set(last.skipped) >= {"text"}
    assert len(model.seen) == 1, "one look a question"


def test_weights_that_were_asked_already_answer_at_once() -> None:
    both = Route(("text", "weights"), "as chosen", decision={})
    route, _ = after(Model(KNOWN, KNOWN), text(OTHER), weights("Kall.", 0.95), route=both)
    assert route is not None
    assert route.memories == ("weights",)


def test_a_model_that_reads_is_shown_the_text_beside_what_the_weights_know() -> None:
    both = Route(("text", "weights"), "as chosen", decision={})
    route, _ = after(Model(KNOWN, KNOWN), text(OTHER), weights("Kall.", 0.95), route=both, ranking=False)
    assert route is not None
    assert route.memories == ("text", "weights")


def test_weights_that_then_abstain_leave_the_evidence_as_it_was() -> None:
    route, situation = after(Model(KNOWN, KNOWN), text(OTHER))
    assert route is not None
    silent = Recall(memory="weights", abstain="it is the one that answers")
    assert CalibratedRouter().escalate(QUESTION, situation, route, [text(OTHER), silent]) is None


def test_a_conflict_is_told_and_the_text_is_believed() -> None:
    both = Route(("text", "weights"), "as chosen", decision={})
    route, _ = after(Model(KNOWN, Said("Dorn.", 0.03, 0.9)), text(AGAINST), weights("Kall.", 0.95), route=both)
    assert route is not None
    assert route.memories == ("text",)
    assert route.notes == ("the weights of known say otherwise: Kall",)
    assert "believed" in route.skipped["weights"]
    assert "Kall" not in json.dumps(dict(route.decision)) + route.reason


def test_a_model_that_is_not_sure_by_itself_contradicts_nothing() -> None:
    route, _ = after(Model(Said("Kall.", 0.9, 0.4), Said("Dorn.", 0.03, 0.9)), text(AGAINST))
    assert route is not None
    assert (route.decision["gain"]["outcome"], route.notes) == ("bears", ())


def test_where_neither_knows_the_others_are_asked_and_then_it_abstains() -> None:
    model = Model(UNKNOWN, UNKNOWN)
    route, situation = after(model, text(OTHER))
    assert route is not None
    assert route.memories == ("text", "web", "weights")
    nothing = Recall(memory="weights", abstain="it does not know")
    last = CalibratedRouter().escalate(QUESTION, situation, route, [text(OTHER), text(memory="web"), nothing])
    assert last is not None
    assert last.abstain
    assert len(model.seen) == 1


def test_what_leads_to_another_text_is_not_given_up() -> None:
    query = Query(text="In which country was Ada Berg born?")
    two = text("Ada Berg is a native of Kall.", "Kall lies in Velmark.", "Bo Lund comes from Kall.")
    route, situation = after(Model(UNKNOWN, UNKNOWN), two, query=query)
    assert route is not None
    assert CalibratedRouter().escalate(query, situation, route, [two]) is None
    one = text("Ada Berg is a native of Kall.", "Bo Lund comes from Kall.")
    assert leads_on(query.text, ["Ada Berg is a native of Kall."], [two])
    assert not leads_on(query.text, ["Ada Berg is a native of Kall."], [one]), "there is nothing about Kall"


def test_what_the_others_brought_is_looked_at_again() -> None:
    model = Model(UNKNOWN, UNKNOWN)
    route, situation = after(model, text(OTHER))
    assert route is not None
    router = CalibratedRouter()
    assert (
        router.escalate(QUESTION, situation, route, [text(OTHER), text("Ada Berg lives in Kall.", memory="web")])
        is None
    )


def test_a_model_that_is_unsure_has_others_asked_and_nothing_given_up() -> None:
    unsure = Said("Kall.", 1.0, 0.4)
    route, situation = after(Model(unsure, unsure), text(OTHER))
    assert route is not None
    assert route.memories == ("text", "web", "weights")
    assert CalibratedRouter().escalate(QUESTION, situation, route, [text(OTHER)]) is None


@pytest.mark.parametrize("error", [ModelError("too slow"), BudgetExceeded("spent")])
def test_a_model_that_fails_costs_the_signal_and_not_the_question(error: Exception) -> None:
    def fails(_: Sequence[str]) -> Weighed:
        raise error

    route, _ = after(fails, text(OTHER))
    assert route is not None
    assert route.memories == ("text",)
    assert route.decision["gain"]["fault"] == type(error).__name__


def test_the_chat_router_goes_by_it_as_well() -> None:
    situation = Situation(CANDIDATES, live=100, ranking=True, weigh=Model(KNOWN, KNOWN), likeness=lambda _: 0.1)
    route = ChatRouter().escalate(QUESTION, situation, ROUTE, [text(OTHER)])
    assert route is not None
    assert "weights" in route.memories


# ---- the words that decide whether to look


def test_passages_are_sentences_that_name_it_best_of_every_memory_first() -> None:
    long = "It rained. Ada Berg came. Nobody else did."
    found = passages_about(["Ada Berg"], [text("Ada Berg left.", "Bo Lund left."), text(long, memory="web")])
    assert found == ["Ada Berg left.", "Ada Berg came."]
    titled = text("She lives in Kall. She is old.", attributes={"title": "Ada Berg"})
    assert passages_about(["Ada Berg"], [titled]) == ["She lives in Kall.", "She is old."]


def test_a_question_is_answered_by_a_word_of_it_or_one_that_begins_alike() -> None:
    asked = "What is the citizenship of Ada Berg?"
    assert off_the_matter(asked, ["Ada Berg"], [OTHER])
    assert not off_the_matter(asked, ["Ada Berg"], ["Ada Berg is a citizen of Velmark."])
    assert not off_the_matter("Who is Ada Berg?", ["Ada Berg"], [OTHER]), "it asks for anything"
