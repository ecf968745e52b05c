"""The memory `wise`: speaks the contract; the two ways of routing are `slots` and `activation`.

Facts about one subject share one place in the model, so they share one slot: a slot is computed jointly over the live
edits of its subject, and kept with the edit that completed it. What an undo leaves without a slot of its own (one of
three edits of a subject taken back) is computed again at the next use, from the same requests, and cached.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from agentmem.contract import Capability, Context
from agentmem.records import Namespace, Record
from agentmem_lm.edits import EditMemory, Trial, request_of
from agentmem_wise.config import WiseConfig

if TYPE_CHECKING:
    from torch import Tensor

    from agentmem_lm.model import CausalModel
    from agentmem_lm.requests import Wish
    from agentmem_wise.activation import Shard, SideMemory
    from agentmem_wise.slots import ReadySlot, Slot, SlotTable


class WiseMemory(EditMemory):
    """Edits as slots per subject (``router="key"``) or as a trained side memory (``router="activation"``)."""

    name = "wise"
    capabilities = Capability.NEEDS_LOCAL_MODEL
    Config: ClassVar[type[WiseConfig]] = WiseConfig
    mount_order: ClassVar[int] = 30
    config: WiseConfig

    def __init__(self, context: Context, config: WiseConfig | None = None) -> None:
        super().__init__(context, config)
        self._shards: dict[str, Shard] = {}

    def prepare(self) -> None:
        super().prepare()
        _ = self.whitener

    @staticmethod
    def bytes_of(d_model: int, d_inner: int, *, half: bool) -> dict[str, float]:
        """Bytes of a slot on disk and in the table, with one key and for each further one; ``half``: a 16-bit model.

        A mention counts as a further key. ``once`` is what a model needs before its first edit: the whitener.
        """
        import torch

        from agentmem_wise.slots import Slot

        def on_disk(keys: int) -> int:
            none, like = torch.zeros(0, d_inner).half(), torch.zeros(keys, d_inner).half()
            return len(Slot(like, torch.zeros(d_model).half(), none, torch.ones(1)).to_bytes())

        size = 2 if half else 4
        return {
            "disk.one_key": float(on_disk(1)),
            "disk.further_key": float(on_disk(2) - on_disk(1)),
            "memory.one_key": float(size * (d_inner + d_model)),
            "memory.further_key": float(size * d_inner),
            "memory.once": 4.0 * d_inner**2,
        }

    # ---- computing

    def compute(self, wishes: Sequence[Wish], standing: Sequence[Record]) -> list[dict[str, bytes]]:
        """A slot for each wish, jointly with the other live edits of its subject."""
        if self.config.router == "activation":
            return [{} for _ in wishes]  # the side memory is trained over all live edits at the next use
        around: dict[str, dict[str, Wish]] = defaultdict(dict)
        told = {wish.subject for wish in wishes}
        for record in standing:
            if record.subject in told and record.attributes.get("fingerprint") == self.model.fingerprint:
                around[record.subject or ""][record.relation or ""] = self._wish_of(record)
        for wish in wishes:
            around[wish.subject][wish.request.relation or wish.request.prompt] = wish
        subjects = list(dict.fromkeys(wish.subject for wish in wishes))
        groups = {subject: list(around[subject].values()) for subject in subjects}
        slots = self._optimised(list(groups.values()))
        by_subject = dict(zip(subjects, slots, strict=True))
        return [{_name_of(groups[wish.subject]): by_subject[wish.subject].to_bytes()} for wish in wishes]

    def _optimised(self, groups: Sequence[Sequence[Wish]]) -> list[Slot]:
        import torch

        from agentmem_lm.shifts import ShiftSettings, optimise
        from agentmem_wise.slots import Slot, spread, thinned

        config = self.config
        settings = ShiftSettings(steps=config.steps, rate=config.rate, preserve_weight=config.preserve_weight)
        slots = []
        ordered = [sorted(group, key=lambda wish: (wish.prompts, wish.target)) for group in groups]  # as no history
        for start in range(0, len(ordered), config.group):
            part = ordered[start : start + config.group]
            told = self._mentions([group[0].subject for group in part])
            for shift, mention in zip(optimise(self.model, self.layer, part, settings), told, strict=True):
                keys = thinned(shift.keys, self.whitener, config.same_key)
                alone = thinned(torch.cat([keys, mention]), self.whitener, config.same_key)[len(keys) :]
                wide = spread(shift.keys, self.whitener)
                slots.append(Slot(keys.half(), shift.delta.half(), alone.half(), wide))
        return slots

    def _mentions(self, subjects: Sequence[str]) -> list[Tensor]:
        """The key of each subject where a passage names it as the answer, (1, d_inner)."""
        from agentmem_lm.shifts import keys_of

        told = self.model.manners.passages or "{passages}\n"
        texts = [told.replace("{passages}", f"The answer is {subject}.") for subject in subjects]
        keys = keys_of(self.model, self.layer, texts, subjects)
        return [keys[i : i + 1] for i in range(len(keys))]

    def _wish_of(self, record: Record) -> Wish:
        from dataclasses import replace

        parent = record.derived_from[0] if record.derived_from else record.id
        return replace(self.wish(request_of(record)), edit_id=parent)

    @cached_property
    def whitener(self) -> Tensor:
        """(d_inner, d_inner), float32, from the background texts."""
        from agentmem_lm.background import second_moment, whitener

        return whitener(second_moment(self.model, self.layer, self.texts, cache=self.cache))

    # ---- mounting

    def mount_key(self, namespace: Namespace, as_of: float | None) -> Hashable | None:
        """The live edits; what they still lack is computed here, before anything is mounted."""
        key = super().mount_key(namespace, as_of)
        if key is not None and self.config.router == "key":
            self._slots(self.mountable(namespace, as_of))
        return key

    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        live = self.mountable(namespace, as_of)
        if not live:
            return lambda: None
        if self.config.router == "activation":
            return self._side(live).attach(model.structure.layers[self.side_layer].down)
        return self._table(self._slots(live)).attach(model.structure.layers[self.layer].down.module)

    def _table(self, slots: Mapping[str, ReadySlot]) -> SlotTable:
        from agentmem_wise.slots import Gate, SlotTable

        config = self.config
        gate = Gate(config.gate, config.gate_most, config.gate_slack, config.mention_margin)
        return SlotTable(list(slots.values()), self.whitener, gate, self.model.device)

    def _slots(self, live: Sequence[Record]) -> dict[str, ReadySlot]:
        """The slot of each subject that has live edits."""
        by_subject: dict[str, list[Record]] = defaultdict(list)
        for record in live:
            by_subject[record.subject or record.id].append(record)
        return {subject: self._slot(records) for subject, records in sorted(by_subject.items())}

    def _slot(self, records: Sequence[Record]) -> ReadySlot:
        from agentmem_wise.slots import ReadySlot, Slot

        latest = {record.relation: record for record in records}
        wanted = _name(r.derived_from[0] if r.derived_from else r.id for r in latest.values())
        if wanted in self._held:
            return self._held[wanted]
        for record in reversed(records):
            if wanted in record.blobs:
                slot = Slot.from_bytes(self.context.blobs.read(record.blobs[wanted]))
                break
        else:
            slot = self._recomputed(wanted, [self._wish_of(record) for record in latest.values()])
        self._held[wanted] = ReadySlot.of(slot, self.whitener, self.model.dtype)
        return self._held[wanted]

    @cached_property
    def _held(self) -> dict[str, ReadySlot]:
        return {}

    def _recomputed(self, name: str, group: Sequence[Wish]) -> Slot:
        """The slot of edits that were never computed together, from the cache when it was needed before."""
        from agentmem_wise.slots import Slot

        digest = hashlib.sha256(f"{self.model.fingerprint}{name}{self.config.model_dump_json()}".encode()).hexdigest()
        path = self.cache / f"slot-{digest[:24]}.safetensors"
        if path.is_file():
            return Slot.from_bytes(path.read_bytes())
        (slot,) = self._optimised([group])
        if not self.context.readonly:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".part")
            draft.write_bytes(slot.to_bytes())
            draft.replace(path)
        return slot

    def trial(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> Trial:
        """The standing edits with these in place of theirs."""
        from agentmem_wise.slots import ReadySlot, Slot

        namespace = wishes[0].request.namespace
        slots = dict(self._slots(self.mountable(namespace))) if self.config.router == "key" else {}
        for wish, blob in zip(wishes, blobs, strict=True):
            for data in blob.values():
                slots[wish.subject] = ReadySlot.of(Slot.from_bytes(data), self.whitener, self.model.dtype)

        def put_on() -> Callable[[], None]:
            layers = self.model.structure.layers
            if self.config.router == "activation":
                return self._side([*self.mountable(namespace)], extra=wishes).attach(layers[self.side_layer].down)
            return self._table(slots).attach(layers[self.layer].down.module)

        return self.tried_on(put_on)

    # ---- the activation router

    @property
    def side_layer(self) -> int:
        """The layer of the side memory: mid to late, as in the paper."""
        chosen = self.config.side_layer
        return chosen if chosen is not None else max(self.layer, (2 * len(self.model.structure)) // 3)

    def _side(self, live: Sequence[Record], extra: Sequence[Wish] = ()) -> SideMemory:
        """The side memory over these edits; a shard is trained again only when its own edits changed."""
        from agentmem_wise.activation import side_memory, trained_shard

        told = {record.derived_from[0] if record.derived_from else record.id: record for record in live}
        wishes = [self._wish_of(record) for record in live]
        wishes += [wish for wish in extra if wish.edit_id not in told]
        size, shards = self.config.shard, {}
        for index, start in enumerate(range(0, len(wishes), size)):
            part = wishes[start : start + size]
            name = f"{index}-{_name_of(part)}"
            if name not in self._shards:
                with self._timed("compute"):
                    self._shards[name] = trained_shard(
                        self.model, self.side_layer, part, self.config, self.texts, index
                    )
            shards[name] = self._shards[name]
        self._shards = shards  # each is as large as the layer's matrix: no more than stand are kept
        return side_memory(list(shards.values()), self.config)


def _name_of(group: Sequence[Wish]) -> str:
    return _name(wish.edit_id or wish.prompts[0] for wish in group)


def _name(ids: Any) -> str:
    """The name of a slot's blob: which facts it covers, in any order."""
    return "slot-" + hashlib.sha256("\0".join(sorted(ids)).encode()).hexdigest()[:16]
