"""The memories `easyedit:<NAME>`: an algorithm of EasyEdit behind the contract of weight edits.

EasyEdit edits a model in place and cannot take one edit back. So the originals are kept, an edit is never more than its
request, and the live edits are made again in journal order, from the bare base, whenever their set changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from agentmem.contract import Capability, Context
from agentmem.errors import BadInput, Missing, ModelError
from agentmem.records import EditRequest, Namespace, Record
from agentmem_easyedit.config import EasyEditConfig
from agentmem_lm.edits import EditMemory, Trial, request_of

if TYPE_CHECKING:
    from agentmem_easyedit.originals import Difference
    from agentmem_lm.model import CausalModel
    from agentmem_lm.requests import Wish

HOW = "pip install easyeditor (it pins its own torch and transformers: an environment of its own is safest)"


@dataclass(frozen=True)
class Algorithm:
    """``settings``: the name of its class of settings in `easyeditor`; ``batch``: whether it takes many requests."""

    settings: str
    batch: bool


ALGORITHMS: dict[str, Algorithm] = {
    "ROME": Algorithm("ROMEHyperParams", batch=False),
    "R-ROME": Algorithm("R_ROMEHyperParams", batch=False),
    "MEMIT": Algorithm("MEMITHyperParams", batch=True),
    "PMET": Algorithm("PMETHyperParams", batch=True),
    "EMMET": Algorithm("EMMETHyperParams", batch=True),
    "AlphaEdit": Algorithm("AlphaEditHyperParams", batch=True),
    "FT": Algorithm("FTHyperParams", batch=False),
    "WISE": Algorithm("WISEHyperParams", batch=False),
    "GRACE": Algorithm("GraceHyperParams", batch=False),
}


class EasyEditMemory(EditMemory):
    """One algorithm of EasyEdit; subclasses say which."""

    name = "easyedit"
    algorithm: ClassVar[str]
    capabilities = Capability.NEEDS_LOCAL_MODEL
    Config: ClassVar[type[EasyEditConfig]] = EasyEditConfig
    mount_order: ClassVar[int] = 10
    config: EasyEditConfig

    def __init__(self, context: Context, config: EasyEditConfig | None = None) -> None:
        super().__init__(context, config)
        self._last: tuple[tuple[object, ...], Difference] | None = None

    @classmethod
    def missing(cls) -> str:
        """How to get what this memory needs and does not find; empty when it is there."""
        return "" if find_spec("easyeditor") is not None else f"'easyeditor' is not installed: {HOW}"

    def vet(self, requests: Sequence[EditRequest]) -> Sequence[str]:
        """As every weight memory; and EasyEdit with its settings must be there."""
        self._settings()
        return super().vet(requests)

    def compute(self, wishes: Sequence[Wish], standing: Sequence[Record]) -> list[dict[str, bytes]]:
        """Nothing yet: the live edits are made together when they are mounted."""
        return [{} for _ in wishes]

    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        return self._made(model, [request_of(record) for record in self.mountable(namespace, as_of)])

    def trial(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> Trial:
        """The standing edits and then these, from the bare base."""
        standing = self.beside(wishes, self.mountable(wishes[0].request.namespace))
        requests = [*map(request_of, standing), *(wish.request for wish in wishes)]
        return self.tried_on(lambda: self._made(self.model, requests))

    # ---- EasyEdit

    def _made(self, model: CausalModel, requests: Sequence[EditRequest]) -> Callable[[], None]:
        """Make these edits in order; returns what puts the originals back, bit for bit."""
        from agentmem_easyedit.originals import Originals, put_on

        if not requests:
            return lambda: None
        key = tuple((r.subject, r.prompt, r.target) for r in requests)
        originals = Originals(model.net)
        if self._last is not None and self._last[0] == key:
            put_on(model.net, self._last[1])
        else:
            try:
                self._apply(model, requests)
            except BaseException:
                originals.put_back(originals.difference())
                raise
        difference = originals.difference()
        self._last = (key, difference)
        return lambda: originals.put_back(difference)

    def _apply(self, model: CausalModel, requests: Sequence[EditRequest]) -> None:
        import torch

        settings = self._settings()
        run = import_module("easyeditor.util.alg_dict").ALG_DICT[self.algorithm]
        told = [_as_easyedit(request) for request in requests]
        groups = [told] if ALGORITHMS[self.algorithm].batch else [[one] for one in told]
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.manual_seed(0)  # the same set of edits gives the same weights
            for group in groups:
                net, _ = run(
                    model.net,
                    model.tokenizer,
                    group,
                    settings,
                    copy=False,
                    return_orig_weights=True,
                    keep_original_weight=False,
                )
                if net is not model.net and getattr(net, "model", None) is not model.net:
                    raise ModelError(
                        f"EasyEdit's {self.algorithm} returned another model; only edits in place are taken"
                    )
        model.net.eval().requires_grad_(False)

    def _settings(self) -> Any:
        if lacking := self.missing():
            raise Missing(f"'{self.name}' cannot edit: {lacking}")
        path = Path(self.config.hparams).expanduser()
        if not self.config.hparams or not path.is_file():
            raise BadInput(
                f"'{self.name}' needs EasyEdit's settings: --set {self.name}.hparams=FILE.yaml (given: "
                f"{self.config.hparams or 'nothing'})"
            )
        kind = getattr(import_module("easyeditor"), ALGORITHMS[self.algorithm].settings, None)
        if kind is None:
            raise Missing(f"this easyeditor has no {ALGORITHMS[self.algorithm].settings}; upgrade it: {HOW}")
        return kind.from_hparams(str(path))


def _as_easyedit(request: EditRequest) -> dict[str, object]:
    """A request in EasyEdit's form; its paraphrases go along, for algorithms that read them."""
    prompt = request.prompt.replace("{}", request.subject)
    return {
        "prompt": prompt,
        "subject": request.subject,
        "target_new": request.target,
        "ground_truth": "<|endoftext|>",
        "rephrase_prompt": request.paraphrases[0].replace("{}", request.subject) if request.paraphrases else prompt,
        "loc_prompt": request.locality[0].replace("{}", request.subject) if request.locality else "",
    }


@cache
def memory_class(algorithm: str) -> type[EasyEditMemory]:
    """The memory of an algorithm of `ALGORITHMS`."""
    return type(
        f"EasyEdit{algorithm.replace('-', '')}",
        (EasyEditMemory,),
        {"algorithm": algorithm, "name": f"easyedit:{algorithm}"},
    )
