"""A local model as a chat model and as the memory `lm`: prompts, streams, confidence, abstaining."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from agentmem.errors import BadInput, ModelError
from agentmem.records import Query, Record
from agentmem.testing import MemoryContract
from agentmem_lm import LazyModel, LmMemory, LocalModels
from agentmem_lm.chat import LocalChatModel, asked_of
from agentmem_lm.manners import Calibration, Manners, calibration_error, fit, passages_for

pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem_lm.decoding import Finished
from agentmem_lm.model import CausalModel
from agentmem_lm.shapes import random_model


@pytest.fixture(scope="module")
def model() -> CausalModel:
    return random_model("qwen2")


@pytest.fixture
def chat(model: CausalModel) -> LocalChatModel:
    return LocalChatModel(model=model, max_new_tokens=12)


class Answers:
    """A model that gives one answer with one probability."""

    name = "answers"

    def __init__(self, text: str, log_probability: float, manners: Manners | None = None) -> None:
        self.text, self.log_probability, self.manners = text, log_probability, manners or Manners()
        self.asked: list[str] = []
        self.max_tokens = 100

    def encode(self, text: str) -> list[int]:
        return [1] * len(text.split())

    def complete(self, prompts: list[str], **settings: Any) -> list[Finished]:
        self.asked += prompts
        return [Finished(self.text, (1,), (self.log_probability,), "stop") for _ in prompts]


def remembering(model: Any, edits: tuple[Record, ...] = (), **settings: Any) -> LmMemory:
    def find(*, kinds: tuple[str, ...], **_: Any) -> Iterator[Record]:
        return iter(edits if "edit" in kinds else ())

    context: Any = SimpleNamespace(
        chat=None, local_model=model, records=SimpleNamespace(head=lambda: len(edits), find=find)
    )
    return LmMemory(context, LmMemory.Config(**settings))


def test_a_reply_and_its_stream_are_the_same_text(chat: LocalChatModel) -> None:
    whole = chat.invoke([HumanMessage("Hello")])
    pieces = [str(chunk.content) for chunk in chat.stream([HumanMessage("Hello")])]
    assert "".join(pieces).strip() == whole.content
    assert len([piece for piece in pieces if piece]) > 1
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 12


def test_a_stream_that_is_left_early_frees_the_model(chat: LocalChatModel) -> None:
    for _ in chat.stream([HumanMessage("Hello")]):
        break
    assert chat.invoke([HumanMessage("Hello")]).content is not None


def test_without_a_template_the_roles_are_written_out(chat: LocalChatModel) -> None:
    prompt, ends = chat.prompt_of(
        [SystemMessage("Be brief."), HumanMessage("Hello"), AIMessage("Hi"), HumanMessage("Who?")]
    )
    assert prompt == "System: Be brief.\nUser: Hello\nAssistant: Hi\nUser: Who?\nAssistant:"
    assert "\nUser:" in ends


def test_a_chat_template_is_used_and_its_opening_token_is_not_doubled() -> None:
    model = random_model("qwen2")
    model.tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}<assistant>"
    )
    chat = LocalChatModel(model=model)
    assert chat.prompt_of([HumanMessage("Hello")])[0] == "<user>Hello<assistant>"
    merged = chat.prompt_of([SystemMessage("Be brief."), HumanMessage("Hello")])[0]
    assert merged == "<user>Be brief.\n\nHello<assistant>"


def edit(target: str, **figures: float) -> Record:
    request = {"paraphrases": ["a", "b", "c", "d"]}
    attributes = {"admission": {"figures": figures}, "request": request}
    return Record(id="e", kind="edit", body="x", subject="Velmark", object=target, attributes=attributes)


def test_an_edited_answer_is_trusted_by_how_the_edit_was_admitted() -> None:
    asked = Query(text="What is the capital of Velmark?")
    unsure = Answers(" Osterby.", -1.5)
    told = remembering(unsure, (edit("Osterby", rewrite=1.0, paraphrase=1.0),))
    (hit,) = told.recall(asked).hits
    assert hit.score == pytest.approx(5.5 / 6)
    assert hit.record.derived_from == ("e",)
    weak = remembering(unsure, (edit("Osterby", rewrite=1.0, paraphrase=0.25),)).recall(asked)
    assert weak.signals["confidence"] == pytest.approx(2.5 / 6)
    plain = {"confidence": pytest.approx(0.223, abs=0.001)}
    for edits in ((), (edit("Dorn", rewrite=1.0, paraphrase=1.0),), (edit("Osterby"),)):
        assert remembering(unsure, edits).recall(asked).signals == plain, "only an examined edit that says so counts"
    assert told.recall(Query(text="What is the capital of Zurkia?")).signals == plain
    assert (
        remembering(unsure, (edit("Osterby", rewrite=1.0, paraphrase=1.0),), base=True).recall(asked).signals == plain
    )


def test_a_model_of_passages_and_questions_is_shown_only_what_it_can_read() -> None:
    model = random_model("qwen2")
    model.manners = Manners(question="Q: {question} A:", passages="Context: {passages}\n")
    chat = LocalChatModel(model=model)
    told = (
        "Instructions.\n<memory-x1>\n[1] (the user, 2026-01-02; id abc)\nThe capital of Velmark is Osterby.\n"
        "[2] (the user; id abd)\nThe capital of Lundia is Nemby.\n[3] (you; id abe)\n"
        "What is the capital of Velmark?\n</memory-x1>"
    )
    prompt, ends = chat.prompt_of([SystemMessage(told), HumanMessage("What is the capital of Velmark?")])
    assert prompt == "Context: The capital of Velmark is Osterby.\nQ: What is the capital of Velmark? A:"
    assert ends == ("\n",)
    assert chat.prompt_of([HumanMessage("Who?")])[0] == "Q: Who? A:"
    with pytest.raises(ModelError, match="no question"):
        chat.prompt_of([SystemMessage("alone")])


def test_recalled_text_outside_its_fence_is_no_passage() -> None:
    told = "Velmark is free.\n<memory-a>\n[1] (x)\nVelmark is big.\n</memory-b>"
    question, recalled = asked_of([SystemMessage(told), HumanMessage("What is Velmark?")])
    assert passages_for(question, recalled) == []


def test_an_answer_cites_the_record_that_says_so_else_the_model() -> None:
    chat = LocalChatModel(model=Answers(" Osterby.", -0.1, Manners(question="Q: {question} A:")))
    handed: dict[str, Any] = {
        "question": "What is the capital of Velmark?",
        "passages": ["It rains.", "The capital of Velmark is Osterby."],
    }
    asked = HumanMessage("<memory-1> … </memory-1> What is the capital of Velmark?", additional_kwargs=handed)
    assert chat.invoke([asked]).content == "Osterby. [2]"
    assert (
        chat.invoke([HumanMessage("What is the capital of Velmark?")]).content
        == "Osterby. (from the weights of answers)"
    )
    unsure = LocalChatModel(model=Answers(" I don't know.", -0.1, Manners(question="Q: {question} A:")))
    assert unsure.invoke([HumanMessage("Who?")]).content == "I don't know."


def test_a_prompt_without_room_for_an_answer_is_an_error(chat: LocalChatModel) -> None:
    with pytest.raises(ModelError, match="holds 128"):
        chat.invoke([HumanMessage("x" * 300)])


def test_the_provider_speaks_through_the_model_whose_weights_are_edited(tmp_path: Path) -> None:
    saved = random_model("gpt2")
    saved.net.save_pretrained(tmp_path / "m")  # type: ignore[operator]
    saved.tokenizer.save_pretrained(tmp_path / "m")
    local = LocalModels.local(str(tmp_path / "m"))
    assert "not loaded" in repr(local)
    chat: Any = LocalModels.chat(str(tmp_path / "m"), local_model=local, max_new_tokens=4)
    assert chat.model is local
    assert chat.invoke("Hello").content is not None
    assert "not loaded" not in repr(local)
    with pytest.raises(BadInput, match="holds no model"):
        LocalModels.local(str(tmp_path))


def test_mounting_does_not_load_a_model_and_is_caught_up_at_its_first_use(tmp_path: Path) -> None:
    saved = random_model("gpt2")
    saved.net.save_pretrained(tmp_path / "m")  # type: ignore[operator]
    saved.tokenizer.save_pretrained(tmp_path / "m")
    asked: list[object] = []
    memory: Any = SimpleNamespace(
        name="watch",
        mount_order=1,
        mount_key=lambda namespace, as_of: asked.append(namespace),
        mount_into=lambda model, namespace, as_of: None,
    )
    lazy = LazyModel(str(tmp_path / "m"))
    lazy.mount(memory)
    assert "not loaded" in repr(lazy)
    lazy.generate(["x"], max_new_tokens=1, namespace=("a",))
    assert asked == [("a",)]


def test_the_memory_answers_with_its_confidence_and_says_it_is_parametric() -> None:
    model = Answers(" Osterby.", -0.1, Manners(question="Q: {question} A:", calibration=Calibration(1.0, 0.5)))
    found = remembering(model).recall(Query(text="What is the capital of Velmark?"))
    assert model.asked == ["Q: What is the capital of Velmark? A:"]
    hit = found.hits[0]
    assert hit.record.attributes["parametric"] is True
    assert hit.record.attributes["answer"] == "Osterby."
    assert 0.9 < hit.score == found.signals["confidence"] < 1
    assert hit.why.startswith("parametric")


@pytest.mark.parametrize(("text", "log_probability"), [(" I don't know.", -0.01), (" Osterby.", -3.0), ("", -0.1)])
def test_the_memory_abstains_when_it_does_not_know_or_is_not_sure(text: str, log_probability: float) -> None:
    found = remembering(Answers(text, log_probability)).recall(Query(text="Who?"))
    assert found.hits == ()
    assert found.abstain
    assert remembering(None).recall(Query(text="Who?")).abstain


def test_the_calibration_brings_overconfidence_down() -> None:
    probabilities = [0.99] * 60 + [0.6] * 40
    rights = [i % 2 == 0 for i in range(60)] + [i % 10 == 0 for i in range(40)]
    fitted = fit(probabilities, rights)
    assert calibration_error(probabilities, rights) > 0.3
    assert calibration_error([fitted(p) for p in probabilities], rights) < 0.05


def test_manners_are_read_from_beside_the_weights_and_damage_is_told(tmp_path: Path) -> None:
    assert Manners.read(tmp_path) == Manners()
    data = {"question": "Q: {question} A:", "calibration": {"slope": 0.7, "intercept": 0.1}}
    (tmp_path / "agentmem.json").write_text(json.dumps(data))
    assert Manners.read(tmp_path).calibration == Calibration(0.7, 0.1)
    assert Manners.read(tmp_path).calibrated
    (tmp_path / "agentmem.json").write_text("{")
    with pytest.raises(BadInput, match=r"agentmem\.json"):
        Manners.read(tmp_path)


class TestLm(MemoryContract):
    """The memory `lm` keeps the contract; checks of hits as records are skipped, since it holds none."""

    @pytest.fixture
    def memory_class(self) -> type[LmMemory]:
        return LmMemory

    @pytest.fixture
    def memory_local_model(self) -> Any:
        return random_model("gpt2")
