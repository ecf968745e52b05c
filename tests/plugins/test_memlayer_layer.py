"""The layer itself: addressing, the gate, rows in closed form, and that what is taken off leaves no trace."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

from agentmem_memlayer.attach import attach
from agentmem_memlayer.layer import Addressing, Rows, Shape, read, written_share
from agentmem_memlayer.writing import RowDelta, spread, written

pytestmark = pytest.mark.timeout(600)  # the first lookup on a machine builds its library
D_MODEL = 24
SHAPE = Shape(heads=2, n_keys=64, d_key=8, top_k=8)


@pytest.fixture(scope="module")
def texts() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(D_MODEL, D_MODEL, generator=generator)
    return [torch.randn(9, D_MODEL, generator=generator) @ mix + 3.0 for _ in range(60)]


@pytest.fixture(scope="module")
def addressing(texts: list[Tensor]) -> Addressing:
    return Addressing.fit(texts, SHAPE, torch.Generator().manual_seed(1))


def strangers(count: int, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 20.0 * torch.randn(count, D_MODEL, generator=generator) + 3.0


def edit(addressing: Addressing, seed: int) -> tuple[Tensor, RowDelta]:
    near = strangers(1, seed) + 0.01 * strangers(3, seed + 100)
    direction = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(seed))
    return near, spread(addressing, near, direction, 32)


def test_the_same_texts_and_seed_give_the_same_addressing(texts: list[Tensor], addressing: Addressing) -> None:
    again = Addressing.fit(texts, SHAPE, torch.Generator().manual_seed(1))
    assert torch.equal(again.keys, addressing.keys)
    assert torch.equal(again.seen, addressing.seen)


def test_too_few_background_states_are_refused() -> None:
    with pytest.raises(ValueError, match="64 keys are sampled from background states and there are 5"):
        Addressing.fit([torch.randn(5, D_MODEL)], SHAPE, torch.Generator())


def test_whitened_queries_of_background_states_have_no_favourite_direction(
    texts: list[Tensor], addressing: Addressing
) -> None:
    projected = (torch.cat(texts) - addressing.mean) @ addressing.project
    spread_of = projected.var(0)
    assert spread_of.max() / spread_of.min() < 10
    assert projected.mean(0).abs().max() < 1e-3


def test_weights_of_a_state_sum_to_one(addressing: Addressing) -> None:
    weights, slots = addressing.address(strangers(7))
    torch.testing.assert_close(weights.sum(-1), torch.ones(7))
    assert slots.shape == (7, SHAPE.heads * SHAPE.top_k)


def test_slots_that_no_background_text_reads_are_the_rarest(addressing: Addressing) -> None:
    slots = torch.arange(SHAPE.n_slots)
    rarity = addressing.rarity(slots)
    assert torch.equal(rarity == rarity.max(), addressing.seen == addressing.seen.min())


def test_states_that_were_written_read_what_was_wanted(addressing: Addressing) -> None:
    states, delta = edit(addressing, 5)
    rows = written([delta], SHAPE.n_slots, D_MODEL)
    found = read(addressing, rows, states, gate=0.3)
    assert found.open.all()
    torch.testing.assert_close(found.added, delta.direction.expand(3, -1), rtol=0.02, atol=0.02)


def test_background_states_read_no_rows_that_were_written_elsewhere(
    texts: list[Tensor], addressing: Addressing
) -> None:
    _, delta = edit(addressing, 5)
    rows = written([delta], SHAPE.n_slots, D_MODEL)
    states = torch.cat(texts)
    assert read(addressing, rows, states, gate=0.3).open.float().mean() < 0.02
    assert written_share(*addressing.address(states), rows).max() <= 1.0


def test_rows_are_the_same_whatever_was_written_and_taken_back_in_between(addressing: Addressing) -> None:
    deltas = [edit(addressing, seed)[1] for seed in (5, 6, 7)]
    for count in range(4):
        for kept in itertools.combinations(deltas, count):
            once = written(kept, SHAPE.n_slots, D_MODEL)
            again = written([RowDelta.from_bytes(delta.to_bytes()) for delta in kept], SHAPE.n_slots, D_MODEL)
            assert torch.equal(once.values, again.values)
            assert torch.equal(once.row_of_slot, again.row_of_slot)
    assert len(written([], SHAPE.n_slots, D_MODEL).values) == 0


class Layer(nn.Module):
    def forward(self, states: Tensor) -> Tensor:
        return states * 2.0


@pytest.mark.parametrize("batched", [False, True])
def test_an_attached_layer_changes_only_open_tokens_and_comes_off_without_a_trace(
    texts: list[Tensor], addressing: Addressing, batched: bool
) -> None:
    states, delta = edit(addressing, 5)
    module = Layer()
    mixed = torch.cat([texts[0] / 2, states / 2])
    inputs = mixed.unsqueeze(0) if batched else mixed
    before = module(inputs)
    end = attach(module, addressing, written([delta], SHAPE.n_slots, D_MODEL), gate=0.3)
    changed = module(inputs)
    end()
    after = module(inputs)
    assert torch.equal(before, after)
    flat_before, flat_changed = before.reshape(-1, D_MODEL), changed.reshape(-1, D_MODEL)
    assert torch.equal(flat_before[: len(texts[0])], flat_changed[: len(texts[0])])
    assert not torch.equal(flat_before[len(texts[0]) :], flat_changed[len(texts[0]) :])


def test_an_empty_table_leaves_every_bit_in_place(addressing: Addressing) -> None:
    module, states = Layer(), strangers(4)
    before = module(states)
    end = attach(module, addressing, Rows.of(torch.empty(0, dtype=torch.int64), torch.empty(0, D_MODEL), 64), 0.0)
    assert torch.equal(module(states), before)
    end()
    assert not module._forward_hooks
