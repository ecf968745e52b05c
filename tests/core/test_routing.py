"""The calibrated router on scripted arms (no model, no store), its rules, features, evidence check and learning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from agentmem.contract import Capability, Message
from agentmem.errors import BadInput, ModelError
from agentmem.records import Hit, Query, QueryKind, Recall, Record
from agentmem.router import Candidate, Route, Situation, kind_of
from agentmem.routing import CalibratedRouter, ChatRouter, RulesRouter, StaticRouter
from agentmem.routing.arms import NOTHING, Arm, Prices, all_arms, possible
from agentmem.routing.evidence import missing_names
from agentmem.routing.features import NAMES, entropy, features_of, names_in
from agentmem.routing.learning import Example, calibration_error, fit, learn
from agentmem.routing.model import Line, RoutingModel, bundled
from agentmem.testing import RouterContract

CANDIDATES = (
    Candidate("text", Capability.NONE),
    Candidate("web", Capability.NONE),
    Candidate("weights", Capability.PARAMETRIC),
    Candidate("all", Capability.WHOLE),
)
FREE = Prices(ms=0.0, hit=0.0, call=0.0)
QUESTION = Query(text="Where does Ada Berg live?")


def situation(**told: Any) -> Situation:
    return Situation(**{"candidates": CANDIDATES, "live": 100, "ranking": True, **told})


def scripted(
    p: dict[str, float], *, ms: dict[str, float] | None = None, probed: dict[str, float] | None = None
) -> RoutingModel:
    """A model whose arms have these likelihoods whatever is asked."""

    def flat(value: float, wide: int) -> Line:
        from math import log

        return Line((0.0,) * wide, log(value / (1 - value)))

    return RoutingModel(
        NAMES,
        {Arm.of(key): flat(value, len(NAMES)) for key, value in p.items()},
        probed={Arm.of(key): flat(value, len(NAMES)) for key, value in (probed or {}).items()},
        ms=ms or {},
    )


def choose(p: dict[str, float], prices: Prices = FREE, query: Query = QUESTION, **told: Any) -> Route:
    return CalibratedRouter(scripted(p), prices).route(query, situation(**told))


# ---- the decision


def test_a_dominated_arm_is_never_chosen_and_without_costs_the_likeliest_is() -> None:
    for text, web, both in ((0.5, 0.4, 0.6), (0.6, 0.5, 0.4), (0.2, 0.9, 0.5)):
        told = {"text": text, "web": web, "text+web": both}
        chosen = choose(told)
        best = max(told, key=lambda key: told[key])
        assert set(chosen.memories) - {"weights"} == set(best.split("+"))


def test_there_is_no_regret_when_one_arm_dominates() -> None:
    outcomes = [{"text": 1.0, "web": 0.0}, {"text": 1.0, "web": 0.5}, {"text": 0.5, "web": 0.0}]
    chosen = [choose({"text": 0.9, "web": 0.3}).decision["arm"] for _ in outcomes]
    assert sum(max(row.values()) - row[arm] for row, arm in zip(outcomes, chosen, strict=True)) == 0


def test_when_only_the_price_counts_the_cheapest_arm_is_chosen() -> None:
    model = scripted({"text": 0.9, "web": 0.1, "text+web": 0.99}, ms={"text": 50.0, "web": 1.0})
    dear = CalibratedRouter(model, Prices(ms=1e6, hit=0.0)).route(QUESTION, situation())
    assert dear.decision["arm"] == "web"
    free = CalibratedRouter(model, FREE).route(QUESTION, situation())
    assert free.decision["arm"] == "text+web"


def test_what_is_not_there_is_never_chosen() -> None:
    route = choose({"text": 0.5, "gone": 0.99, "gone+text": 0.99})
    assert "gone" not in route.memories
    assert route.decision["arm"] == "text"


def test_ties_go_to_the_cheaper_arm_and_then_by_name() -> None:
    assert choose({"web": 0.5, "text": 0.5}).decision["arm"] == "text"
    model = scripted({"web": 0.5, "text": 0.5}, ms={"web": 1.0, "text": 2.0})
    prices = Prices(ms=1e-12, hit=0.0)  # too little to be seen in what an arm is worth
    assert CalibratedRouter(model, prices).route(QUESTION, situation()).decision["arm"] == "web"


def test_rules_override_any_likelihood() -> None:
    sure = {"text": 0.99}
    assert choose(sure, live=0, candidates=CANDIDATES[:2]).memories == ()
    assert choose(sure, live=0).memories == ("weights",)
    whole = choose(sure, ranking=False, history_tokens=10)
    assert whole.memories == ("all",)
    assert choose(sure, query=replace(QUESTION, as_of=1.0)).memories == ()


def test_the_same_question_gives_the_same_decision() -> None:
    one, two = (choose({"text": 0.6, "web": 0.5}) for _ in range(2))
    assert json.dumps(one.decision, sort_keys=True) == json.dumps(two.decision, sort_keys=True)
    assert one == two
    assert {"stage", "arm", "features", "p", "cost", "propensity"} <= set(one.decision)


def test_raising_one_likelihood_never_loses_the_arm_its_choice() -> None:
    was_chosen = False
    for p in (0.1, 0.3, 0.5, 0.55, 0.6, 0.7, 0.9):
        chosen = choose({"text": p, "web": 0.5, "text+web": 0.58}, Prices()).decision["arm"] == "text"
        assert chosen or not was_chosen
        was_chosen = chosen
    assert was_chosen


def test_a_memory_that_nothing_was_learnt_of_is_asked_along() -> None:
    route = choose({"text": 0.9, "web": 0.5})
    assert route.memories == ("text", "weights")
    assert set(route.skipped) == {"web", "all"}


def test_without_a_calibrated_arm_every_memory_that_ranks_is_asked() -> None:
    route = choose({"others": 0.9})
    assert route.memories == ("text", "web", "weights")


def test_small_talk_may_go_unanswered_and_a_question_may_not() -> None:
    arms = {"": 0.99, "text": 0.5}
    assert choose(arms, query=Query(text="Thanks, that was nice!")).memories == ()
    assert choose(arms, query=Query(text="Where are my keys?")).memories
    assert choose(arms, query=Query(text="Thanks! And where does Ada Berg live?")).memories


def test_weights_alone_are_never_chosen_where_text_could_be_asked() -> None:
    assert choose({"weights": 0.99, "text": 0.5, "web": 0.1}).decision["arm"] == "text"


def test_a_store_unlike_those_learnt_from_has_every_memory_asked() -> None:
    assert choose({"text": 0.9, "web": 0.1, "text+web": 0.2}, kinds={"turn": 9}).decision["arm"] == "text"
    assert choose({"text": 0.9, "web": 0.1, "text+web": 0.2}, kinds={"fact": 9}).decision["arm"] == "text+web"


def test_several_steps_over_an_edited_subject_are_not_left_to_weights() -> None:
    edited = {"Ada Berg": frozenset({"edit"})}
    hops = Query(text="What is the capital of the country where Ada Berg lives?", kind=QueryKind.MULTI_HOP)
    assert choose({"weights": 0.9, "text": 0.5}, query=hops, subjects=edited).memories == ("text", "web")


def test_probes_are_asked_only_when_the_best_two_are_close_and_then_decide() -> None:
    asked: list[tuple[str, ...]] = []

    def probe(names: Sequence[str]) -> list[Recall]:
        asked.append(tuple(names))
        return [Recall(memory=name, signals={"margin": 1.0}) for name in names]

    close = scripted({"text": 0.6, "web": 0.59}, probed={"text": 0.2, "web": 0.8})
    route = CalibratedRouter(close, FREE).route(QUESTION, situation(probe=probe))
    assert asked == [("text", "web")]
    assert (route.decision["stage"], route.decision["arm"]) == ("probes", "web")
    clear = scripted({"text": 0.9, "web": 0.1}, probed={"text": 0.2, "web": 0.8})
    assert CalibratedRouter(clear, FREE).route(QUESTION, situation(probe=probe)).decision["stage"] == "features"
    assert len(asked) == 1


def test_a_wide_arm_asks_for_more_hits() -> None:
    route = choose({"text": 0.4, "text*3": 0.8, "web": 0.1})
    assert (route.memories, route.width) == (("text", "weights"), 3)


def test_what_the_home_has_learnt_goes_before_what_comes_along() -> None:
    learned = scripted({"web": 0.9}).as_dict()
    assert choose({"text": 0.9, "web": 0.1}, learned=learned).decision["arm"] == "web"


# ---- after the answers


def hit(body: str, **told: Any) -> Hit:
    return Hit(Record(id=body, kind="turn", body=body, **told), 1.0)


def test_when_nothing_names_what_is_asked_the_others_are_asked_and_then_it_abstains() -> None:
    router, where = CalibratedRouter(scripted({"text": 0.9, "web": 0.1, "weights": 0.2}), FREE), situation()
    route = router.route(QUESTION, where)
    assert route.memories == ("text",)
    good = Recall(memory="text", hits=(hit("Ada Berg lives in Velmark"),))
    poor = Recall(memory="text", hits=(hit("Bo Lund lives in Osterby"),))
    assert router.escalate(QUESTION, where, route, [good]) is None
    further = router.escalate(QUESTION, where, route, [poor])
    assert further is not None
    assert further.memories == ("text", "web", "weights")
    assert not further.abstain
    last = router.escalate(QUESTION, where, further, [poor, Recall(memory="web")])
    assert last is not None
    assert last.abstain
    from_weights = Recall(memory="weights", hits=(hit("It is Velmark."),))
    known = router.escalate(QUESTION, where, further, [poor, from_weights])
    assert known is not None
    assert (known.memories, known.abstain) == (("weights",), "")
    assert "Berg" not in last.reason  # a trace quotes nothing


def test_evidence_is_judged_by_names_with_some_tolerance() -> None:
    found = [Recall(memory="m", hits=(hit("we met caroline at the pier", speaker="Bob"),))]
    assert missing_names("What did Caroline's sister say?", found) == []
    assert missing_names("When did Carolin call?", found) == []
    assert missing_names("What does Bob like?", found) == []
    assert missing_names("Where is Zed Quill?", found) == ["Zed Quill"]
    assert missing_names("where is it?", []) == []


def test_more_hits_are_kept_when_those_shown_leave_the_question_open() -> None:
    router = CalibratedRouter(scripted({"text": 0.9, "web": 0.1}), FREE)
    asked = Query(text="Where is the employer of Ada Berg based?", k=2)
    route = router.route(asked, situation())
    poor = [hit("Ada Berg is a baker"), hit("Bo Lund lives in Osterby"), hit("her employer is based in Kall")]
    wider = router.widen(asked, route, poor)
    assert wider is not None
    assert (wider.width, wider.memories, wider.decision["widened"]) == (3, route.memories, 2)
    assert "employer" not in wider.reason  # a trace quotes nothing
    assert router.widen(asked, wider, poor) is None, "once"
    assert router.widen(asked, route, [hit("Ada Berg has an employer")]) is None, "one word may be said in other words"
    assert router.widen(asked, route, []) is None
    assert router.widen(asked, replace(route, abstain="nothing was recalled"), poor) is None
    assert ChatRouter().widen(asked, route, poor) is not None


# ---- features


def test_names_are_found_without_the_words_that_begin_a_sentence() -> None:
    assert names_in("Where does Ada Berg live?") == ["Ada Berg"]
    assert names_in("Which river runs through the home of Ugo Varga's aunt?") == ["Ugo Varga"]
    assert names_in("What is it?") == []
    assert names_in("Is the Bank of Velmark open?") == ["Bank of Velmark"]


def test_features_say_what_lies_in_scope_and_are_all_there() -> None:
    told = features_of(QUESTION, situation(kinds={"turn": 3, "chunk": 1}), kind_of(QUESTION.text))
    assert tuple(told) == NAMES
    assert (told["turns"], told["chunks"], told["asks"], told["small_talk"]) == (0.75, 0.25, 1.0, 0.0)


def test_entropy_does_not_depend_on_how_many_there_are() -> None:
    assert entropy([1.0] * 3) == pytest.approx(1.0) == entropy([2.0] * 30)
    assert entropy([1.0, 0.0, 0.0]) == 0.0
    assert entropy([]) == entropy([1.0]) == 0.0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How many people work there?", QueryKind.AGGREGATE),
        ("When did she move?", QueryKind.TEMPORAL),
        ("What is the capital of the country where Ada lives?", QueryKind.MULTI_HOP),
        ("Give me an overview", QueryKind.GLOBAL),
        ("Where is the key?", QueryKind.UNKNOWN),
    ],
)
def test_a_question_tells_its_kind(text: str, kind: QueryKind) -> None:
    assert kind_of(text) is kind


# ---- the model


def test_what_is_learnt_predicts_and_survives_being_written_down() -> None:
    examples = [
        Example(
            f"g{i}",
            {"words": i % 10 / 10, "chunks": float(i % 2)},
            {Arm.of("a"): float(i % 2), Arm.of("b"): 1.0 - i % 2},
        )
        for i in range(80)
    ]
    model = RoutingModel.from_dict(json.loads(json.dumps(learn(examples).as_dict())))
    assert model.judge(Arm.of("a"), {"chunks": 1.0}) > 0.9
    assert model.judge(Arm.of("a"), {"chunks": 0.0}) < 0.1
    assert model.judge(Arm.of("b"), {"chunks": 5.0}) == model.judge(Arm.of("b"), {"chunks": 1.0}), "not drawn on"
    with pytest.raises(BadInput, match="tried 20 times"):
        learn(examples[:5])


def test_likelihoods_are_calibrated_on_what_was_not_fitted() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 12))
    y = (rng.random(400) < 1 / (1 + np.exp(-x[:, 0]))).astype(float)
    line = fit(x[:200], y[:200], np.arange(200) % 5)
    p = [line.p(row.tolist()) for row in x[200:]]
    assert calibration_error(p, y[200:].tolist()) < 0.1
    assert calibration_error([0.9] * 10, [0.0] * 10) == pytest.approx(0.9)


@pytest.mark.parametrize(
    "data", [{}, {"version": 9}, {"version": 1, "features": ["a"], "arms": {"x": {"weights": [], "bias": 0}}}]
)
def test_a_model_of_another_form_is_refused_with_the_remedy(data: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="learn it again"):
        RoutingModel.from_dict(data)


def test_the_model_that_comes_along_knows_the_default_memories() -> None:
    model = bundled()
    assert Arm.of("bm25+chroma+hipporag") in model.arms
    assert NOTHING in model.arms
    assert model.probed


def test_arms_cover_every_memory_and_strangers_are_found() -> None:
    arms = all_arms(["b", "a", "c"], ["w"])
    assert Arm.of("w") in arms
    assert Arm(("a", "b", "c"), 3) in arms
    assert possible([Arm.of("a"), Arm.of("a+b")], ["a", "x"]) == ([Arm.of("a")], ("x",))
    assert all(Arm.of(arm.key) == arm for arm in arms)


# ---- the chat model as a router


class Chat:
    name = "scripted"

    def __init__(self, reply: str | Exception) -> None:
        self._reply = reply

    def chat(self, messages: Sequence[Message], **_: Any) -> str:
        if isinstance(self._reply, Exception):
            raise self._reply
        return self._reply


@pytest.mark.parametrize(
    "reply", ["", "no idea", '{"memories": ["hammer"]}', '{"memories": "text"}', ModelError("down")]
)
def test_what_the_chat_model_cannot_decide_is_calibrated(reply: str | Exception) -> None:
    route = ChatRouter().route(QUESTION, situation(chat=Chat(reply)))
    assert route.memories
    assert "fallback" in route.decision


def test_the_chat_model_chooses_by_structured_output() -> None:
    route = ChatRouter().route(QUESTION, situation(chat=Chat('Sure: {"memories": ["web"]}')))
    assert route.memories == ("web",)
    assert set(route.skipped) == {"text", "weights", "all"}
    assert ChatRouter().route(QUESTION, situation()).decision["fallback"] == "there is no chat model to ask"


# ---- the contract


class TestCalibrated(RouterContract):
    @pytest.fixture
    def router_class(self) -> Any:
        return CalibratedRouter


class TestChat(RouterContract):
    @pytest.fixture
    def router_class(self) -> Any:
        return ChatRouter


class TestRules(RouterContract):
    @pytest.fixture
    def router_class(self) -> Any:
        return RulesRouter


class TestStatic(RouterContract):
    @pytest.fixture
    def router_class(self) -> Any:
        return StaticRouter
