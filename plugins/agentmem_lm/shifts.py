"""What has to be added to one layer's output at a subject's last token so that the model says something else.

The z-optimisation of ROME and MEMIT (Meng et al. 2022, 2023), with three deliberate differences: it is batched over
subjects, of which each has its own stopping rule; only the layers above the edited one are run; and what keeps the
rest of the subject as it was is a KL term on prompts about the same subject, which needs no answers, instead of one
prompt "{} is a". Knows tensors and wishes; nothing of records, gates or closed forms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agentmem_lm.model import CausalModel
from agentmem_lm.requests import Wish
from agentmem_lm.sites import subject_span


@dataclass(frozen=True)
class ShiftSettings:
    """``clamp`` bounds the shift by that many times the norm of the output it is added to; ``enough`` is the loss per
    prompt, ``still`` the KL per preserve prompt, at which a subject is done."""

    steps: int = 30
    rate: float = 1.0
    preserve_weight: float = 0.5
    weight_decay: float = 1e-3
    clamp: float = 4.0
    enough: float = 0.1
    still: float = 0.05


@dataclass(frozen=True)
class Shift:
    """The result for one subject.

    ``keys``: (n_prompts, d_inner), the inputs of the down-projection at the subject's last token, one per prompt
    (preserve prompts last); ``delta``: (d_model,), to be added to the layer's output there.
    """

    subject: str
    keys: Tensor
    delta: Tensor
    loss: float
    preserved: float
    steps: int


class _Skipped(nn.Module):
    """Stands in for a layer that need not run: hands on what it is given, or ``state`` in its place."""

    def __init__(self, original: nn.Module, state: Tensor | None = None) -> None:
        super().__init__()
        self.state = state
        self._original = [original]  # in a list, so that it is no submodule
        self.tuple_out = False

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._original[0], name)  # attention_type and the like, which the model asks for

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Any:
        out = hidden if self.state is None else self.state
        return (out,) if self.tuple_out else out


@contextmanager
def upper_half(model: CausalModel, layer: int) -> Iterator[_Skipped]:
    """Within the block the layers up to ``layer`` are not run; set ``.state`` of what is yielded to their output."""
    stack = _stack_of(model)
    originals = list(stack)
    standing = [_Skipped(original) for original in originals[: layer + 1]]
    try:
        for index, stand_in in enumerate(standing):
            stack[index] = stand_in
        yield standing[-1]
    finally:
        for index, original in enumerate(originals[: layer + 1]):
            stack[index] = original


def _stack_of(model: CausalModel) -> nn.ModuleList:
    name = model.structure.layers[0].name.rpartition(".")[0]
    stack = model.net.get_submodule(name)
    assert isinstance(stack, nn.ModuleList), f"{name} is no list of layers"
    return stack


@dataclass
class _Batch:
    """Every prompt of some wishes as padded rows. Targets come first, preserve prompts after them."""

    ids: Tensor  # (rows, seq)
    mask: Tensor
    owner: Tensor  # (rows,) index of the wish
    at: Tensor  # (rows,) the subject's last token
    row: Tensor  # (labels,) for each target token its row …
    col: Tensor  # … and the position that predicts it
    label: Tensor
    weight: Tensor  # 1 / number of target tokens of its row
    targets: int  # rows that have a target
    last: Tensor  # (preserve rows,) the position whose prediction must stay


def optimise(
    model: CausalModel, layer: int, groups: Sequence[Sequence[Wish]], settings: ShiftSettings | None = None
) -> list[Shift]:
    """One shift a group; a group holds all wishes about one subject, which share one place in the model.

    Runs on the bare base weights, under the model's lock.
    """
    wanted = settings or ShiftSettings()
    with model.bare():
        batch = _batch(model, groups)
        keys, states = _lower(model, layer, batch)
        return _descend(model, layer, groups, batch, keys, states, wanted)


def _batch(model: CausalModel, groups: Sequence[Sequence[Wish]]) -> _Batch:
    rows: list[list[int]] = []
    owner: list[int] = []
    at: list[int] = []
    labels: list[tuple[int, int, int, float]] = []
    for index, group in enumerate(groups):
        for wish in group:
            end = model.encode_end(f" {wish.target}.")
            for prompt in wish.prompts:
                ids, _, place = subject_span(model, prompt, wish.subject)
                labels += [(len(rows), len(ids) - 1 + j, token, 1 / len(end)) for j, token in enumerate(end)]
                rows.append(ids + end)
                owner.append(index)
                at.append(place)
    targets = len(rows)
    last: list[int] = []
    for index, group in enumerate(groups):
        own = {prompt for wish in group for prompt in wish.prompts}
        for prompt in dict.fromkeys(text for wish in group for text in wish.preserve if text not in own):
            ids, _, place = subject_span(model, prompt, group[0].subject)
            last.append(len(ids) - 1)
            rows.append(ids)
            owner.append(index)
            at.append(place)
    padded, mask = model.pad(rows, "right")
    where = model.device
    row, col, label, weight = zip(*labels, strict=True)
    return _Batch(
        padded,
        mask,
        torch.tensor(owner, device=where),
        torch.tensor(at, device=where),
        torch.tensor(row, device=where),
        torch.tensor(col, device=where),
        torch.tensor(label, device=where),
        torch.tensor(weight, device=where),
        targets,
        torch.tensor(last, dtype=torch.long, device=where),
    )


def _lower(model: CausalModel, layer: int, batch: _Batch) -> tuple[Tensor, Tensor]:
    """(inputs of the down-projection (rows, seq, d_inner), output of the layer (rows, seq, d_model))."""
    part = model.structure.layers[layer]
    seen: dict[str, Tensor] = {}

    def keep_input(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen["key"] = inputs[0]

    def keep_output(_module: nn.Module, _inputs: Any, out: Any) -> None:
        seen["state"] = out[0] if isinstance(out, tuple) else out

    hooks = [part.down.module.register_forward_pre_hook(keep_input), part.module.register_forward_hook(keep_output)]
    try:
        with torch.no_grad():
            model.structure.body(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    key = seen["key"].reshape(*batch.ids.shape, -1)  # OPT flattens rows before its feed-forward
    return key.detach(), seen["state"].detach()


def _descend(
    model: CausalModel,
    layer: int,
    groups: Sequence[Sequence[Wish]],
    batch: _Batch,
    keys: Tensor,
    states: Tensor,
    settings: ShiftSettings,
) -> list[Shift]:
    count, rows = len(groups), torch.arange(len(batch.ids), device=model.device)
    here = states[rows, batch.at].float()
    norm = _mean_by(here.norm(dim=-1, keepdim=True), batch.owner, count).squeeze(1)
    delta = torch.zeros(count, here.shape[-1], device=model.device, requires_grad=True)
    optimiser = torch.optim.Adam([delta], lr=settings.rate)
    done = torch.zeros(count, dtype=torch.bool, device=model.device)
    took = torch.zeros(count, dtype=torch.long, device=model.device)
    fits = torch.zeros(count, device=model.device)
    moved = torch.zeros(count, device=model.device)
    with upper_half(model, layer) as lower:
        lower.tuple_out = False
        base = _predict(model, lower, batch, states, rows[batch.targets :], batch.last).log_softmax(-1).detach()
        part, chosen = batch, rows  # the rows of subjects that are not done
        for step in range(settings.steps + 1):
            shifted = states[chosen]
            shifted[torch.arange(len(chosen)), part.at] = (here[chosen] + delta[part.owner]).to(states.dtype)
            preserved = torch.arange(part.targets, len(chosen), device=model.device)
            logp = _predict(
                model, lower, part, shifted, torch.cat([part.row, preserved]), torch.cat([part.col, part.last])
            ).log_softmax(-1)
            said = logp[: len(part.row)].gather(1, part.label[:, None])[:, 0] * -part.weight
            worst = torch.zeros(part.targets, device=model.device).index_add(0, part.row, said)
            nll = _mean_by(worst[:, None], part.owner[: part.targets], count).squeeze(1)
            kept = base[chosen[part.targets :] - batch.targets]
            kl = F.kl_div(logp[len(part.row) :], kept, log_target=True, reduction="none").sum(-1)
            kl = _mean_by(kl[:, None], part.owner[part.targets :], count).squeeze(1)
            with torch.no_grad():
                hardest = torch.zeros(count, device=model.device)
                hardest = hardest.scatter_reduce(0, part.owner[: part.targets], worst, "amax")
                fits, moved = torch.where(done, fits, nll), torch.where(done, moved, kl)
                enough = ~done & (hardest < settings.enough) & (kl < settings.still)
                took += (~done).long()
            if bool((done | enough).all()) or step == settings.steps:
                break
            decay = settings.weight_decay * (delta.norm(dim=1) / norm**2)
            going = ~(done | enough)
            loss = (nll + settings.preserve_weight * kl + decay)[going].sum()
            optimiser.zero_grad()
            before = delta.detach().clone()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                delta.copy_(torch.where(going[:, None], delta, before))  # each subject has its own stopping rule
                limit = settings.clamp * norm
                delta.mul_((limit / delta.norm(dim=1).clamp(min=1e-6)).clamp(max=1.0)[:, None])
            if bool(enough.any()):
                done = done | enough
                part, chosen = _narrowed(batch, done)
    return [
        Shift(
            group[0].subject,
            keys[rows, batch.at][batch.owner == index].float().cpu().clone(),
            delta[index].detach().float().cpu().clone(),
            float(fits[index]),
            float(moved[index]),
            int(took[index]),
        )
        for index, group in enumerate(groups)
    ]


def _narrowed(batch: _Batch, done: Tensor) -> tuple[_Batch, Tensor]:
    """(the rows of the subjects that are not done, which rows of ``batch`` they are)."""
    keep = ~done[batch.owner]
    chosen = keep.nonzero()[:, 0]
    place = keep.long().cumsum(0) - 1
    label = keep[batch.row]
    part = _Batch(
        batch.ids[chosen],
        batch.mask[chosen],
        batch.owner[chosen],
        batch.at[chosen],
        place[batch.row[label]],
        batch.col[label],
        batch.label[label],
        batch.weight[label],
        int(keep[: batch.targets].sum()),
        batch.last[keep[batch.targets :]],
    )
    return part, chosen


def _predict(model: CausalModel, lower: _Skipped, batch: _Batch, states: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Logits (len(rows), vocab) at these places, from the upper layers alone."""
    lower.state = states
    out = model.structure.body(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False)
    logits = model.structure.head(out[0][rows, cols]).float()
    cap = getattr(model.net.config, "final_logit_softcapping", None)
    capped: Tensor = torch.tanh(logits / cap) * cap if cap else logits
    return capped


def _sum_by(values: Tensor, owner: Tensor, count: int) -> Tensor:
    return torch.zeros(count, *values.shape[1:], device=values.device).index_add(0, owner, values)


def _mean_by(values: Tensor, owner: Tensor, count: int) -> Tensor:
    number = torch.bincount(owner, minlength=count).clamp(min=1)
    return _sum_by(values, owner, count) / number.reshape(-1, *[1] * (values.dim() - 1))
