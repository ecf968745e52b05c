"""Weight edits taken back in any order, put on again, cut off by a kill: what is left is what was never touched.

Random models of a known shape: what edits say is tested with the demo model in test_wise and test_memit; bits are bits.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem import Agent  # noqa: E402
from agentmem.errors import Refused  # noqa: E402
from agentmem.journal.transaction import Transaction  # noqa: E402
from agentmem.records import EditRequest, Receipt, Status  # noqa: E402
from agentmem_lm.model import CausalModel  # noqa: E402
from agentmem_lm.shapes import random_model  # noqa: E402

NAMES = ["Velmark", "Zurkia", "Osterby", "Tundmere", "Kainton"]
PROMPTS = [f"The capital of {name} is" for name in NAMES]
FAR = ["Some other text about harbours", "Two and two are"]
MEMORIES = ["wise", "memit"]


@pytest.fixture(scope="module")
def model() -> CausalModel:
    return random_model("llama")


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "lines.txt"
    lines = (f"Line {i} of a text about {['harbours', 'rivers', 'towns'][i % 3]} and {i * 7} ships." for i in range(80))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def opened(model: CausalModel, background: Path, tmp_path: Path) -> Callable[..., Agent]:
    def make(home: str, memory: str, **more: object) -> Agent:
        section = {"layer": 1, "examine": False, "steps": 4, "background": str(background), **more}
        agent = Agent.open(tmp_path / home, local_model=model, memories=memory, embedder="hash", **{memory: section})
        _ = agent.home.views[memory].memory  # made at its first use, which is when it hangs itself on the model
        return agent

    return make


def tell(agent: Agent, memory: str, name: str, target: str = "Dorn", relation: str = "capital") -> Receipt:
    prompt = f"The {relation} of {{}} is"
    request = EditRequest(subject=name, prompt=prompt, target=target, paraphrases=(f"Q: {relation} of {{}}? A:",))
    receipt = agent.edit_many([request], memory=memory)
    agent.flush_edits()
    return receipt


def bits(model: CausalModel, prompts: list[str] = [*PROMPTS, *FAR]) -> list[Any]:  # noqa: B006
    with model.use() as net:
        weights = [tensor.detach().clone().numpy() for tensor in net.state_dict().values()]
    return [*model.logits(prompts), *weights]


def same(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("memory", MEMORIES)
def test_what_is_left_after_undo_and_redo_is_as_if_the_others_had_never_been_made(
    memory: str, opened: Callable[..., Agent], model: CausalModel
) -> None:
    bare, draws = bits(model), random.Random(3)
    with opened("all", memory) as agent:
        receipts = {name: tell(agent, memory, name) for name in NAMES}
        everything = bits(model)
        assert not same(everything, bare)
        for _ in range(2):
            subset = draws.sample(NAMES, draws.randint(1, len(NAMES) - 1))
            undone = {name: agent.undo(receipts[name]) for name in subset}
            left = bits(model)
            with opened(f"only-{'-'.join(subset)}", memory) as other:
                for name in NAMES:
                    if name not in subset:
                        tell(other, memory, name)
                agent.home.local_model.unmount(agent.home.views[memory].memory)  # type: ignore[union-attr]
                assert same(bits(model), left), f"without {subset}"
            agent.home.local_model.mount(agent.home.views[memory].memory)  # type: ignore[union-attr]
            for name in draws.sample(subset, len(subset)):
                agent.undo(undone[name])
            assert same(bits(model), everything), f"after undo and redo of {subset}"
        for name in draws.sample(NAMES, len(NAMES)):
            agent.undo(receipts[name])
        assert same(bits(model), bare)


def test_a_change_spread_over_layers_has_no_order_and_comes_off_all_of_them(
    opened: Callable[..., Agent], model: CausalModel
) -> None:
    bare = bits(model)
    with opened("one", "memit", spread=2) as agent:
        receipts = [tell(agent, "memit", name) for name in NAMES[:3]]
        told = bits(model)
        agent.undo(receipts[0])
        two = bits(model)
        for receipt in receipts[1:]:
            agent.undo(receipt)
        assert same(bits(model), bare)
    with opened("other", "memit", spread=2) as agent:
        first = tell(agent, "memit", NAMES[2])
        changed = [i for i, (a, b) in enumerate(zip(bits(model), bare, strict=True)) if not np.array_equal(a, b)]
        assert len(changed) >= len(PROMPTS) + 2, "logits, and the matrices of two layers"
        tell(agent, "memit", NAMES[1])
        assert same(bits(model), two)
        tell(agent, "memit", NAMES[0])
        assert same(bits(model), told)
        agent.undo(first)
    assert same(bits(model), bare)


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_batch_of_edited_and_other_prompts_answers_as_one_at_a_time(
    memory: str, opened: Callable[..., Agent], model: CausalModel
) -> None:
    with opened("home", memory) as agent:
        for name in NAMES[:2]:
            tell(agent, memory, name)
        asked = [*PROMPTS, *FAR]
        alone = [model.generate([prompt], max_new_tokens=6)[0] for prompt in asked]
        assert not same(model.logits(PROMPTS[:1]), model.logits(PROMPTS[:1], base=True))
        for padding in ("left", "right"):
            for cache in (True, False):
                assert model.generate(asked, max_new_tokens=6, padding=padding, cache=cache) == alone  # type: ignore[arg-type]


def test_text_that_names_no_edited_subject_is_the_bases_bit_for_bit(
    opened: Callable[..., Agent], model: CausalModel
) -> None:
    far = model.logits(FAR)
    with opened("home", "wise") as agent:
        for name in NAMES[:3]:
            tell(agent, "wise", name)
        assert not same(model.logits(PROMPTS[:1]), model.logits(PROMPTS[:1], base=True))
        assert same(model.logits(FAR), far)


def die_at(where: str, agent: Agent, memory: str) -> None:
    """Let this process be killed in the middle of computing, of writing what was computed, or right after."""

    def kill(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if where == "computing":
        agent.home.views[memory].memory.compute = kill  # type: ignore[attr-defined]
        return
    if where == "after":
        propose = agent.home.propose
        agent.home.propose = lambda *given: (propose(*given), kill())  # type: ignore[method-assign, assignment, func-returns-value]
        return
    add_many = Transaction.add_many

    def written(self: Transaction, drafts: Any, **keywords: Any) -> list[str]:
        out = add_many(self, drafts, **keywords)
        if drafts[0].kind == "edit":
            kill()
        return out

    Transaction.add_many = written  # type: ignore[method-assign]


@pytest.mark.parametrize("where", ["computing", "writing", "after"])
@pytest.mark.parametrize("memory", MEMORIES)
def test_an_edit_whose_process_is_killed_is_whole_or_absent(
    memory: str, where: str, opened: Callable[..., Agent], model: CausalModel
) -> None:
    bare = bits(model)
    with opened("home", memory) as agent:
        tell(agent, memory, NAMES[0])
        one = bits(model)
    with opened("whole", memory) as agent:
        tell(agent, memory, NAMES[0])
        tell(agent, memory, NAMES[1])
        two = bits(model)
    child = os.fork()
    if child == 0:
        try:
            agent = opened("home", memory)
            die_at(where, agent, memory)
            tell(agent, memory, NAMES[1])
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    with opened("home", memory) as agent:
        edits = list(agent.records(kinds=("edit",)))
        assert len(edits) == (2 if where == "after" else 1)
        assert all(agent.home.journal.blobs.read(digest) for record in edits for digest in record.blobs.values())
        assert same(bits(model), two if where == "after" else one)
        agent.flush_edits()
        assert same(bits(model), two), "what was asked for is made after all"
    assert same(bits(model), bare)


def test_a_contradiction_is_superseded_and_a_duplicate_changes_nothing(
    opened: Callable[..., Agent], model: CausalModel
) -> None:
    with opened("home", "wise") as agent:
        first = tell(agent, "wise", "Velmark", "Dorn")
        told = bits(model)
        again = tell(agent, "wise", "Velmark", "Dorn")
        assert "stands already" in " ".join(again.notes)
        assert not again.record_ids
        assert same(bits(model), told)
        other = tell(agent, "wise", "Velmark", "Herton")
        assert "contradicts" in " ".join(other.notes)
        assert [record.object for record in agent.home.views["wise"].memory.live(())] == ["Herton"]  # type: ignore[attr-defined]
        assert agent.home.journal.records.get(first.record_id).status is Status.SUPERSEDED  # type: ignore[union-attr]
        agent.undo(other)
        assert same(bits(model), told)
        near = tell(agent, "wise", "Velmork")
        assert "looks like 'Velmark'" in " ".join(near.notes)


def test_requests_that_contradict_each_other_are_refused_together(
    opened: Callable[..., Agent], model: CausalModel
) -> None:
    with opened("home", "wise") as agent:
        requests = [EditRequest(subject="Velmark", prompt="The capital of {} is", target=t) for t in ("Dorn", "Herton")]
        with pytest.raises(Refused, match="contradict"):
            agent.edit_many(requests)
        assert not list(agent.records())


def test_fifty_edits_of_one_subject_are_refused_beyond_what_one_place_holds(
    opened: Callable[..., Agent], model: CausalModel
) -> None:
    with opened("home", "wise", most_per_subject=2, steps=1) as agent:
        for relation in ("capital", "river"):
            tell(agent, "wise", "Velmark", relation=relation)
        told = bits(model)
        for i in range(48):
            with pytest.raises(Refused, match="most_per_subject"):
                tell(agent, "wise", "Velmark", relation=f"relation {i}")
        assert same(bits(model), told)
        assert len(list(agent.records(kinds=("fact",)))) == 2
