"""What has to be added to one layer's output at a subject's last token so that the model says something else.

The z-optimisation of ROME and MEMIT (Meng et al. 2022, 2023), with three deliberate differences: it is batched over
subjects, of which each has its own stopping rule; only the layers above the edited one are run, on the tokens from the
subject's last one on; and what keeps the rest of the subject as it was is a KL term on prompts about the same subject,
which needs no answers, instead of one prompt "{} is a". Knows tensors and wishes; nothing of records or gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from agentmem_lm.model import CausalModel
from agentmem_lm.requests import Wish
from agentmem_lm.sites import subject_span
from agentmem_lm.upper import Tails, UpperHalf, run_up_to, upper_half


@dataclass(frozen=True)
class ShiftSettings:
    """``clamp`` bounds the shift by that many times the norm of the output it is added to; ``enough`` is the loss per
    prompt, ``still`` the KL per preserve prompt, at which a subject is done. ``decays`` are Adam's, of the mean and the
    square of the gradient: its own suit thousands of steps, and shorter ones reach the same loss in fewer."""

    steps: int = 30
    rate: float = 1.0
    preserve_weight: float = 0.5
    weight_decay: float = 1e-3
    clamp: float = 4.0
    enough: float = 0.1
    still: float = 0.05
    decays: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Shift:
    """The result for one subject.

    ``keys``: (n_prompts, d_inner), the inputs of the down-projection at the subject's last token, one per prompt
    (preserve prompts last); ``states``: (n_prompts, d_model), the layer's output there; ``delta``: (d_model,), to be
    added to it.
    """

    subject: str
    keys: Tensor
    states: Tensor
    delta: Tensor
    loss: float
    preserved: float
    steps: int


@dataclass
class _Batch:
    """Every prompt of some wishes as padded rows. Targets come first, preserve prompts after them.

    Positions are counted from the subject's last token of their row.
    """

    ids: Tensor  # (rows, seq)
    mask: Tensor
    owner: Tensor  # (rows,) index of the wish
    at: Tensor  # (rows,) the subject's last token, counted from the row's first
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
        return _descend(model, layer, groups, batch, _lower(model, layer, batch), wanted)


def keys_of(model: CausalModel, layer: int, texts: Sequence[str], subjects: Sequence[str]) -> Tensor:
    """Inputs of the down-projection at the last token of each text's subject: (n, d_inner), float32 on the CPU."""
    spans = [subject_span(model, text, subject) for text, subject in zip(texts, subjects, strict=True)]
    down = model.structure.layers[layer].down.module
    seen: list[Tensor] = []
    hook = down.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach()))
    try:
        with model.bare(), torch.no_grad():
            ids, mask = model.pad([row[: at + 1] for row, _, at in spans], "right")
            model.structure.body(input_ids=ids, attention_mask=mask, use_cache=False)
    finally:
        hook.remove()
    places = torch.tensor([at for _, _, at in spans], device=model.device)
    keys = seen[0].reshape(*ids.shape, -1)[torch.arange(len(spans), device=model.device), places]
    return keys.float().cpu()


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
                first = len(ids) - 1 - place
                labels += [(len(rows), first + j, token, 1 / len(end)) for j, token in enumerate(end)]
                rows.append(ids + end)
                owner.append(index)
                at.append(place)
    targets = len(rows)
    last: list[int] = []
    for index, group in enumerate(groups):
        own = {prompt for wish in group for prompt in wish.prompts}
        for prompt in dict.fromkeys(text for wish in group for text in wish.preserve if text not in own):
            ids, _, place = subject_span(model, prompt, group[0].subject)
            last.append(len(ids) - 1 - place)
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


@dataclass(frozen=True)
class _Below:
    """What the bare model gives below and at the edited layer, which no shift changes."""

    keys: Tensor  # (rows, d_inner) inputs of the down-projection at the subject's last token
    states: Tensor  # (rows, seq, d_model) output of the layer
    in_tuple: bool  # whether the layer gives it in a tuple


def _lower(model: CausalModel, layer: int, batch: _Batch) -> _Below:
    part = model.structure.layers[layer]
    seen: list[Tensor] = []
    hook = part.down.module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    body = model.structure.body
    try:
        with torch.no_grad():
            states, in_tuple = run_up_to(
                part.module, lambda: body(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False)
            )
    finally:
        hook.remove()
    keys = seen[-1].reshape(*batch.ids.shape, -1)  # OPT flattens rows before its feed-forward
    rows = torch.arange(len(batch.ids), device=model.device)
    return _Below(keys[rows, batch.at].detach(), states, in_tuple)


def _descend(
    model: CausalModel,
    layer: int,
    groups: Sequence[Sequence[Wish]],
    batch: _Batch,
    below: _Below,
    settings: ShiftSettings,
) -> list[Shift]:
    count, rows = len(groups), torch.arange(len(batch.ids), device=model.device)
    here = below.states[rows, batch.at].float()
    norm = _mean_by(here.norm(dim=-1, keepdim=True), batch.owner, count).squeeze(1)
    delta = torch.zeros(count, here.shape[-1], device=model.device, requires_grad=True)
    optimiser = torch.optim.Adam([delta], lr=settings.rate, betas=settings.decays)
    done = torch.zeros(count, dtype=torch.bool, device=model.device)
    took = torch.zeros(count, dtype=torch.long, device=model.device)
    fits = torch.zeros(count, device=model.device)
    moved = torch.zeros(count, device=model.device)
    with upper_half(model, layer, below.in_tuple) as upper:
        whole = upper.tails(batch.ids, batch.mask, below.states, batch.at)
        with torch.no_grad():
            kept_rows = whole.of(rows[batch.targets :])
            unmoved = torch.arange(len(batch.last), device=model.device)
            base = _predict(model, upper, kept_rows, kept_rows.states, unmoved, batch.last).log_softmax(-1)
        part, chosen, tails = batch, rows, whole  # the rows of subjects that are not done
        for step in range(settings.steps + 1):
            shifted = tails.states.clone()
            shifted[:, 0] = (here[chosen] + delta[part.owner]).to(shifted.dtype)
            preserved = torch.arange(part.targets, len(chosen), device=model.device)
            logp = _predict(
                model, upper, tails, shifted, torch.cat([part.row, preserved]), torch.cat([part.col, part.last])
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
                tails = whole.of(chosen)
    return [
        Shift(
            group[0].subject,
            below.keys[batch.owner == index].float().cpu(),
            here[batch.owner == index].cpu(),
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


def _predict(model: CausalModel, upper: UpperHalf, tails: Tails, states: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Logits (len(rows), vocab) at these places of the tails, from the upper layers alone."""
    logits = model.structure.head(upper.run(tails, states)[rows, cols]).float()
    cap = getattr(model.net.config, "final_logit_softcapping", None)
    capped: Tensor = torch.tanh(logits / cap) * cap if cap else logits
    return capped


def _sum_by(values: Tensor, owner: Tensor, count: int) -> Tensor:
    return torch.zeros(count, *values.shape[1:], device=values.device).index_add(0, owner, values)


def _mean_by(values: Tensor, owner: Tensor, count: int) -> Tensor:
    number = torch.bincount(owner, minlength=count).clamp(min=1)
    return _sum_by(values, owner, count) / number.reshape(-1, *[1] * (values.dim() - 1))
