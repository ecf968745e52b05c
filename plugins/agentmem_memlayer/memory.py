"""The memory `memlayer`: speaks the contract; what a layer is and how rows are written is in `layer` and `writing`.

An edit's blob is what it adds to the bare table when its subject has no other edit. Edits of one subject change one
state, so their rows are computed jointly, when they are first used together, and kept in the memory's folder. The table
that is mounted is the sum over the live subjects in journal order: any edit can be taken back, in any order, as if it
had never been.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from agentmem.contract import Capability
from agentmem.records import Change, CheckLine, Hit, Namespace, Query, Recall, Record
from agentmem_lm.edits import EditMemory, Trial, request_of
from agentmem_lm.mounting import ORDER_LAYER
from agentmem_memlayer.config import MemlayerConfig

if TYPE_CHECKING:
    from torch import Tensor

    from agentmem_lm.model import CausalModel
    from agentmem_lm.requests import Wish
    from agentmem_memlayer.layer import Addressing, Rows, Shape
    from agentmem_memlayer.writing import RowDelta

_ANSWER_TOKENS = 8  # of the base's answers, to tell whether two prompts ask for the same


@dataclass(frozen=True)
class _Edit:
    """One edit that is to be mounted: its rows where it is alone with its subject, its wish where it is not."""

    subject: str
    rows: RowDelta
    wish: Callable[[], Wish]


class MemlayerMemory(EditMemory):
    """Facts in the rows of a product-key memory layer behind one layer of the local model."""

    name = "memlayer"
    capabilities = Capability.NEEDS_LOCAL_MODEL
    Config: ClassVar[type[MemlayerConfig]] = MemlayerConfig
    mount_order: ClassVar[int] = ORDER_LAYER
    config: MemlayerConfig

    def __init__(self, context: Any, config: Any = None) -> None:
        self._mounted_last: tuple[Hashable, dict[str, RowDelta]] | None = None
        super().__init__(context, config)

    # ---- computing

    def compute(self, wishes: Sequence[Wish], standing: Sequence[Record]) -> list[dict[str, bytes]]:
        """Each wish's rows, against the bare table: what else is live does not enter."""
        found: list[RowDelta] = []
        for start in range(0, len(wishes), self.config.together):
            found += self._computed([[wish] for wish in wishes[start : start + self.config.together]])
        return [{self.blob_name: rows.to_bytes()} for rows in found]

    def _computed(self, groups: Sequence[Sequence[Wish]]) -> list[RowDelta]:
        """The rows of each group of wishes about one subject."""
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
        shifts = optimise(self.model, self.layer, groups, settings)
        return [spread(addressing, shift.states.cpu(), shift.delta, config.rows) for shift in shifts]

    @cached_property
    def addressing(self) -> Addressing:
        """How states of this model find their slots; fitted at the first use, then kept in the memory's folder."""
        from agentmem_memlayer.background import fitted

        folder = None if self.context.readonly else self.cache
        return fitted(
            self.model, self.layer, self._shape, lambda: self.texts, self.config.seed, self._addressing_name, folder
        )

    @cached_property
    def blob_name(self) -> str:
        """Rows mean nothing but to the addressing that they were computed with, so its name is part of theirs."""
        return f"rows-{self._addressing_name[:16]}"

    @cached_property
    def _addressing_name(self) -> str:
        """A hash of all that the addressing is made from."""
        given = Path(self.config.background).expanduser().read_bytes() if self.config.background else b""
        parts = [self.model.fingerprint, str(self.layer), str(self._shape), str(self.config.seed)]
        return hashlib.sha256("\0".join(parts).encode() + given).hexdigest()

    @property
    def _shape(self) -> Shape:
        from agentmem_memlayer.layer import Shape

        c = self.config
        return Shape(c.heads, c.n_keys, c.d_key, c.top_k, c.temperature)

    # ---- several edits of one subject

    def _by_subject(self, edits: Sequence[_Edit]) -> dict[str, RowDelta]:
        """The rows of each subject."""
        groups: dict[str, list[_Edit]] = defaultdict(list)
        for edit in edits:
            groups[edit.subject].append(edit)
        return {
            subject: group[0].rows if len(group) == 1 else self._joint([edit.wish() for edit in group])
            for subject, group in groups.items()
        }

    def _joint(self, wishes: Sequence[Wish]) -> RowDelta:
        """The rows of several wishes about one subject; from the folder when they were needed before."""
        from agentmem_memlayer.writing import RowDelta

        ordered = sorted(self._agreeing(wishes), key=lambda wish: (wish.prompts, wish.target))  # a set has no order
        said = [(wish.subject, wish.target, wish.prompts, wish.preserve) for wish in ordered]
        parts = f"{self.blob_name}{self.config.model_dump_json()}{said}"
        name = hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
        if name not in self._held:
            path = self.cache / f"joint-{name[:24]}.safetensors"
            if path.is_file():
                self._held[name] = RowDelta.from_bytes(path.read_bytes())
            else:
                (self._held[name],) = self._computed([ordered])
                if not self.context.readonly:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    draft = path.with_suffix(".part")
                    draft.write_bytes(self._held[name].to_bytes())
                    draft.replace(path)
        return self._held[name]

    def _agreeing(self, wishes: Sequence[Wish]) -> list[Wish]:
        """The wishes without prompts to preserve that ask for what another of them changes.

        Those are its own wordings, and prompts which the base answers as it answers the other's.
        """
        own = {prompt for wish in wishes for prompt in wish.prompts}
        asked = list(dict.fromkeys(prompt for wish in wishes for prompt in wish.preserve if prompt not in own))
        prompts = [*asked, *(wish.prompts[0] for wish in wishes)]
        said = self.model.generate(prompts, max_new_tokens=_ANSWER_TOKENS, stop=("\n", "."), base=True)
        changed = {text.strip() for text in said[len(asked) :]}
        free = {prompt for prompt, text in zip(asked, said, strict=False) if text.strip() not in changed}
        return [replace(wish, preserve=tuple(p for p in wish.preserve if p in free)) for wish in wishes]

    def _edits(self, live: Sequence[Record]) -> list[_Edit]:
        latest = {(record.subject, record.relation): record for record in live}
        return [_Edit(r.subject or r.id, self._delta(r), partial(self._wish_of, r)) for r in latest.values()]

    def _wish_of(self, record: Record) -> Wish:
        parent = record.derived_from[0] if record.derived_from else record.id
        return self.wish(replace(request_of(record), record_id=parent))

    def _delta(self, record: Record) -> RowDelta:
        from agentmem_memlayer.writing import RowDelta

        digest = record.blobs[self.blob_name]
        if digest not in self._held:
            self._held[digest] = RowDelta.from_bytes(self.context.blobs.read(digest))
        return self._held[digest]

    @cached_property
    def _held(self) -> dict[str, RowDelta]:
        return {}

    def erase(self) -> None:
        """Forget what is held and what was computed jointly: it came of the records that were purged."""
        self._held.clear()
        self._mounted_last = None
        for path in self.cache.glob("joint-*.safetensors"):
            path.unlink()

    def apply(self, changes: Sequence[Change]) -> None:
        super().apply(changes)
        self._mounted_last = None

    def _mounted(self, namespace: Namespace, as_of: float | None) -> dict[str, RowDelta]:
        """The rows of each subject with live edits there; kept until others are live."""
        live = self.mountable(namespace, as_of)
        key = tuple((record.id, record.version_id) for record in live)
        if self._mounted_last is None or self._mounted_last[0] != key:
            self._mounted_last = (key, self._by_subject(self._edits(live)))
        return self._mounted_last[1]

    # ---- mounting

    def mountable(self, namespace: Namespace, as_of: float | None = None) -> tuple[Record, ...]:
        """Those of the live edits that were computed on this base model and with this addressing."""
        return tuple(r for r in super().mountable(namespace, as_of) if self.blob_name in r.blobs)

    def mount_key(self, namespace: Namespace, as_of: float | None) -> Hashable | None:
        """The live edits; what they still lack is computed here, where the model is free to run."""
        key = super().mount_key(namespace, as_of)
        if key is not None and self._mounted(namespace, as_of):
            _ = self.addressing
        return key

    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        return self._attach(model, self._mounted(namespace, as_of))

    def trial(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> Trial:
        """The live rows and these on the bare base: other methods' edits are not this one's doing."""
        from agentmem_memlayer.writing import RowDelta

        namespace = wishes[0].request.namespace if wishes else ()
        edits = self._edits(self.beside(wishes, self.mountable(namespace)))
        for wish, blob in zip(wishes, blobs, strict=True):
            edits.append(_Edit(wish.subject, RowDelta.from_bytes(blob[self.blob_name]), partial(_itself, wish)))

        return self.tried_on(lambda: self._attach(self.model, self._by_subject(edits)))

    def _attach(self, model: CausalModel, by_subject: dict[str, RowDelta]) -> Callable[[], None]:
        from agentmem_memlayer.attach import attach

        if not by_subject:
            return lambda: None
        rows = self._table(list(by_subject.values())).to(model.device)
        addressing = self.addressing.to(model.device)
        return attach(model.structure.layers[self.layer].module, addressing, rows, self.config.gate)

    def _table(self, deltas: Sequence[RowDelta]) -> Rows:
        from agentmem_memlayer.writing import written

        return written(deltas, self.addressing.shape.n_slots, self.model.structure.d_model)

    # ---- reading

    def recall(self, query: Query) -> Recall:
        """The edits whose rows the question reads, by how much of a token's attention falls on them."""
        records = [r for r in self.mountable(query.namespace, query.as_of) if query.admits(r)]
        if not records or not query.text.strip():
            return Recall(abstain="no edit is live here", signals={"scope": 0.0})
        from agentmem_memlayer.answering import Answering

        tokens, weights, slots = self._read(query.text)
        mounted = self._mounted(query.namespace, query.as_of)
        hits, scope = [], 0.0
        for record in records:
            answering = Answering.of(weights, slots, mounted[record.subject or record.id].slots)
            scope = max(scope, answering.share)
            if answering.share < self.config.gate:
                continue
            token = self.model.decode([tokens[answering.token]]).strip()
            rows = ", ".join(str(slot) for slot in answering.slots)
            why = f"{answering.share:.0%} of the attention of {token!r} is on its rows, most of it on {rows}"
            path = (record.subject or "", *(f"row {slot}" for slot in answering.slots))
            own = Answering.of(weights, slots, self._delta(record).slots).share  # which of a subject's edits
            hits.append((own, Hit(record, answering.share, why=why, path=path)))
        if not hits:
            return Recall(abstain="the question reads no written row", signals={"scope": scope})
        ranked = [hit for _, hit in sorted(hits, key=lambda item: (-item[1].score, -item[0], item[1].record_id))]
        return Recall(hits=tuple(ranked[: query.k]), signals={"scope": scope})

    def _read(self, text: str) -> tuple[list[int], Tensor, Tensor]:
        """(tokens, and for each of them its weights and its slots, (n, heads * top_k))."""
        from agentmem_memlayer.background import states_of

        tokens = self.model.encode(text)[-self.model.max_tokens :]
        weights, slots = self.addressing.address(states_of(self.model, self.layer, [tokens])[0].float().cpu())
        return tokens, weights, slots

    def check(self) -> Sequence[CheckLine]:
        """How many edits are live, and what the lookup runs on."""
        from agentmem_cuda import status

        found = status()
        lines = list(super().check())
        if self.context.local_model is not None:
            strange = len(super().mountable(())) - len(self.mountable(()))
            if strange:
                text = f"memlayer: {strange} edits were computed with other settings of the layer and are not mounted"
                lines.append(CheckLine("warning", text, "set heads, n_keys, d_key and seed back, or edit again"))
        if found.path == "torch":
            remedy = "python -m agentmem_cuda build says what is missing"
            lines.append(CheckLine("note", f"memlayer: lookups run in plain torch: {found.reason}", remedy))
        elif found.path == "native":
            lines.append(CheckLine("ok", f"memlayer: native lookups ({found.cpu_level})"))
        return lines


def _itself(wish: Wish) -> Wish:
    return wish
