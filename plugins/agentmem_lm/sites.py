"""Where a model keeps its facts: the interchange test, which edits of weights must pass before they choose a layer.

For two prompts of one wording that differ in the subject only, the state of one position after one layer is copied
from the second run into the first. If the answer flips to the second one's, that position and layer carry the fact.
Counting flips over many pairs gives a table of layers by positions (causal tracing by exchange; Geiger et al. 2021,
Meng et al. 2022). Knows nothing of edits, records or the world that the facts come from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from agentmem.errors import Refused
from agentmem_lm.model import CausalModel

POSITIONS = ("subject_first", "subject_last", "after_subject", "prompt_last")
"""The first and last token of the subject, the token after it, and the last of the prompt (where the answer begins)."""

CARRIES = 0.5
"""Share of flips from which a place is said to carry facts."""


@dataclass(frozen=True)
class Asked:
    """A prompt and the subject that stands in it, of which the model is supposed to know something."""

    prompt: str
    subject: str


@dataclass(frozen=True)
class SiteTable:
    """Shares of answers flipped, by part ("stream": state after a layer; "mlp": what its feed-forward added).

    `stream[layer][position]` and `mlp[layer][position]` follow `POSITIONS`; `pairs` is how many were exchanged.
    """

    fingerprint: str
    pairs: int
    stream: tuple[tuple[float, ...], ...]
    mlp: tuple[tuple[float, ...], ...]

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers after which the subject's last token carries the fact, lowest first."""
        at = POSITIONS.index("subject_last")
        return tuple(layer for layer, row in enumerate(self.stream) if row[at] >= CARRIES)

    @property
    def best(self) -> int:
        """The layer to edit at: the highest whose subject position flips nearly as often as the best one's does."""
        at = POSITIONS.index("subject_last")
        shares = [row[at] for row in self.stream]
        return max(layer for layer, share in enumerate(shares) if share >= 0.95 * max(shares))

    def checked(self) -> SiteTable:
        """Itself; Refused, with the figures, when no layer carries facts at the subject."""
        if self.layers:
            return self
        at = POSITIONS.index("subject_last")
        last = POSITIONS.index("prompt_last")
        raise Refused(
            f"no layer carries facts at the subject's last token: exchanging it flips at most "
            f"{max(row[at] for row in self.stream):.0%} of {self.pairs} answers (the prompt's last token "
            f"{max(row[last] for row in self.stream):.0%}); edits at the subject would not be read by this model"
        )

    def lines(self) -> list[str]:
        """The table for people."""
        head = f"{'layer':>5}  " + "  ".join(f"{name:>13}" for name in POSITIONS) + "   (mlp alone, subject_last)"
        at = POSITIONS.index("subject_last")
        body = [
            f"{layer:>5}  " + "  ".join(f"{share:>13.0%}" for share in row) + f"   {self.mlp[layer][at]:>10.0%}"
            for layer, row in enumerate(self.stream)
        ]
        return [f"answers flipped by exchanging one position after one layer, {self.pairs} pairs", head, *body]


# Common knowledge for models whose world is not known to us: wordings with subjects most models can answer for.
COMMON: dict[str, list[str]] = {
    "The capital of {} is": [
        "France",
        "Germany",
        "Italy",
        "Spain",
        "Japan",
        "China",
        "Russia",
        "Egypt",
        "Greece",
        "Poland",
        "Norway",
        "Sweden",
        "Austria",
        "Portugal",
        "Ireland",
        "Cuba",
    ],
    "The language spoken by people in {} is": [
        "France",
        "Germany",
        "Italy",
        "Spain",
        "Japan",
        "China",
        "Russia",
        "Greece",
        "Poland",
        "Norway",
        "Sweden",
        "Portugal",
    ],
}


def common_prompts() -> list[Asked]:
    """Prompts about well-known countries."""
    return [Asked(wording.format(name), name) for wording, names in COMMON.items() for name in names]


def find_sites(
    model: CausalModel, asked: Sequence[Asked] | None = None, *, pairs: int = 120, cache: Path | None = None
) -> SiteTable:
    """The table of a model's base weights, from prompts of which several share one wording.

    `cache` is a folder; a table is kept there under the model's fingerprint. Raises Refused when fewer than eight
    pairs give different answers: then the model knows nothing of these subjects and nothing can be located.
    """
    kept = cache / f"sites-{model.fingerprint[:16]}.json" if cache else None
    if kept and kept.is_file():
        return _read(kept)
    table = _measure(model, list(asked) if asked is not None else common_prompts(), pairs)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asdict(table)))
    return table


def _read(path: Path) -> SiteTable:
    data = json.loads(path.read_text())
    return SiteTable(
        fingerprint=data["fingerprint"],
        pairs=data["pairs"],
        stream=tuple(tuple(row) for row in data["stream"]),
        mlp=tuple(tuple(row) for row in data["mlp"]),
    )


@dataclass(frozen=True)
class _Pair:
    to: list[int]  # tokens of the run that is changed
    of: list[int]  # tokens of the run that gives its state
    to_at: tuple[int, ...]  # where POSITIONS are in each
    of_at: tuple[int, ...]


def subject_span(model: CausalModel, prompt: str, subject: str) -> tuple[list[int], int, int]:
    """(tokens of the prompt, index of the subject's first token, index of its last)."""
    begin = prompt.rindex(subject)
    encoded = model.tokenizer(prompt, return_offsets_mapping=True)
    inside = [
        index
        for index, (start, end) in enumerate(encoded["offset_mapping"])
        if end > start and start < begin + len(subject) and end > begin
    ]
    return list(encoded["input_ids"]), inside[0], inside[-1]


def _pairs(model: CausalModel, asked: Sequence[Asked]) -> list[_Pair]:
    """Neighbours in the list whose prompts differ in the subject only."""
    by_wording: dict[str, list[Asked]] = {}
    for item in asked:
        by_wording.setdefault(item.prompt.replace(item.subject, "{}"), []).append(item)
    found = []
    for group in by_wording.values():
        for one, other in zip(group, group[1:] + group[:1], strict=True):
            if one.subject == other.subject:
                continue
            to, first, last = subject_span(model, one.prompt, one.subject)
            of, of_first, of_last = subject_span(model, other.prompt, other.subject)
            found.append(
                _Pair(
                    to,
                    of,
                    (first, last, min(last + 1, len(to) - 1), len(to) - 1),
                    (of_first, of_last, min(of_last + 1, len(of) - 1), len(of) - 1),
                )
            )
    return found


def _measure(model: CausalModel, asked: Sequence[Asked], wanted: int) -> SiteTable:
    with model.bare(), torch.inference_mode():
        found = _pairs(model, asked)
        to_rows, of_rows = [pair.to for pair in found], [pair.of for pair in found]
        plain, _ = _run(model, to_rows)
        other, _ = _run(model, of_rows)
        kept = [pair for i, pair in enumerate(found) if plain[i] != other[i]][:wanted]
        if len(kept) < 8:
            raise Refused(
                f"facts cannot be located: of {len(found)} pairs of prompts only {len(kept)} give different answers, "
                "so this model knows nothing of these subjects; give prompts about things it knows"
            )
        answers, states = _run(model, [pair.of for pair in kept], record=True)
        shares: dict[str, list[tuple[float, ...]]] = {"stream": [], "mlp": []}
        for part, rows in shares.items():
            for layer in range(len(model.structure)):
                row = []
                for position in range(len(POSITIONS)):
                    given = states[part][layer][
                        torch.arange(len(kept)), torch.tensor([p.of_at[position] for p in kept])
                    ]
                    patched, _ = _run(
                        model,
                        [pair.to for pair in kept],
                        patch=(part, layer, [pair.to_at[position] for pair in kept], given),
                    )
                    row.append(sum(a == b for a, b in zip(patched, answers, strict=True)) / len(kept))
                rows.append(tuple(row))
    return SiteTable(model.fingerprint, len(kept), tuple(shares["stream"]), tuple(shares["mlp"]))


_Patch = tuple[str, int, list[int], Tensor]


def _run(
    model: CausalModel, rows: Sequence[list[int]], record: bool = False, patch: _Patch | None = None
) -> tuple[list[int], dict[str, list[Tensor]]]:
    """The most likely next token of each row; right-padded, so that position i is token i.

    `record` keeps the states (batch, seq, d_model) of every layer and of its feed-forward; `patch` puts rows of
    (batch, d_model) in at one layer.
    """
    ids, mask = model.pad(rows, "right")
    states: dict[str, list[Tensor]] = {"stream": [], "mlp": []}
    handles = []
    for index, layer in enumerate(model.structure.layers):
        for part, module in (("mlp", layer.down.module), ("stream", layer.module)):
            change = patch if patch and patch[:2] == (part, index) else None
            if change or record:
                handles.append(module.register_forward_hook(_hook(states[part], len(rows), record, change)))
    try:
        logits = model.net(input_ids=ids, attention_mask=mask, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()
    last = mask.sum(-1) - 1
    return logits[torch.arange(len(rows)), last].argmax(-1).tolist(), states


def _hook(kept: list[Tensor], batch: int, record: bool, patch: _Patch | None) -> Callable[..., object]:
    def hook(module: object, args: object, output: object) -> object:
        value = output[0] if isinstance(output, tuple) else output
        assert isinstance(value, Tensor)
        shaped = value.reshape(batch, -1, value.shape[-1])  # OPT folds batch and sequence together in its feed-forward
        if record:
            kept.append(shaped.detach())
        if patch is None:
            return None
        _, _, at, given = patch
        changed = shaped.clone()
        changed[torch.arange(batch), torch.tensor(at)] = given
        changed = changed.reshape(value.shape)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook
