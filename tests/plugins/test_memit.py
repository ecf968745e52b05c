"""agentmem_memit: one solution over all live edits, whatever their order, and the base's own bits after an undo.

The demo model and a few edits. The contract suite needs a memory that takes plain facts and so is not run here: this
one takes edit requests only, and its records come from a real agent's journal below.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem import Agent  # noqa: E402
from agentmem_lm.demo.world import build  # noqa: E402
from agentmem_lm.editing_cases import Case, cases  # noqa: E402
from agentmem_lm.model import CausalModel  # noqa: E402
from agentmem_lm.provider import open_model  # noqa: E402
from agentmem_memit.closed_form import collisions, null_projector, solve  # noqa: E402


@pytest.fixture(scope="module")
def model() -> CausalModel:
    return open_model("demo")


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from agentmem_lm.background import background_texts

    path = tmp_path_factory.mktemp("texts") / "lines.txt"
    path.write_text("\n".join(background_texts(open_model("demo"), count=400)))
    return path


@pytest.fixture
def opened(model: CausalModel, tmp_path: Path, background: Path) -> Callable[..., Agent]:
    def make(name: str, **settings: object) -> Agent:
        chosen = {"layer": 2, "background": str(background), **settings}
        return Agent.open(tmp_path / name, local_model=model, memories="memit", embedder="hash", memit=chosen)

    return make


def answers(model: CausalModel, made: list[Case]) -> list[str]:
    prompts = [case.request.prompt.format(case.fact.subject) for case in made]
    return [text.strip().removesuffix(".") for text in model.generate(prompts, max_new_tokens=12)]


def bits(model: CausalModel) -> list[np.ndarray]:
    with model.use() as net:
        return [tensor.detach().clone().numpy() for tensor in net.state_dict().values()]


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_batch_is_queued_said_and_undone_bit_for_bit(opened: Callable[..., Agent], model: CausalModel) -> None:
    made = cases(build(), 3, seed=5)
    base = bits(model)
    with opened("home") as agent:
        receipts = [agent.edit_many([case.request], memory="memit") for case in made]
        assert all("queued" in " ".join(receipt.notes) for receipt in receipts)
        (flushed,) = agent.flush_edits()
        assert all(verdict.accepted for verdict in flushed.verdicts.values()), flushed.verdicts
        assert all(verdict.figures["reached"] > 0.5 for verdict in flushed.verdicts.values())
        assert answers(model, made) == [case.target for case in made]
        three = bits(model)
        assert not equal(three, base)
        agent.undo(receipts[1])
        assert answers(model, made) == [made[0].target, made[1].fact.object, made[2].target]
        agent.undo(receipts[0])
        agent.undo(receipts[2])
        assert equal(bits(model), base)
    assert equal(bits(model), base)


def test_an_edit_the_matrix_has_no_room_for_is_refused_with_the_figure(
    opened: Callable[..., Agent], model: CausalModel
) -> None:
    (case,) = cases(build(), 1, seed=6)
    with opened("full", least_reached=1.5) as agent:
        agent.edit_many([case.request], memory="memit")
        (flushed,) = agent.flush_edits()
        (verdict,) = flushed.verdicts.values()
        assert not verdict.accepted
        assert "out of room" in verdict.reason
        assert answers(model, [case]) == [case.fact.object]
        assert not agent.flush_edits(), "what was refused is not computed again"


def test_the_solution_reaches_its_keys_and_knows_no_order() -> None:
    generator = torch.Generator().manual_seed(0)
    keys, shifts = torch.randn(5, 16, generator=generator), torch.randn(5, 4, generator=generator)
    moment = 0.01 * torch.eye(16)
    solved = solve(keys, shifts, moment, 0.01)
    assert torch.allclose(keys @ solved.change.T, shifts, atol=1e-2)
    assert float(solved.reached.min()) > 0.99
    order = torch.tensor([3, 1, 4, 0, 2])
    assert torch.allclose(solve(keys[order], shifts[order], moment, 0.01).change, solved.change, atol=1e-6)


def test_a_full_matrix_shows_in_the_share_reached_and_in_colliding_keys() -> None:
    key = torch.ones(1, 8)
    keys, shifts = torch.cat([key, key]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(solve(keys, shifts, torch.eye(8), 1e-3).reached.max()) < 0.6
    assert collisions(keys, torch.eye(8), torch.tensor([0, 1])).tolist() == pytest.approx([1.0, 1.0])
    assert collisions(keys, torch.eye(8), torch.tensor([0, 0])).tolist() == [0.0, 0.0]


def test_the_null_space_keeps_ordinary_inputs_as_they_were() -> None:
    moment = torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0]))
    keys, shifts = torch.ones(1, 4), torch.tensor([[1.0, 2.0]])
    change = solve(keys, shifts, moment, 1e-6, null_projector(moment, 0.02)).change
    assert torch.allclose(change[:, :2], torch.zeros(2, 2), atol=1e-6)
    assert torch.allclose(keys @ change.T, shifts, atol=1e-3)
