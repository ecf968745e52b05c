"""Running only what an edit can change gives what the whole model gives, for every shape of model."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import torch

from agentmem.records import EditRequest
from agentmem_lm.requests import Wish
from agentmem_lm.shapes import TINY, random_model
from agentmem_lm.shifts import ShiftSettings, optimise
from agentmem_lm.upper import run_up_to, upper_half

TEXTS = ("Zed is here.", "In the end it is Zed who stands there", "A Zed")
AT = (2, 20, 4)  # bytes after the opening token; not of one length, and never at the end


def moved_by_a_hook(model: Any, layer: int, row: list[int], at: int, delta: Any) -> Any:
    def hook(_module: Any, _inputs: Any, out: Any) -> Any:
        states = (out[0] if isinstance(out, tuple) else out).clone()
        states[0, at] += delta
        return (states, *out[1:]) if isinstance(out, tuple) else states

    handle = model.structure.layers[layer].module.register_forward_hook(hook)
    try:
        with torch.no_grad():
            return model.structure.body(input_ids=torch.tensor([row]), use_cache=False)[0][0]
    finally:
        handle.remove()


@pytest.mark.parametrize("family", TINY)
@pytest.mark.parametrize("at", [AT, (0, 0, 0)])
def test_the_upper_half_from_a_token_on_is_that_of_the_whole_model(family: str, at: tuple[int, ...]) -> None:
    model = random_model(family)
    rows, layer = [model.encode(text) for text in TEXTS], 1
    delta = torch.randn(len(rows), model.structure.d_model, generator=torch.Generator().manual_seed(1))
    ids, mask = model.pad(rows, "right")
    with model.bare(), torch.no_grad():
        wanted = [moved_by_a_hook(model, layer, *given) for given in zip(rows, at, delta, strict=True)]
        body = model.structure.body
        module = model.structure.layers[layer].module
        states, in_tuple = run_up_to(module, lambda: body(input_ids=ids, attention_mask=mask, use_cache=False))
        with upper_half(model, layer, in_tuple) as upper:
            whole = upper.tails(ids, mask, states, torch.tensor(at))
            for chosen in ([0, 1, 2], [2, 0]):
                tails = whole.of(torch.tensor(chosen))
                given = tails.states.clone()
                given[:, 0] += delta[chosen]
                out = upper.run(tails, given)
                for i, row in enumerate(chosen):
                    left = len(rows[row]) - at[row]
                    torch.testing.assert_close(out[i, :left], wanted[row][at[row] :], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "gptj", "opt", "gemma2"])
def test_a_shift_added_by_a_hook_to_the_whole_model_has_the_loss_that_it_was_found_with(family: str) -> None:
    model = random_model(family)
    request = EditRequest(subject="Zed", prompt="In {} is", target="ox")
    wish = Wish("Zed", "ox", ("In Zed is", "Zed is"), ("Zed has",), (), request)
    (shift,) = optimise(model, 1, [[wish]], ShiftSettings(steps=8, rate=1.0))
    end, losses = model.encode_end(" ox."), []
    for prompt in wish.prompts:
        row = model.encode(prompt)
        last = len(model.encode(prompt[: prompt.index("Zed") + 3])) - 1
        with model.bare(), torch.no_grad():
            states = moved_by_a_hook(model, 1, row + end, last, shift.delta)
            cap = getattr(model.net.config, "final_logit_softcapping", None)
            logits = model.structure.head(states)
            logp = (torch.tanh(logits / cap) * cap if cap else logits).log_softmax(-1)
            losses.append(-logp[torch.arange(len(row) - 1, len(row) + len(end) - 1), torch.tensor(end)].mean())
    assert float(sum(losses) / len(losses)) == pytest.approx(shift.loss, rel=1e-4)
    assert shift.states.shape == shift.keys.shape[:1] + shift.delta.shape
