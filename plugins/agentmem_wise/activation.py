"""WISE as its authors mean it: copies of one down-projection that hold the edits, and thresholds that route to them.

After Wang et al., WISE (NeurIPS 2024): edits are sharded, each shard writes into a random part of a copy's weights
(mask density ρ), a margin loss (equation 4: irrelevant ≤ α, edit ≥ β, gap ≥ γ) keeps the routing score ‖A(x)(W' − W)‖
apart; shards stand side by side and the one with the highest score speaks, or are merged with TIES. Differences: the
score is taken per token, at the subject's last token, so that a KV cache and batches need no care; and a shard is
trained again over its live edits when they change, because what was trained together cannot give one edit back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from agentmem_lm.model import CausalModel
from agentmem_lm.requests import Wish
from agentmem_lm.sites import subject_span
from agentmem_lm.structure import Projection

if TYPE_CHECKING:
    from agentmem_wise.config import WiseConfig


@dataclass(frozen=True)
class SideMemory:
    """``differences``: W' − W of each copy, (n_copies, d_model, d_inner); ``thresholds``: (n_copies,), the scores from
    which they speak. At a token the copy with the highest score speaks, if that exceeds its threshold."""

    differences: Tensor
    thresholds: Tensor

    def attach(self, down: Projection) -> Callable[[], None]:
        """Hook the copies to the down-projection they are copies of; returns what takes them off."""

        def add(_module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
            extra = torch.einsum("...i,noi->...no", inputs[0], self.differences.to(inputs[0].dtype))
            best, which = extra.norm(dim=-1).max(dim=-1)
            opens = best > self.thresholds.to(out.device)[which]
            if not bool(opens.any()):
                return out
            chosen = extra.take_along_dim(which[..., None, None], dim=-2).squeeze(-2)
            return torch.where(opens[..., None], out + chosen, out)

        return down.module.register_forward_hook(add).remove


@dataclass(frozen=True)
class Shard:
    """What some edits were written into: ``difference`` (d_model, d_inner), and the lowest score of their prompts."""

    difference: Tensor
    lowest: float


def trained_shard(
    model: CausalModel, layer: int, wishes: Sequence[Wish], config: WiseConfig, texts: Sequence[str], index: int
) -> Shard:
    """Train the shard of that index over its edits; the index draws the part of the weights that it may use."""
    down = model.structure.layers[layer].down
    generator = torch.Generator().manual_seed(index)
    mask = (torch.rand(down.as_matrix().shape, generator=generator) < config.mask_density).float()
    difference, scores = _train_shard(model, down, wishes, mask, config, texts)
    return Shard(difference, min(scores))


def side_memory(shards: Sequence[Shard], config: WiseConfig) -> SideMemory:
    """A copy for each shard (the paper's "retrieve"), or one merged of all by TIES ("merge")."""
    floors = torch.tensor([config.activation_ratio * shard.lowest for shard in shards])
    differences = [shard.difference for shard in shards]
    if config.shards == "merge":
        return SideMemory(ties(differences, config.ties_density)[None], floors.min()[None])
    return SideMemory(torch.stack(differences), floors)


def _train_shard(
    model: CausalModel, down: Projection, wishes: Sequence[Wish], mask: Tensor, config: WiseConfig, texts: Sequence[str]
) -> tuple[Tensor, list[float]]:
    """(difference of one shard, the lowest score of each of its edits)."""
    difference = torch.zeros_like(mask, requires_grad=True)
    optimiser = torch.optim.SGD([difference], lr=config.side_rate)
    limit = float(down.as_matrix().abs().max())
    rows, labels, at = _rows(model, wishes)
    ids, attention = model.pad(rows, "right")
    far_ids, far_mask = model.pad([model.encode(text) for text in texts[:32]], "right")
    seen: dict[str, Tensor] = {}

    def add(_module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
        seen["extra"] = inputs[0] @ difference.T
        return out + seen["extra"]

    hook = down.module.register_forward_hook(add)
    index = torch.arange(len(rows))
    try:
        with model.bare() as net, torch.enable_grad():
            with torch.no_grad():
                net(input_ids=far_ids, attention_mask=far_mask, use_cache=False)
            far_inputs = _inputs_of(down, lambda: net(input_ids=far_ids, attention_mask=far_mask, use_cache=False))
            far = far_inputs[far_mask.bool()]
            for _ in range(config.side_steps):
                logits = net(input_ids=ids, attention_mask=attention, use_cache=False).logits
                loss = torch.nn.functional.cross_entropy(
                    logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
                )
                near_score = seen["extra"][index, at].norm(dim=-1)
                far_score = (far @ difference.T).norm(dim=-1)
                margin = torch.relu(far_score - config.alpha).mean() + torch.relu(config.beta - near_score).mean()
                margin = margin + torch.relu(config.gamma - (near_score.mean() - far_score.mean()))
                total = loss + 0.1 * margin
                optimiser.zero_grad()
                torch.autograd.backward(total)
                assert difference.grad is not None, "the copy takes part in the forward pass"
                difference.grad *= mask
                norm = difference.grad.norm()
                difference.grad *= min(1.0, 1.0 / float(norm.clamp(min=1e-9)))
                optimiser.step()
                with torch.no_grad():
                    difference.clamp_(-limit, limit)
            with torch.no_grad():
                net(input_ids=ids, attention_mask=attention, use_cache=False)
                near_score = seen["extra"][index, at].norm(dim=-1)
    finally:
        hook.remove()
    return difference.detach(), [float(score) for score in near_score]


def _rows(model: CausalModel, wishes: Sequence[Wish]) -> tuple[list[list[int]], Tensor, Tensor]:
    """(token rows, labels (rows, seq) with -100 where nothing is learnt, place of the subject's last token)."""
    rows: list[list[int]] = []
    ends: list[int] = []
    at: list[int] = []
    for wish in wishes:
        end = model.encode_end(f" {wish.target}.")
        for prompt in wish.prompts:
            ids, _, place = subject_span(model, prompt, wish.subject)
            rows.append(ids + end)
            ends.append(len(end))
            at.append(place)
    labels = torch.full((len(rows), max(map(len, rows))), -100)
    for i, (row, length) in enumerate(zip(rows, ends, strict=True)):
        labels[i, len(row) - length : len(row)] = torch.tensor(row[-length:])
    return rows, labels, torch.tensor(at)


def _inputs_of(down: Projection, run: Callable[[], object]) -> Tensor:
    seen: list[Tensor] = []
    hook = down.module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach()))
    try:
        with torch.no_grad():
            run()
    finally:
        hook.remove()
    return seen[-1]


def ties(differences: Sequence[Tensor], density: float) -> Tensor:
    """TIES merge (Yadav et al. 2023): keep the largest entries, elect a sign by mass, average what agrees."""
    trimmed = []
    for difference in differences:
        keep = max(1, int(density * difference.numel()))
        cut = difference.abs().flatten().kthvalue(difference.numel() - keep + 1).values
        trimmed.append(torch.where(difference.abs() >= cut, difference, torch.zeros_like(difference)))
    stacked = torch.stack(trimmed)
    sign = stacked.sum(0).sign()
    agrees = (stacked.sign() == sign) & (stacked != 0)
    return (stacked * agrees).sum(0) / agrees.sum(0).clamp(min=1)
