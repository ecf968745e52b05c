"""The memory `memit`: speaks the contract; what is solved is in `closed_form`, what is wanted in `agentmem_lm.shifts`.

An edit keeps its keys and its shift, nothing else. The weights are a function of the base and the set of live edits:
they are solved anew whenever that set changes, so its weights have no history and an undo leaves no mark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from agentmem.contract import Capability
from agentmem.records import CheckLine, Namespace, Record
from agentmem_lm.edits import EditMemory, Trial
from agentmem_memit.config import MemitConfig

if TYPE_CHECKING:
    from torch import Tensor

    from agentmem_lm.model import CausalModel
    from agentmem_lm.requests import Wish
    from agentmem_memit.closed_form import Solved

BLOB = "edit"


class MemitMemory(EditMemory):
    """Edits in the weights of a few down-projections, solved anew over all live ones."""

    name = "memit"
    capabilities = Capability.NEEDS_LOCAL_MODEL | Capability.BATCH
    Config: ClassVar[type[MemitConfig]] = MemitConfig
    mount_order: ClassVar[int] = 10
    config: MemitConfig

    def prepare(self) -> None:
        super().prepare()
        _ = self._moment, self._null

    @staticmethod
    def bytes_of(d_model: int, d_inner: int, *, half: bool) -> dict[str, float]:
        """Bytes of an edit on disk; mounted it has none of its own. ``once``: the kept base matrix and the moments."""
        import torch
        from safetensors.torch import save

        wordings = torch.zeros(400, dtype=torch.uint8)  # five of 80 characters
        held = {"key": torch.zeros(d_inner).half(), "delta": torch.zeros(d_model).half(), "wordings": wordings}
        size = len(save(held))
        once = (2.0 if half else 4.0) * d_model * d_inner + 4.0 * d_inner**2
        return {"disk.one_key": float(size), "memory.one_key": 0.0, "memory.once": once}

    # ---- computing

    def compute(self, wishes: Sequence[Wish], standing: Sequence[Record]) -> list[dict[str, bytes]]:
        """Keys and shift of each wish, one at a time of its subject: facts of one subject add up in the solution."""
        import torch
        from safetensors.torch import save

        from agentmem_lm.shifts import ShiftSettings, optimise

        config = self.config
        settings = ShiftSettings(steps=config.steps, rate=config.rate, preserve_weight=config.preserve_weight)
        out: list[dict[str, bytes]] = []
        for start in range(0, len(wishes), config.group):
            part = wishes[start : start + config.group]
            for wish, shift in zip(part, optimise(self.model, self.layer, [[w] for w in part], settings), strict=True):
                told = json.dumps([wish.subject, wish.prompts]).encode()  # lower layers' keys are read at mounting
                held = {"key": shift.keys.mean(0).half(), "delta": shift.delta.half()}
                held["wordings"] = torch.tensor(list(told), dtype=torch.uint8)
                out.append({BLOB: save(held)})
        return out

    def room(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> tuple[str, list[Mapping[str, float]]]:
        """Measured before anything is admitted: what the matrix cannot hold is refused by figure."""
        held = self._beside(wishes, blobs)
        standing = len(held) - len(blobs)
        reached = self._solved(held).reached
        others, own = (part.min().item() if len(part) else 1.0 for part in (reached[:standing], reached[standing:]))
        figures: list[Mapping[str, float]] = [
            {"reached": share, "others_reached": others} for share in reached[standing:].tolist()
        ]
        least = self.config.least_reached
        if min(own, others) >= least:
            return "", figures
        whose = "it" if own <= others else "an edit that stands"
        reason = f"the matrix is out of room: {whose} would get {min(own, others):.2f} of its shift, below {least:.2f}"
        return reason, figures

    # ---- mounting

    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        return self._written(model, [self._held(record) for record in self.mountable(namespace, as_of)])

    def trial(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> Trial:
        """The standing edits and these, solved together."""
        held = self._beside(wishes, blobs)
        return self.tried_on(lambda: self._written(self.model, held))

    def _beside(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> list[dict[str, Tensor]]:
        """The standing edits that these do not supersede, and these."""
        standing = self.beside(wishes, self.mountable(wishes[0].request.namespace))
        return [self._held(record) for record in standing] + [_tensors(blob[BLOB]) for blob in blobs]

    def _written(self, model: CausalModel, edits: Sequence[dict[str, Tensor]]) -> Callable[[], None]:
        """Write the solution into the weights; returns what puts the kept base back, bit for bit."""
        if not edits:
            return lambda: None
        if self.config.spread > 1:
            return self._spread(model, edits)
        weight = model.structure.layers[self.layer].down.as_matrix()
        kept = weight.clone()
        weight += self._solved(edits).change.to(weight)

        def undo() -> None:
            weight.copy_(kept)

        return undo

    def _spread(self, model: CausalModel, edits: Sequence[dict[str, Tensor]]) -> Callable[[], None]:
        import torch

        from agentmem_lm.background import second_moment
        from agentmem_memit.spread import write_spread

        layers = range(max(0, self.layer + 1 - self.config.spread), self.layer + 1)
        moments = {layer: second_moment(model, layer, self.texts, cache=self.cache) for layer in layers}
        ordered = sorted(edits, key=_place)
        told = [json.loads(bytes(edit["wordings"].tolist())) for edit in ordered]
        wordings = [(prompt, subject, index) for index, (subject, prompts) in enumerate(told) for prompt in prompts]
        shifts = torch.stack([edit["delta"].float() for edit in ordered])
        return write_spread(model, layers, wordings, shifts, moments, self.config.strength)

    def _solved(self, edits: Sequence[dict[str, Tensor]]) -> Solved:
        import torch

        from agentmem_memit.closed_form import solve

        ordered = sorted(edits, key=_place)
        place = {id(edit): index for index, edit in enumerate(ordered)}
        keys = torch.stack([edit["key"].float() for edit in ordered])
        shifts = torch.stack([edit["delta"].float() for edit in ordered])
        solved = solve(keys, shifts, self._moment, self.config.strength, self._null)
        back = torch.tensor([place[id(edit)] for edit in edits])
        return type(solved)(solved.change, solved.reached[back])

    @cached_property
    def _moment(self) -> Tensor:
        from agentmem_lm.background import second_moment

        return second_moment(self.model, self.layer, self.texts, cache=self.cache)

    @cached_property
    def _null(self) -> Tensor | None:
        from agentmem_memit.closed_form import null_projector

        return null_projector(self._moment, self.config.null_share) if self.config.null_space else None

    def _held(self, record: Record) -> dict[str, Tensor]:
        return _tensors(self.context.blobs.read(record.blobs[BLOB]))

    def check(self) -> Sequence[CheckLine]:
        lines = list(super().check())
        live = self.mountable(()) if self.context.local_model is not None else ()
        if live:
            reached = self._solved([self._held(record) for record in live]).reached
            text = f"{self.name}: the worst of {len(live)} edits gets {float(reached.min()):.2f} of its shift"
            lines.append(CheckLine("ok" if float(reached.min()) >= self.config.least_reached else "warning", text))
        return lines


def _place(edit: Mapping[str, Tensor]) -> tuple[list[float], list[float]]:
    """By which edits are put in order before they are solved for: a set has none of its own."""
    return edit["key"].tolist(), edit["delta"].tolist()


def _tensors(data: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return load(data)
