"""The demo model, as shipped: small, knows its world in wordings it never saw, reads, admits what it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem import Agent
from agentmem_lm import demo_folder
from agentmem_lm.demo.probes import probes
from agentmem_lm.demo.world import build

pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem_lm.command import demo_prompts
from agentmem_lm.model import CausalModel
from agentmem_lm.provider import open_model
from agentmem_lm.sites import POSITIONS, find_sites

WORLD = build()


@pytest.fixture(scope="module")
def demo() -> CausalModel:
    return open_model("demo")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with Agent.open(tmp_path_factory.mktemp("home"), model="local:demo") as opened:
        yield opened


def share_right(demo: CausalModel, kind: str, count: int = 60) -> float:
    asked = probes(WORLD, count, 5, (kind,))
    answers = demo.generate([probe.prompt for probe in asked], max_new_tokens=16)
    return sum(a.strip().removesuffix(".") == p.answer for a, p in zip(answers, asked, strict=True)) / count


def test_the_shipped_model_is_small_and_has_its_card() -> None:
    assert sum(path.stat().st_size for path in demo_folder().iterdir()) <= 12_000_000
    assert "fictional" in (demo_folder() / "README.md").read_text()


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("held_statement", 0.93),
        ("held_question", 0.95),
        ("look_alike", 0.95),
        ("changed", 0.95),
        ("read_one", 0.93),
        ("read_one_of_four", 0.85),
        ("ignore_four", 0.85),
        ("unknown_person", 0.85),
    ],
)
def test_it_knows_reads_and_admits_what_it_does_not_know(demo: CausalModel, kind: str, least: float) -> None:
    assert share_right(demo, kind) >= least


def test_its_facts_are_carried_at_the_subject(demo: CausalModel) -> None:
    table = find_sites(demo, demo_prompts(24), pairs=16)
    at = POSITIONS.index("subject_last")
    assert table.checked().stream[table.best][at] >= 0.8
    assert table.stream[table.best][POSITIONS.index("prompt_last")] <= 0.2


def test_a_padded_batch_of_the_demo_model_answers_like_one_at_a_time(demo: CausalModel) -> None:
    prompts = [
        probe.prompt for kind in ("held_statement", "read_one_of_four") for probe in probes(WORLD, 4, 6, (kind,))
    ]
    alone = [demo.generate([prompt], max_new_tokens=8)[0] for prompt in prompts]
    assert demo.generate(prompts, max_new_tokens=8, padding="left") == alone
    assert demo.generate(prompts, max_new_tokens=8, padding="right") == alone


def test_a_name_begins_a_text_with_the_token_it_has_within_one(demo: CausalModel) -> None:
    assert demo.encode("Kultmere lies on")[1:] == demo.encode_end(" Kultmere lies on")
    assert demo.decode(demo.encode_end(".")) == "."
    assert demo.encode("Q: Who?")[1:] == demo.encode_end("Q: Who?")


def test_complete_gives_the_raw_continuation_up_to_the_stop_token(agent: Agent) -> None:
    country = WORLD.kinds["country"][0]
    expected = WORLD.by_subject[country]["capital"].object
    assert agent.complete(f"The capital of {country} is") == f" {expected}."
    assert agent.complete([f"The capital of {country} is"], base=True) == [f" {expected}."]


def test_the_agent_answers_from_the_weights_and_says_so(agent: Agent, tmp_path: Path) -> None:
    country = WORLD.kinds["country"][0]
    expected = WORLD.by_subject[country]["capital"].object
    assert agent.ask(f"What is the capital of {country}?").text == f"{expected}. (from the weights of demo)"
    assert agent.ask("Where was Gundobad Frobisher born?").text == "I don't know."
