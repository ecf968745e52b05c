"""The memory `memlayer`: speaks the contract; what a layer is and how rows are written is in `layer` and `writing`.

An edit's blob is what it adds to the bare table. The table that is mounted is the sum of the live blobs in journal
order, so any of them can be taken back, in any order, as if it had never been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from agentmem.contract import Capability
from agentmem.records import CheckLine, Hit, Namespace, Query, Recall, Record
from agentmem_lm.edits import EditMemory
from agentmem_lm.mounting import ORDER_LAYER
from agentmem_memlayer.config import MemlayerConfig

if TYPE_CHECKING:
    from agentmem_lm.model import CausalModel
    from agentmem_lm.requests import Wish
    from agentmem_memlayer.layer import Addressing, Rows
    from agentmem_memlayer.writing import RowDelta

_BLOB = "rows"


class MemlayerMemory(EditMemory):
    """Facts in the rows of a product-key memory layer behind one layer of the local model."""

    name = "memlayer"
    capabilities = Capability.NEEDS_LOCAL_MODEL
    Config: ClassVar[type[MemlayerConfig]] = MemlayerConfig
    mount_order: ClassVar[int] = ORDER_LAYER
    config: MemlayerConfig

    # ---- computing

    def compute(self, wishes: Sequence[Wish], standing: Sequence[Record]) -> list[dict[str, bytes]]:
        """Each wish's rows, against the bare table: what else is live does not enter."""
        from agentmem_lm.shifts import ShiftSettings, optimise
        from agentmem_memlayer.writing import spread

        config, addressing = self.config, self.addressing
        settings = ShiftSettings(
            steps=config.steps,
            rate=config.rate,
            preserve_weight=config.preserve_weight,
            enough=config.enough,
            still=config.still,
            decays=config.decays,
        )
        blobs = []
        for start in range(0, len(wishes), config.together):
            part = wishes[start : start + config.together]
            for shift in optimise(self.model, self.layer, [[wish] for wish in part], settings):
                blobs.append({_BLOB: spread(addressing, shift.states.cpu(), shift.delta, config.rows).to_bytes()})
        return blobs

    @cached_property
    def addressing(self) -> Addressing:
        """How states of this model find their slots; fitted at the first edit, then kept in the memory's folder."""
        from agentmem_memlayer.background import fitted
        from agentmem_memlayer.layer import Shape

        c = self.config
        shape = Shape(c.heads, c.n_keys, c.d_key, c.top_k, c.temperature)
        folder = None if self.context.readonly else self.cache
        return fitted(self.model, self.layer, shape, self.texts, c.seed, folder)

    # ---- mounting

    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        return self._attach(model, [self._delta(record) for record in self.mountable(namespace, as_of)])

    def trial(
        self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]
    ) -> Callable[[], AbstractContextManager[Any]]:
        """The live rows and these on the bare base: other methods' edits are not this one's doing."""
        from agentmem_memlayer.writing import RowDelta

        fresh = [RowDelta.from_bytes(blob[_BLOB]) for blob in blobs]
        replaced = {(wish.subject, wish.request.relation or wish.request.prompt) for wish in wishes}
        namespace = wishes[0].request.namespace if wishes else ()
        standing = [r for r in self.mountable(namespace) if (r.subject, r.relation) not in replaced]

        @contextmanager
        def mounted() -> Iterator[None]:
            with self.model.bare():
                end = self._attach(self.model, [*(self._delta(record) for record in standing), *fresh])
                try:
                    with self.model.as_it_is():
                        yield
                finally:
                    end()

        return mounted

    def _attach(self, model: CausalModel, deltas: Sequence[RowDelta]) -> Callable[[], None]:
        from agentmem_memlayer.attach import attach

        if not deltas:
            return lambda: None
        addressing, rows = self.addressing.to(model.device), self._table(deltas).to(model.device)
        return attach(model.structure.layers[self.layer].module, addressing, rows, self.config.gate)

    def _table(self, deltas: Sequence[RowDelta]) -> Rows:
        from agentmem_memlayer.writing import written

        return written(deltas, self.addressing.shape.n_slots, self.model.structure.d_model)

    def _delta(self, record: Record) -> RowDelta:
        from agentmem_memlayer.writing import RowDelta

        digest = record.blobs[_BLOB]
        if digest not in self._held:
            self._held[digest] = RowDelta.from_bytes(self.context.blobs.read(digest))
        return self._held[digest]

    @cached_property
    def _held(self) -> dict[str, RowDelta]:
        return {}

    # ---- reading

    def recall(self, query: Query) -> Recall:
        """The edits whose rows the question reads, by how much of its attention falls on them."""
        records = [r for r in self.mountable(query.namespace, query.as_of) if query.admits(r)]
        if not records or not query.text.strip():
            return Recall(abstain="no edit is live here", signals={"scope": 0.0})
        shares = self._shares(query.text, [self._delta(record) for record in records])
        hits = [
            Hit(record, share, why=f"{share:.0%} of one token's attention is on its rows", path=(record.subject or "",))
            for record, share in zip(records, shares, strict=True)
            if share >= self.config.gate
        ]
        scope = max(shares)
        if not hits:
            return Recall(abstain="the question reads no written row", signals={"scope": scope})
        return Recall.best(hits, query.k, signals={"scope": scope})

    def _shares(self, text: str, deltas: Sequence[RowDelta]) -> list[float]:
        """For each edit the largest share of a token's attention that falls on its rows."""
        import torch

        from agentmem_memlayer.background import states_of

        tokens = self.model.encode(text)[-self.model.max_tokens :]
        states = states_of(self.model, self.layer, [tokens])[0].float().cpu()
        weights, slots = self.addressing.address(states)
        return [float((weights * torch.isin(slots, delta.slots)).sum(-1).max()) for delta in deltas]

    def check(self) -> Sequence[CheckLine]:
        """How many edits are live, and what the lookup runs on."""
        from agentmem_cuda import status

        found = status()
        lines = list(super().check())
        if found.path == "torch":
            remedy = "python -m agentmem_cuda build says what is missing"
            lines.append(CheckLine("note", f"memlayer: lookups run in plain torch: {found.reason}", remedy))
        elif found.path == "native":
            lines.append(CheckLine("ok", f"memlayer: native lookups ({found.cpu_level})"))
        return lines
