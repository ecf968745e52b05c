"""The lookup against brute force over all slots in float64: plain torch and every instruction level of
the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from agentmem_cuda import native, ops, reference, torch_path

LEVELS = ("torch", "portable", "avx2", "avx512", "avx512bf16")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 4e-3, torch.float16: 1e-3}
# (batch, heads, n_keys, d_key, top_k): odd, small, exactly a vector, more than one tile of queries.
ADDRESS_SHAPES = (
    (1, 1, 1, 8, 1),
    (3, 2, 7, 8, 5),
    (5, 4, 100, 24, 32),
    (17, 1, 130, 20, 64),
    (33, 2, 128, 64, 33),
    (4, 1, 257, 40, 17),
)
BAG_SHAPES = ((1, 1, 8), (3, 5, 24), (6, 17, 72), (2, 128, 256))

Address = Callable[[Tensor, Tensor, int, bool], tuple[Tensor, Tensor]]


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, native_library: native.Status) -> Iterator[str]:
    if request.param == "torch":
        yield "torch"
        return
    try:
        native.choose_cpu_level(request.param)
    except ValueError as error:
        pytest.skip(str(error))
    yield request.param
    assert native_library.cpu_level is not None
    native.choose_cpu_level(native_library.cpu_level)


def address(level: str, queries: Tensor, keys: Tensor, top_k: int, softmax: bool = True) -> tuple[Tensor, Tensor]:
    if level == "torch":
        return torch_path.select(torch_path.half_scores(queries, keys), top_k, softmax)
    return ops.pkm_address(queries, keys, top_k, softmax=softmax)


def bag(level: str, values: Tensor, slots: Tensor, weights: Tensor, row_of_slot: Tensor | None = None) -> Tensor:
    if level == "torch":
        return torch_path.bag(values, slots, weights, row_of_slot)
    return ops.pkm_bag(values, slots, weights, row_of_slot=row_of_slot)


def bag_backward(level: str, *inputs: object) -> tuple[Tensor, Tensor, Tensor]:
    if level == "torch":
        return torch_path.bag_backward(*inputs)  # type: ignore[arg-type]
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.agentmem_cuda.pkm_bag_backward(*inputs)
    return found


def scores_of(slots: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
    """The exact scores of chosen slots, float64."""
    heads, _, n_keys, d_key = keys.shape
    halves = torch.einsum("bhcd,hcnd->cbhn", queries.double().view(-1, heads, 2, d_key), keys.double())
    return halves[0].gather(-1, slots // n_keys) + halves[1].gather(-1, slots % n_keys)


def relative_error(found: Tensor, truth: Tensor) -> float:
    if not truth.numel():
        return 0.0
    return float((found.double() - truth).abs().max() / truth.abs().max().clamp_min(1e-9))


def sample_map(n_slots: int, n_rows: int, generator: torch.Generator) -> Tensor:
    row_of_slot = torch.full((n_slots,), -1, dtype=torch.int32)
    written = torch.randperm(n_slots, generator=generator)[:n_rows]
    row_of_slot[written] = torch.arange(n_rows, dtype=torch.int32)
    return row_of_slot


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", ADDRESS_SHAPES, ids=str)
def test_the_best_slots_are_those_of_brute_force_over_all_products(
    level: str, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator
) -> None:
    batch, heads, n_keys, d_key, top_k = shape
    queries = torch.randn(batch, heads, 2 * d_key, generator=generator).to(dtype)
    keys = torch.randn(heads, 2, n_keys, d_key, generator=generator).to(dtype)
    weights, slots = address(level, queries, keys, top_k)
    expected, expected_slots = reference.address(queries, keys, top_k, softmax=False)
    assert (weights.double() - expected.softmax(-1)).abs().max() <= 1e-5
    assert all(len(set(row.tolist())) == top_k for row in slots.flatten(0, 1))
    assert (scores_of(slots, queries, keys) - expected).abs().max() <= 1e-4
    # Where float32 can tell a slot from its neighbours, it is the same slot.
    gap = torch.nn.functional.pad(expected[..., :-1] - expected[..., 1:], (1, 1), value=1.0)
    settled = (gap[..., :-1] > 1e-4) & (gap[..., 1:] > 1e-4)
    settled[..., -1] &= top_k == 1
    assert torch.equal(slots[settled], expected_slots[settled])


def test_raw_scores_are_the_sums_of_both_halves(level: str, generator: torch.Generator) -> None:
    queries = torch.randn(9, 2, 32, generator=generator)
    keys = torch.randn(2, 2, 50, 16, generator=generator)
    scores, _ = address(level, queries, keys, 20, softmax=False)
    expected, _ = reference.address(queries, keys, 20, softmax=False)
    assert relative_error(scores, expected) <= 1e-6


@pytest.mark.parametrize("n_keys", [40, 130, 300])
def test_ties_yield_distinct_slots_with_the_best_scores(level: str, n_keys: int, generator: torch.Generator) -> None:
    queries = torch.ones(3, 2, 16)
    keys = torch.randint(0, 2, (2, 2, n_keys, 8), generator=generator).float()
    scores, slots = address(level, queries, keys, 32, softmax=False)
    expected, _ = reference.address(queries, keys, 32, softmax=False)
    assert torch.equal(scores.double(), expected)
    assert all(len(set(row.tolist())) == 32 for row in slots.flatten(0, 1))
    first, second = slots // n_keys, slots % n_keys
    sums = keys.sum(-1)
    heads = torch.arange(2).view(1, 2, 1)
    assert torch.equal(sums[heads, 0, first] + sums[heads, 1, second], scores)


def test_equal_scores_everywhere_still_give_distinct_slots(level: str) -> None:
    _, slots = address(level, torch.zeros(2, 1, 16), torch.zeros(1, 2, 200, 8), 64)
    assert all(len(set(row.tolist())) == 64 for row in slots.flatten(0, 1))


def test_a_nan_in_a_query_shows_in_the_weights_and_never_in_the_slots(level: str) -> None:
    queries = torch.zeros(1, 1, 16)
    queries[0, 0, 0] = float("nan")
    weights, slots = address(level, queries, torch.ones(1, 2, 150, 8), 8)
    assert weights.isnan().all()
    assert ((slots >= 0) & (slots < 150 * 150)).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", BAG_SHAPES, ids=str)
def test_the_bag_is_the_weighted_sum_of_its_rows(
    level: str, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator
) -> None:
    batch, size, d = shape
    values = torch.randn(90, d, generator=generator).to(dtype)
    slots = torch.randint(0, 90, (batch, size), generator=generator)
    weights = torch.rand(batch, size, generator=generator).softmax(-1)
    found = bag(level, values, slots, weights)
    assert found.dtype == dtype
    assert relative_error(found, reference.bag(values, slots, weights)) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("occupancy", [0, 7, 60])
def test_a_map_of_written_rows_reads_zero_where_nothing_was_written(
    level: str, occupancy: int, dtype: torch.dtype, generator: torch.Generator
) -> None:
    values = torch.randn(occupancy, 24, generator=generator).to(dtype)
    row_of_slot = sample_map(60, occupancy, generator)
    slots = torch.randint(0, 60, (5, 13), generator=generator)
    weights = torch.rand(5, 13, generator=generator)
    found = bag(level, values, slots, weights, row_of_slot)
    dense = torch.zeros(60, 24, dtype=dtype)
    dense[row_of_slot >= 0] = values[row_of_slot[row_of_slot >= 0]]
    assert relative_error(found, reference.bag(dense, slots, weights)) <= TOLERANCE[dtype]
    unread = ~(row_of_slot[slots] >= 0).any(dim=1)
    assert (found[unread] == 0).all()


@pytest.mark.parametrize(("batch", "size"), [(0, 5), (4, 0), (0, 0)])
def test_empty_batches_and_bags_are_zero(level: str, batch: int, size: int) -> None:
    values = torch.ones(10, 8)
    slots, weights = torch.zeros(batch, size, dtype=torch.int64), torch.zeros(batch, size)
    assert torch.equal(bag(level, values, slots, weights), torch.zeros(batch, 8))
    rows, grad_rows, grad_weights = bag_backward(level, torch.ones(batch, 8), values, slots, weights, None, True, True)
    assert rows.shape == (0,)
    assert grad_rows.shape == (0, 8)
    assert grad_weights.shape == (batch, size)


@pytest.mark.parametrize("mapped", [False, True], ids=["table", "map"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", BAG_SHAPES, ids=str)
def test_the_gradient_has_one_row_for_each_row_read(
    level: str, shape: tuple[int, ...], dtype: torch.dtype, mapped: bool, generator: torch.Generator
) -> None:
    batch, size, d = shape
    values = torch.randn(40, d, generator=generator).to(dtype)
    row_of_slot = sample_map(100, 40, generator) if mapped else None
    slots = torch.randint(0, 100 if mapped else 40, (batch, size), generator=generator)
    weights = torch.rand(batch, size, generator=generator)
    grad = torch.randn(batch, d, generator=generator).to(dtype)
    rows, grad_rows, grad_weights = bag_backward(level, grad, values, slots, weights, row_of_slot, True, True)
    table, expected_weights = reference.bag_backward(grad, values, slots, weights, row_of_slot)
    read = slots.flatten() if row_of_slot is None else row_of_slot[slots].flatten()
    assert torch.equal(rows, read[read >= 0].unique().long())
    assert relative_error(grad_rows, table[rows]) <= TOLERANCE[dtype]
    assert relative_error(grad_weights, expected_weights) <= 2e-6


@pytest.mark.parametrize(("need_values", "need_weights"), [(True, False), (False, True), (False, False)])
def test_a_gradient_that_nobody_needs_is_not_computed(
    level: str, need_values: bool, need_weights: bool, generator: torch.Generator
) -> None:
    values = torch.randn(30, 16, generator=generator)
    slots = torch.randint(0, 30, (4, 6), generator=generator)
    weights, grad = torch.rand(4, 6, generator=generator), torch.randn(4, 16, generator=generator)
    whole = bag_backward(level, grad, values, slots, weights, None, True, True)
    rows, grad_rows, grad_weights = bag_backward(level, grad, values, slots, weights, None, need_values, need_weights)
    assert rows.numel() == (whole[0].numel() if need_values else 0)
    assert torch.equal(grad_rows, whole[1] if need_values else torch.empty(0, 16))
    assert grad_weights.numel() == (24 if need_weights else 0)
    if need_weights:
        assert relative_error(grad_weights, whole[2].double()) <= 1e-6
