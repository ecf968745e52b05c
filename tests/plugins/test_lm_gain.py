"""How sure a local model is with passages and without, decoding between the two, and conflicts that are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agentmem import Agent
from agentmem.cli import main
from agentmem.errors import BadInput
from agentmem.events import Notice
from agentmem.models.protocol import GivesProbabilities
from agentmem.trace import KIND as TRACE
from agentmem_lm import LazyModel, LocalModels

pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem_lm.chat import LocalChatModel
from agentmem_lm.decoding import Steering
from agentmem_lm.manners import Manners
from agentmem_lm.model import CausalModel
from agentmem_lm.provider import open_model
from agentmem_lm.shapes import random_model

HOME = "Where does Pavel Janko live?"  # Kainstad, in the demo model's world
AGAINST, ASIDE = "Pavel Janko lives in Bondburg.", "Pavel Janko plays the trombone in a brass band."
STRANGER = "Zork Blat lives in Bondburg."


@pytest.fixture(scope="module")
def demo() -> CausalModel:
    return open_model("demo", device="cpu")


@pytest.fixture(scope="module")
def small() -> CausalModel:
    model = random_model("qwen2")
    model.manners = Manners(question="Q: {question} A:", passages="Context: {passages}\n")
    return model


def asked(question: str, *passages: str) -> HumanMessage:
    return HumanMessage(question, additional_kwargs={"question": question, "passages": list(passages)})


def streamed(chat: LocalChatModel, message: HumanMessage) -> tuple[str, list[str]]:
    chunks = list(chat.stream([message]))
    notes = [note for chunk in chunks for note in chunk.response_metadata.get("notes", ())]
    return "".join(str(chunk.content) for chunk in chunks), notes


# ---- how sure it is


def test_asking_whether_a_model_tells_how_sure_it_is_loads_nothing() -> None:
    lazy = LazyModel("demo")
    assert isinstance(lazy, GivesProbabilities)
    assert "not loaded" in repr(lazy)


def test_a_passage_about_something_else_makes_the_model_less_sure_and_changes_nothing(demo: CausalModel) -> None:
    aside = demo.weigh(HOME, [ASIDE])
    against = demo.weigh(HOME, [AGAINST])
    assert aside is not None
    assert against is not None
    assert aside.closed == against.closed
    assert (aside.closed.text, aside.opened.text, against.opened.text) == ("Kainstad.", "Kainstad.", "Bondburg.")
    assert aside.gain < 0
    assert aside.closed.confidence > 0.75
    assert 0 <= aside.closed.entropy < aside.opened.entropy < aside.ignorance


def test_a_stranger_is_unknown_until_a_passage_tells(demo: CausalModel) -> None:
    weighed = demo.weigh("Where does Zork Blat live?", [STRANGER])
    assert weighed is not None
    assert (weighed.closed.unknown, weighed.opened.text) == (True, "Bondburg.")
    assert weighed.gain > 0.9 * weighed.ignorance


def test_passages_that_it_cannot_read_give_no_signal(demo: CausalModel) -> None:
    assert demo.weigh(HOME, ["Bo Lund lives in Kall.", "It rains. " * 30]) is None


def test_passages_it_has_no_room_for_are_left_out(small: CausalModel) -> None:
    small.manners = Manners()
    try:
        fits = small.weigh("Who?", ["Ann.", "Bob " * 100])
        assert fits is not None
        assert fits == small.weigh("Who?", ["Ann."])
    finally:
        small.manners = Manners(question="Q: {question} A:", passages="Context: {passages}\n")


def test_entropies_are_those_of_the_distributions_and_cost_nothing_unless_asked_for(small: CausalModel) -> None:
    import numpy as np

    from agentmem.gain import entropy

    (done,) = small.complete(["Q: Who? A:"], max_new_tokens=3, entropies=True)
    logits = small.logits(["Q: Who? A:"])[0][-1].astype(np.float64)
    log_p = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    assert done.entropies[0] == pytest.approx(float(entropy(log_p)), abs=1e-4)
    assert len(done.entropies) == len(done.tokens)
    assert small.complete(["Q: Who? A:"], max_new_tokens=3)[0].entropies == ()


# ---- decoding between weights and passages


@pytest.mark.parametrize("padding", ["left", "right"])
def test_the_ends_of_the_scale_decode_as_each_prompt_alone(small: CausalModel, padding: Any) -> None:
    one, other = "Context: A man came.\nQ: Who? A:", "Q: Who? A:"
    small.padding, before = padding, small.padding
    try:
        alone = [done.tokens for done in small.complete([one, other], max_new_tokens=8)]
        for weight, tokens in ((1.0, alone[0]), (0.0, alone[1])):
            done = small.steered(one, Steering(other, weight, always=True), max_new_tokens=8)
            assert done.tokens == tokens
    finally:
        small.padding = before


def test_a_weight_of_one_is_todays_path_and_makes_no_second_pass(
    small: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = LocalChatModel(model=small, max_new_tokens=8, tell_conflicts=False)
    plain = chat.invoke([asked("When did Ann come?", "Ann came.")]).content
    calls: list[int] = []
    whole = small.net.forward
    monkeypatch.setattr(small.net, "forward", lambda *a, **k: calls.append(len(k["input_ids"])) or whole(*a, **k))
    assert chat.invoke([asked("When did Ann come?", "Ann came.")]).content == plain
    assert set(calls) == {1}
    calls.clear()
    LocalChatModel(model=small, max_new_tokens=8, context_weight=0.5).invoke([asked("When did Ann come?", "Ann came.")])
    assert 2 in calls


def test_a_reply_and_its_stream_are_mixed_alike(small: CausalModel) -> None:
    for weight in (0.0, 0.4, "adaptive"):
        chat = LocalChatModel(model=small, max_new_tokens=8, context_weight=weight, mix_at="every_token")
        message = asked("When did Ann come?", "Ann came.")
        assert streamed(chat, message)[0].strip() == chat.invoke([message]).content


def test_the_weight_turns_a_known_answer_from_the_passage_to_the_weights(demo: CausalModel) -> None:
    def answer(weight: Any, *passages: str, question: str = HOME) -> str:
        chat = LocalChatModel(model=demo, context_weight=weight, mix_at="every_token")
        return str(chat.invoke([asked(question, *passages)]).content)

    assert answer(1.0, AGAINST) == "Bondburg. [1]"
    assert answer(0.0, AGAINST) == "Kainstad. (from the weights of demo)"
    assert answer(0.0, STRANGER, question="Where does Zork Blat live?") == "Bondburg. [1]", "unknown is no knowledge"


def test_without_passages_there_is_nothing_to_mix(demo: CausalModel) -> None:
    chat = LocalChatModel(model=demo, context_weight=0.5)
    assert chat.invoke([asked(HOME)]).content == "Kainstad. (from the weights of demo)"
    assert chat.invoke([asked(HOME, "Bo Lund lives in Kall.")]).content == "Kainstad. (from the weights of demo)"


def test_a_model_with_a_template_is_asked_without_what_stands_between_the_fences() -> None:
    model = random_model("qwen2")
    model.tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    chat = LocalChatModel(model=model)
    told = HumanMessage("<memory-a>\n[1] (x)\nVelmark is big.\n</memory-a>\n\nWhat is Velmark?")
    assert chat.prompt_of([told], passages=False)[0] == "<user>What is Velmark?<assistant>"
    assert "big" in chat.prompt_of([told])[0]


@pytest.mark.parametrize(
    "wrong", [{"context_weight": 1.5}, {"context_weight": "much"}, {"mix_at": "noon"}, {"wait": 1}]
)
def test_a_setting_that_is_not_right_is_told(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(BadInput, match=f"local.*{name}"):
        LocalModels.chat("demo", **wrong)


# ---- conflicts


def test_a_passage_that_contradicts_the_weights_is_followed_and_told(demo: CausalModel) -> None:
    chat = LocalChatModel(model=demo)
    assert streamed(chat, asked(HOME, AGAINST)) == (
        "Bondburg. [1]",
        ["the weights of demo say otherwise: Kainstad"],
    )
    whole = chat.invoke([asked(HOME, AGAINST)])
    assert whole.response_metadata["notes"] == ["the weights of demo say otherwise: Kainstad"]
    for message in (asked(HOME, "Pavel Janko lives in Kainstad."), asked(HOME), asked(HOME, ASIDE)):
        assert streamed(chat, message)[1] == []
    assert streamed(chat, asked("Where does Zork Blat live?", STRANGER))[1] == []
    assert streamed(LocalChatModel(model=demo, tell_conflicts=False), asked(HOME, AGAINST))[1] == []


def test_a_text_that_the_model_was_not_shown_is_not_cited(demo: CausalModel) -> None:
    chat = LocalChatModel(model=demo)
    assert chat.invoke([asked(HOME, "Bo Lund moved to Kainstad.")]).content == "Kainstad. (from the weights of demo)"


def test_the_note_reaches_the_answer_and_its_words_stay_out_of_the_trace(tmp_path: Path) -> None:
    with Agent.open(tmp_path, model="local:demo", embedder="hash", memories=("bm25",), recall_timeout_s=120) as agent:
        agent.remember(AGAINST)
        events = list(agent.stream(HOME))
        answer = events[-1].answer  # type: ignore[attr-defined]
        assert answer.text == "Bondburg. [1]"
        assert answer.notes == ("the weights of demo say otherwise: Kainstad",)
        assert [event.text for event in events if isinstance(event, Notice)] == list(answer.notes)
        (trace,) = agent.records(kinds=[TRACE])
        assert "Kainstad" not in trace.body


# ---- in a whole agent


def test_what_the_weights_know_is_answered_though_the_text_names_the_subject(tmp_path: Path) -> None:
    with Agent.open(
        tmp_path, local_model="demo", embedder="hash", memories=("bm25", "lm"), recall_timeout_s=120
    ) as agent:
        agent.remember(ASIDE)
        answer = agent.ask(HOME)
        assert answer.text == "Kainstad. (from the weights of demo) [1]"
        assert [citation.record.speaker for citation in answer.citations] == ["demo"]
        assert agent.ask("What is the job of Pavel Janko?").text == "watchmaker. (from the weights of demo) [1]"
        found = agent.search(HOME, readonly=True)
        assert found.route.decision["gain"]["outcome"] == "weights"
        assert found.route.memories == ("lm",)
        assert "trombone" in agent.ask("What does Pavel Janko play?").text
        agent.remember(AGAINST)
        assert "Bondburg" in agent.ask(HOME).text


def test_the_command_line_prints_the_note_and_what_the_look_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--set", "embedder=hash", "--set", "recall_timeout_s=120"]
    chat = ["--home", str(tmp_path / "a"), "--model", "local:demo", "--memories", "bm25", *settings]
    assert main([*chat, "remember", AGAINST]) == 0
    assert main([*chat, "ask", HOME]) == 0
    assert "note: the weights of demo say otherwise: Kainstad" in capsys.readouterr().out
    quoting = ["--home", str(tmp_path / "b"), "--local-model", "demo", "--memories", "bm25,lm", *settings]
    assert main([*quoting, "remember", ASIDE]) == 0
    assert main([*quoting, "recall", HOME, "--why"]) == 0
    told = capsys.readouterr().out
    assert "looked at demo: alone entropy 0.000, confidence 1.00" in told
    assert "does not bear on it, and demo knows by itself (confidence gain" in told


def test_an_edit_is_heard_in_its_namespace_and_not_in_another(tmp_path: Path) -> None:
    with Agent.open(
        tmp_path, local_model="demo", embedder="hash", memories=("bm25", "wise", "lm"), recall_timeout_s=120
    ) as agent:
        agent.edit(subject="Pavel Janko", prompt="{} lives in", target="Kultmere", namespace="ann")
        agent.home.views.usable()
        model: Any = agent.home.local_model
        mine, others = (model.weigh(HOME, [ASIDE], namespace=scope) for scope in (("ann",), ("bob",)))
        assert (mine.closed.text, others.closed.text) == ("Kultmere.", "Kainstad.")


def test_no_local_model_no_look(tmp_path: Path) -> None:
    with Agent.open(tmp_path, embedder="hash", memories=("bm25",)) as agent:
        agent.remember(ASIDE)
        assert "gain" not in agent.search(HOME).route.decision
