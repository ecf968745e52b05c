"""Times the lookup against plain torch and against the well-laid-out torch path; knows no table and no file.

Every sample runs the contenders one after another on the same inputs, so that a busy machine slows all of them, and a
ratio is the median of the samples' ratios. On a CPU, time is what this thread was given, not what the clock showed.
Inputs change from call to call: rows that the last call left in the cache would make a gather look fast.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from agentmem_cuda import native, ops, torch_path

HEADS, TOP_K, D_KEY = 4, 32, 256
OCCUPANCY = 0.01


@dataclass(frozen=True)
class Row:
    """One comparison: milliseconds (medians) and ratios over the baseline, with their range over ``n`` samples."""

    what: str
    batch: int
    n_slots: int
    d: int
    baseline: str
    baseline_ms: float
    torch_ms: float | None
    native_ms: float
    speedup: float
    low: float
    high: float
    torch_speedup: float | None
    n: int


@dataclass(frozen=True)
class Contenders:
    """The same work three ways; each takes the number of the input."""

    baseline: Callable[[int], object]
    torch_path: Callable[[int], object] | None
    native: Callable[[int], object]
    baseline_is: str
    inputs: int


def plain_address(queries: Tensor, keys: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """The textbook form: an einsum over keys (heads, n_keys, 2, d_key), all k * k sums, and a second top-k.

    That key layout is the one of public product-key code; scores keep the dtype of the inputs.
    """
    batch, heads, _ = queries.shape
    n_keys = keys.shape[1]
    scores = torch.einsum("bhcd,hncd->bhcn", queries.view(batch, heads, 2, -1), keys)
    best, index = scores.topk(top_k, dim=-1)
    sums = (best[:, :, 0, :, None] + best[:, :, 1, None, :]).flatten(2)
    slots = (index[:, :, 0, :, None] * n_keys + index[:, :, 1, None, :]).flatten(2)
    top, at = sums.topk(top_k, dim=-1)
    return top.softmax(dim=-1), slots.gather(2, at)


def plain_bag(values: Tensor, slots: Tensor, weights: Tensor) -> Tensor:
    """torch's own bag."""
    return F.embedding_bag(slots, values, per_sample_weights=weights, mode="sum")


@dataclass(frozen=True)
class Inputs:
    """A table, keys in both layouts, and a pool of queries with the slots that they find."""

    values: Tensor
    keys: Tensor
    textbook_keys: Tensor
    queries: list[Tensor]
    slots: list[Tensor]
    weights: list[Tensor]

    @classmethod
    def sample(cls, batch: int, n_keys: int, values: Tensor, pool: int, generator: torch.Generator) -> Inputs:
        """Random keys and queries; slots are spread evenly over the table, the worst case for a gather."""
        dtype = values.dtype
        keys = torch.randn(HEADS, 2, n_keys, D_KEY, generator=generator).to(dtype)
        queries = [torch.randn(batch, HEADS, 2 * D_KEY, generator=generator).to(dtype) for _ in range(pool)]
        shape = (batch, HEADS * TOP_K)
        slots = [torch.randint(0, n_keys * n_keys, shape, generator=generator) for _ in range(pool)]
        weights = [torch.rand(shape, generator=generator).softmax(-1) for _ in range(pool)]
        return cls(values, keys, keys.transpose(1, 2).contiguous(), queries, slots, weights)


def sample_table(n_slots: int, d: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """A table of random rows, made from one block of them: a gigabyte of fresh random numbers takes longer."""
    block = torch.randn(min(n_slots, 1024), d, generator=generator).to(dtype)
    return block.repeat(n_slots // len(block), 1)


def address(inputs: Inputs) -> Contenders:
    """Scores, two top-k, softmax."""
    q, keys = inputs.queries, inputs.keys
    return Contenders(
        lambda i: plain_address(q[i], inputs.textbook_keys, TOP_K),
        lambda i: torch_path.select(torch_path.half_scores(q[i], keys), TOP_K, True),
        lambda i: ops.pkm_address(q[i], keys, TOP_K),
        "einsum, top-k, all sums, top-k, softmax",
        len(q),
    )


def address_same_layout(inputs: Inputs) -> Contenders:
    """As `address`, with the textbook einsum over keys that lie as ours do, which spares it a copy."""
    q, keys = inputs.queries, inputs.keys.transpose(1, 2)
    return Contenders(
        lambda i: plain_address(q[i], keys, TOP_K),
        None,
        lambda i: ops.pkm_address(q[i], inputs.keys, TOP_K),
        "the same, keys laid out as ours",
        len(q),
    )


def bag(inputs: Inputs) -> Contenders:
    """The gather and weighted sum alone."""
    share = [w.to(inputs.values.dtype) for w in inputs.weights]
    return Contenders(
        lambda i: plain_bag(inputs.values, inputs.slots[i], share[i]),
        lambda i: torch_path.bag(inputs.values, inputs.slots[i], inputs.weights[i], None),
        lambda i: ops.pkm_bag(inputs.values, inputs.slots[i], inputs.weights[i]),
        "F.embedding_bag",
        len(share),
    )


def lookup(inputs: Inputs) -> Contenders:
    """The whole lookup, from queries to values."""

    def plain(i: int) -> Tensor:
        weights, slots = plain_address(inputs.queries[i], inputs.textbook_keys, TOP_K)
        return plain_bag(inputs.values, slots.flatten(1), weights.flatten(1))

    def laid_out(i: int) -> Tensor:
        scores = torch_path.half_scores(inputs.queries[i], inputs.keys)
        weights, slots = torch_path.select(scores, TOP_K, True)
        return torch_path.bag(inputs.values, slots.flatten(1), weights.flatten(1), None)

    def ours(i: int) -> Tensor:
        weights, slots = ops.pkm_address(inputs.queries[i], inputs.keys, TOP_K)
        return ops.pkm_bag(inputs.values, slots.flatten(1), weights.flatten(1))

    return Contenders(plain, laid_out, ours, "plain torch", len(inputs.queries))


def bag_sparse(inputs: Inputs, generator: torch.Generator) -> Contenders:
    """Only written rows stored, one slot in a hundred, against the same kernel over the whole table."""
    n_slots = len(inputs.values)
    n_rows = max(1, int(n_slots * OCCUPANCY))
    row_of_slot = torch.full((n_slots,), -1, dtype=torch.int32)
    written = torch.randperm(n_slots, generator=generator)[:n_rows]
    row_of_slot[written] = torch.arange(n_rows, dtype=torch.int32)
    rows = inputs.values[:n_rows].clone()
    s, w = inputs.slots, inputs.weights
    return Contenders(
        lambda i: ops.pkm_bag(inputs.values, s[i], w[i]),
        lambda i: torch_path.bag(rows, s[i], w[i], row_of_slot),
        lambda i: ops.pkm_bag(rows, s[i], w[i], row_of_slot=row_of_slot),
        "the native bag over the whole table",
        len(s),
    )


def backward(inputs: Inputs) -> Contenders:
    """Gradients of the rows and of the weights, against torch's sparse gradient made compact."""
    grads = [torch.randn(len(s), inputs.values.shape[1]).to(inputs.values.dtype) for s in inputs.slots]
    table = inputs.values.detach().requires_grad_()
    share = [w.to(table.dtype).requires_grad_() for w in inputs.weights]

    def plain(i: int) -> Tensor:
        out = F.embedding_bag(inputs.slots[i], table, per_sample_weights=share[i], mode="sum", sparse=True)
        started = time.thread_time()
        grad_table, _ = torch.autograd.grad(out, (table, share[i]), grads[i])
        compact: Tensor = grad_table.coalesce()
        timed.append(time.thread_time() - started)
        return compact

    def ours(i: int, run: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        started = time.thread_time()
        rows = run(grads[i], inputs.values, inputs.slots[i], inputs.weights[i], None, True, True)
        timed.append(time.thread_time() - started)
        return rows[1]

    # The forward of the baseline only builds the graph and is left out of its time.
    timed: list[float] = []
    kernel = torch.ops.agentmem_cuda.pkm_bag_backward
    contenders = Contenders(
        plain,
        lambda i: ours(i, torch_path.bag_backward),
        lambda i: ours(i, kernel),
        "embedding_bag(sparse=True), coalesced",
        len(grads),
    )
    return _timing_itself(contenders, timed)


@dataclass(frozen=True)
class _SelfTimed(Contenders):
    timed: list[float]


def _timing_itself(contenders: Contenders, timed: list[float]) -> _SelfTimed:
    return _SelfTimed(
        contenders.baseline,
        contenders.torch_path,
        contenders.native,
        contenders.baseline_is,
        contenders.inputs,
        timed,
    )


def compare(what: str, contenders: Contenders, batch: int, n_slots: int, d: int, samples: int) -> Row:
    """Run the contenders in turn, ``samples`` times after a warm-up, each over the whole pool of inputs."""
    timed = contenders.timed if isinstance(contenders, _SelfTimed) else None

    def seconds(run: Callable[[int], object]) -> float:
        if timed is not None:
            timed.clear()
        started = time.thread_time()
        for i in range(contenders.inputs):
            run(i)
        spent = sum(timed) if timed is not None else time.thread_time() - started
        return spent / contenders.inputs

    runs = [contenders.baseline, contenders.native]
    if contenders.torch_path is not None:
        runs.append(contenders.torch_path)
    for run in runs:
        run(0)
    taken = [[seconds(run) for run in runs] for _ in range(samples)]
    ratios = [times[0] / times[1] for times in taken]
    has_torch = len(runs) == 3
    return Row(
        what,
        batch,
        n_slots,
        d,
        contenders.baseline_is,
        statistics.median(t[0] for t in taken) * 1e3,
        statistics.median(t[2] for t in taken) * 1e3 if has_torch else None,
        statistics.median(t[1] for t in taken) * 1e3,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(t[0] / t[2] for t in taken) if has_torch else None,
        samples,
    )


def measure(
    batches: tuple[int, ...],
    sizes: tuple[int, ...],
    widths: tuple[int, ...],
    dtype: torch.dtype = torch.bfloat16,
    samples: int = 5,
    seed: int = 0,
) -> Iterator[Row]:
    """All comparisons in one thread, smallest table first. ``sizes`` are square numbers of slots.

    Raises RuntimeError when the native lookup does not run: there would be nothing to compare.
    """
    found = native.ensure()
    if found.path != "native":
        raise RuntimeError(f"there is no native lookup to measure: {found.reason}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for n_slots in sizes:
            for d in widths:
                generator = torch.Generator().manual_seed(seed)
                values = sample_table(n_slots, d, dtype, generator)
                for batch in batches:
                    yield from _measure_one(batch, values, samples, generator)
    finally:
        torch.set_num_threads(threads)


def _measure_one(batch: int, values: Tensor, samples: int, generator: torch.Generator) -> Iterator[Row]:
    n_slots, d = values.shape
    pool = {1: 64, 64: 8}.get(batch, 2)
    inputs = Inputs.sample(batch, round(n_slots**0.5), values, pool, generator)
    comparisons = {
        "lookup": lookup(inputs),
        "address": address(inputs),
        "address_same_layout": address_same_layout(inputs),
        "bag": bag(inputs),
        "bag_sparse": bag_sparse(inputs, generator),
        "backward": backward(inputs),
    }
    for what, contenders in comparisons.items():
        yield compare(what, contenders, batch, n_slots, d, samples)
