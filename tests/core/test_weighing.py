"""A look at a model: how sure it is by itself and with what was recalled, of a server and within a home."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentmem.budget import TurnBudget, charged_to
from agentmem.errors import BadInput, BudgetExceeded, ModelError
from agentmem.gain import Said, Weighed
from agentmem.models.loading import load_chat_model
from agentmem.models.probabilities import IGNORANCE, said
from agentmem.models.protocol import GivesProbabilities
from agentmem.records import Namespace, Query
from agentmem.settings import BudgetSettings, Settings
from agentmem.weighing import Weighing
from tests.core.chat_server import ChatServer, serving
from tests.core.loop_fakes import open_agent

QUESTION = "Where does Ada Berg live?"
PASSAGES = ["Ada Berg plays the trombone."]


@pytest.fixture(scope="module")
def shared() -> Iterator[ChatServer]:
    with serving(ChatServer()) as server:
        yield server


@pytest.fixture
def server(shared: ChatServer, monkeypatch: pytest.MonkeyPatch) -> ChatServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-notforanybodyelse12345")
    shared.behave, shared.sure = "well", None
    shared.seen.clear()
    return shared


def model_of(server: ChatServer) -> Any:
    return load_chat_model(Settings(model="openai:stub", base_url=server.url))


def surer_alone(messages: Sequence[Mapping[str, Any]]) -> tuple[str, float]:
    return ("Velmark", 0.6) if "Passages" in messages[-1]["content"] else ("Velmark.", 0.99)


def test_a_server_that_gives_log_probabilities_tells_how_sure_it_is(server: ChatServer) -> None:
    server.sure = surer_alone
    model = model_of(server)
    assert isinstance(model, GivesProbabilities)
    weighed = model.weigh(QUESTION, PASSAGES)
    assert weighed is not None
    assert (weighed.closed.text, weighed.opened.text) == ("Velmark.", "Velmark")
    assert weighed.closed.confidence == pytest.approx(0.99)
    assert weighed.gain < -0.5
    assert weighed.closed.entropy < weighed.opened.entropy < weighed.ignorance == IGNORANCE
    first, second = (request["messages"][-1]["content"] for request in server.seen)
    assert "trombone" not in first
    assert json.dumps(PASSAGES) in second
    assert all(request["max_tokens" if "max_tokens" in request else "max_completion_tokens"] for request in server.seen)


def test_a_server_that_gives_none_is_asked_once_and_gives_no_signal(server: ChatServer) -> None:
    for behave in ("no logprobs", "well"):  # refused, and left out of the reply
        server.behave = behave
        server.seen.clear()
        model = model_of(server)
        assert model.weigh(QUESTION, PASSAGES) is None
        assert model.weigh(QUESTION, PASSAGES) is None
        assert len(server.seen) == 1


def test_a_failure_is_no_refusal(server: ChatServer) -> None:
    model, server.behave = model_of(server), "error"
    with pytest.raises(ModelError):
        model.weigh(QUESTION, PASSAGES)
    server.behave, server.sure = "well", surer_alone
    assert model.weigh(QUESTION, PASSAGES) is not None


def test_both_calls_are_charged_to_the_turn_and_none_is_made_past_its_limit(server: ChatServer, tmp_path: Path) -> None:
    server.sure = surer_alone
    with open_agent(tmp_path, model="openai:stub", base_url=server.url) as agent:
        with charged_to(TurnBudget(BudgetSettings())) as budget:
            assert agent.home.chat.weigh(QUESTION, PASSAGES) is not None  # type: ignore[union-attr]
        assert budget.cost.calls == 2
        assert budget.cost.tokens_in > 0
        server.seen.clear()
        with charged_to(TurnBudget(BudgetSettings(tokens=100))) as spent:
            spent.add(tokens_in=100)
            with pytest.raises(BudgetExceeded):
                agent.home.chat.weigh(QUESTION, PASSAGES)  # type: ignore[union-attr]
        assert server.seen == []


@pytest.mark.parametrize("metadata", [{}, {"logprobs": None}, {"logprobs": {"content": [{"logprob": -0.1}]}}])
def test_log_probabilities_that_are_not_there_are_not_made_up(metadata: dict[str, Any]) -> None:
    assert said("Velmark", metadata) is None
    empty = {"logprobs": {"content": [{"logprob": -0.1, "top_logprobs": []}]}}
    assert said("Velmark", empty) is None


def test_an_answer_of_unknown_claims_nothing() -> None:
    place = {"logprob": -0.01, "top_logprobs": [{"logprob": -0.01}]}
    for text in ("unknown", "Unknown.", "I don’t know", ""):
        found = said(text, {"logprobs": {"content": [place]}})
        assert found is not None
        assert (found.unknown, found.confidence) == (True, 0.0)


# ---- in a home


class Knowing:
    """A local model that only tells how sure it is, at the ready or when it is let go."""

    fingerprint = "x"

    def __init__(self, *, waits: bool = False, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, tuple[str, ...], Namespace]] = []
        self.free = threading.Event()
        self._waits, self._error = waits, error

    def weigh(self, question: str, passages: Sequence[str], *, namespace: Namespace = ()) -> Weighed:
        self.asked.append((question, tuple(passages), namespace))
        if self._waits:
            self.free.wait(20)
        if self._error is not None:
            raise self._error
        return Weighed("known", Said("Velmark", 0.1, 0.9), Said("Velmark", 0.4, 0.8), math.log(100))


def test_the_local_model_is_asked_and_a_server_only_when_the_settings_say_so(
    server: ChatServer, tmp_path: Path
) -> None:
    remote = {"model": "openai:stub", "base_url": server.url}
    local: Any = Knowing()
    for name, keywords, model in (
        ("a", {"local_model": local}, local),
        ("b", {"local_model": local, "routing": {"confidence_gain": "off"}}, None),
        ("c", remote, None),
        ("d", {**remote, "local_model": local, "routing": {"confidence_gain": "any"}}, local),
        ("e", {}, None),
    ):
        with open_agent(tmp_path / name, **keywords) as agent:  # type: ignore[arg-type]
            assert Weighing(agent.home).model is model, name
    with open_agent(tmp_path / "f", **remote, routing={"confidence_gain": "any"}) as agent:  # type: ignore[arg-type]
        assert Weighing(agent.home).model is agent.home.chat


def test_a_setting_that_is_not_right_is_told_with_what_would_be(tmp_path: Path) -> None:
    with open_agent(tmp_path, routing={"confidence_gain": "remote"}) as agent:
        agent.remember("Ada Berg plays the trombone.")
        with pytest.raises(BadInput, match=r"routing.*'local', 'any' or 'off'"):
            agent.recall(QUESTION)


def test_a_look_is_taken_in_the_namespace_of_the_question_and_in_the_time_of_a_memory(tmp_path: Path) -> None:
    slow: Any = Knowing(waits=True)
    with open_agent(tmp_path, local_model=slow, routing={"seconds": 0.05}) as agent:
        weighing, query = Weighing(agent.home), Query(text=QUESTION, namespace=("ann",))
        with pytest.raises(ModelError, match="within"):
            weighing.weigh(query, PASSAGES)
        with pytest.raises(ModelError, match="has not come back"):
            weighing.weigh(query, PASSAGES)
        assert slow.asked == [(QUESTION, tuple(PASSAGES), ("ann",))]
        slow.free.set()


def test_a_model_that_breaks_is_a_failure_of_the_model(tmp_path: Path) -> None:
    broken: Any = Knowing(error=RuntimeError("no such head"))
    with open_agent(tmp_path, local_model=broken) as agent, pytest.raises(ModelError, match="no such head"):
        Weighing(agent.home).weigh(Query(text=QUESTION), PASSAGES)


def test_likeness_is_of_the_matter_and_not_of_the_names(tmp_path: Path) -> None:
    with open_agent(tmp_path, local_model=Knowing()) as agent:  # type: ignore[arg-type]
        near = Weighing(agent.home).likeness
        same, other = (
            near(Query(text=QUESTION), ["Bo Lund does live here."]),
            near(Query(text=QUESTION), ["Ada Berg plays the trombone."]),
        )
        assert same is not None
        assert other is not None
        assert same > other
        assert near(Query(text=QUESTION), []) is None
