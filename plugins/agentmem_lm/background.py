"""Ordinary text of a model's world, and what its feed-forward layers see on it: the second moments of their inputs.

Edits are weighed against these statistics. A few thousand short texts are enough (reported: under 0.3 % of the 100,000
that MEMIT's authors used, arXiv 2506.04226); they come from the caller, from the demo world, or from the model itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from agentmem_lm.model import CausalModel

TEXTS = 2000
_LEAST = 64


def background_texts(model: CausalModel, given: Sequence[str] = (), *, count: int = TEXTS, seed: int = 7) -> list[str]:
    """Texts to take statistics from: those given when they suffice, else the model's own world, else its own words."""
    if len(given) >= _LEAST:
        return list(given[:count])
    if model.manners.world == "demo":
        return [*given, *_demo_lines(count - len(given), seed)]
    return [*given, *_own_words(model, min(count - len(given), 256), seed)]


def _demo_lines(count: int, seed: int) -> list[str]:
    from agentmem_lm.demo import world
    from agentmem_lm.demo.documents import fact_line
    from agentmem_lm.demo.draws import Draws

    lore, draws = world.build(), Draws(seed)
    lines = (fact_line(draws, draws.choice(lore.facts)) for _ in range(count))
    return [f"{line.prompt}{line.answer}".strip() for line in lines]


def _own_words(model: CausalModel, count: int, seed: int) -> list[str]:
    """Continuations of random tokens: what a model says when nobody asks, at its own temperature."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = model.structure.embedding.num_embeddings
    starts = torch.randint(vocabulary, (count, 4), generator=generator)
    out = []
    with model.bare() as net, torch.inference_mode():
        for part in torch.split(starts, 32):
            ids = part.to(model.device)
            for _ in range(24):
                logits = net(input_ids=ids, use_cache=False).logits[:, -1].float().cpu()
                drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator)
                ids = torch.cat([ids, drawn.to(model.device)], 1)
            out += [model.decode(row.tolist()) for row in ids]
    return [text for text in out if text.strip()]


def second_moment(
    model: CausalModel, layer: int, texts: Sequence[str], *, cache: Path | None = None, batch: int = 64
) -> Tensor:
    """E[k kᵀ] of the inputs k of a layer's down-projection over all tokens of the texts: (d_inner, d_inner), float32.

    ``cache`` is a folder; the file is named by a hash of weights, layer and texts.
    """
    digest = hashlib.sha256("\0".join([model.fingerprint, str(layer), *texts]).encode("utf-8", "surrogatepass"))
    path = None if cache is None else cache / f"moment-{digest.hexdigest()[:24]}.safetensors"
    if path is not None and path.is_file():
        kept: Tensor = load_file(path)["moment"]
        return kept
    down = model.structure.layers[layer].down
    total = torch.zeros(down.in_features, down.in_features, dtype=torch.float64)
    seen: list[Tensor] = []
    hook = down.module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    tokens = 0
    try:
        with model.bare() as net, torch.inference_mode():
            for start in range(0, len(texts), batch):
                ids, mask = model.pad([model.encode(text) for text in texts[start : start + batch]], "right")
                net(input_ids=ids, attention_mask=mask, use_cache=False)
                keys = seen.pop().reshape(-1, down.in_features)[mask.reshape(-1).bool()].float()
                total += (keys.T @ keys).double().cpu()
                tokens += len(keys)
    finally:
        hook.remove()
    moment = (total / max(tokens, 1)).float()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        save_file({"moment": moment}, draft)
        draft.replace(path)
    return moment


def whitener(moment: Tensor, *, ridge: float = 1e-3) -> Tensor:
    """L with L Lᵀ = (C + ridge · mean(diag C) · I)⁻¹, so that keys k L have unit covariance: (d_inner, d_inner)."""
    exact = moment.double()
    eye = torch.eye(len(exact), dtype=torch.float64)
    inverse = torch.linalg.inv(exact + ridge * exact.diagonal().mean() * eye)
    lower: Tensor = torch.linalg.cholesky((inverse + inverse.T) / 2).float()
    return lower
