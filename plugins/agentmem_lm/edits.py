"""What all memories of weight edits share: from events to admitted drafts, and which edits are live where.

A subclass brings its method: how edits are computed (`compute`), mounted (`mount_into`) and tried (`trial`). Every
edit is a record of kind "edit" that derives from the fact it puts into weights; its blob holds what was computed.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from agentmem.contract import Capability, Memory, MemoryConfig
from agentmem.errors import AgentmemError, Missing, Refused
from agentmem.records import (
    Change,
    CheckLine,
    Draft,
    EditRequest,
    Event,
    Hit,
    Namespace,
    Query,
    Recall,
    Record,
    Verdict,
)
from agentmem_lm.live import EDIT, live_edits
from agentmem_lm.requests import check, check_together, filled, look_alikes
from agentmem_lm.thresholds import Thresholds

if TYPE_CHECKING:
    from agentmem_lm.admission import ProbeSet
    from agentmem_lm.model import CausalModel
    from agentmem_lm.requests import Wish

Trial = Callable[[], AbstractContextManager[Any]]


class EditConfig(MemoryConfig):
    """Settings of every weight memory. ``layer`` None: found by the interchange test; ``background``: a file of texts,
    one a line, to take statistics from; ``most_per_subject``: facts of one subject share one place in the model."""

    layer: int | None = None
    background: str | None = None
    examine: bool = True
    most_per_subject: int = 8
    admission: Thresholds = Thresholds()


class EditMemory(Memory):
    """Base of the memories that edit the weights of the local model."""

    kinds = frozenset({EDIT})
    capabilities = Capability.NEEDS_LOCAL_MODEL
    Config: ClassVar[type[MemoryConfig]] = EditConfig
    mount_order: ClassVar[int] = 30

    def __init__(self, context: Any, config: Any = None) -> None:
        super().__init__(context, config)
        self.spent_s = {"compute": 0.0, "examine": 0.0}  # CPU seconds so far, for benchmarks
        self._live: dict[tuple[Namespace, float | None], tuple[int, tuple[Record, ...]]] = {}
        if context.local_model is not None:
            context.local_model.mount(self)

    # ---- the method, brought by subclasses

    @abstractmethod
    def compute(self, wishes: Sequence[Wish], standing: Sequence[Record]) -> list[dict[str, bytes]]:
        """The blobs of each wish, computed on the bare base; ``standing`` are the live edits around them."""

    @abstractmethod
    def trial(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> Trial:
        """A context in which the model has the standing edits and these mounted."""

    @abstractmethod
    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        """Mount the live edits; returns what takes them off, bit for bit."""

    def tried_on(self, put_on: Callable[[], Callable[[], None]]) -> Trial:
        """A trial on the bare base, since other memories' edits are not this one's doing.

        ``put_on`` mounts what is tried and returns what takes it off.
        """

        @contextmanager
        def mounted() -> Iterator[None]:
            with self.model.bare():
                off = put_on()
                try:
                    with self.model.as_it_is():
                        yield
                finally:
                    off()

        return mounted

    def beside(self, wishes: Sequence[Wish], among: Sequence[Record]) -> list[Record]:
        """Those of the edits that the wishes do not supersede: they go on standing beside them."""
        asked = {(wish.subject, wish.request.relation or wish.request.prompt) for wish in wishes}
        return [record for record in among if (record.subject, record.relation) not in asked]

    def room(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> tuple[str, list[Mapping[str, float]]]:
        """(why these do not fit beside the standing edits, or nothing; figures for each of them)."""
        return "", [{}] * len(wishes)

    def prepare(self) -> None:
        """Find out now what is needed once a model: the site, the probe set, statistics of ordinary text."""
        _ = self.layer, self.probes

    # ---- the contract

    def vet(self, requests: Sequence[EditRequest]) -> Sequence[str]:
        """Raise, before anything is written, for requests that no edit can come of; warnings for the others."""
        count = self.model.encode_end
        for request in requests:
            check(request.subject.strip(), request.target.strip(), request.prompt, lambda text: len(count(text)))
        check_together(requests)
        live = [r for namespace in {q.namespace for q in requests} for r in self.live(namespace)]
        names = [record.subject for record in live if record.subject]
        for subject in dict.fromkeys(request.subject for request in requests):
            told = {r.relation for r in live if r.subject == subject}
            told |= {q.relation or q.prompt for q in requests if q.subject == subject}
            most: int = self.config.most_per_subject  # type: ignore[attr-defined]
            if len(told) > most:
                raise Refused(
                    f"'{subject}' would have {len(told)} edits and {self.name} holds {most} of one subject at most "
                    f"({self.name}.most_per_subject): keep the fact as text (agentmem remember)"
                )
        return [
            f"'{subject}' looks like {', '.join(repr(name) for name in near)}, which has edits too: check the name"
            for subject in dict.fromkeys(request.subject for request in requests)
            if (near := look_alikes(subject, names))
        ]

    def close(self) -> None:
        """Take the edits off the model, which others may go on using."""
        held = self.context.local_model
        if held is not None:
            held.unmount(self)

    def observe(self, event: Event) -> Sequence[Draft]:
        """Edits for the requests of the event; computed, not yet admitted."""
        if event.kind != EDIT or not event.requests:
            return ()
        model = self.model
        wishes = [self.wish(request) for request in event.requests]
        standing = self.live(event.namespace)
        with self._timed("compute"):
            blobs = self.compute(wishes, standing)
        with self._timed("examine"):
            verdicts = self._examined(wishes, blobs)
        return [
            Draft(
                body=f"{wish.prompts[0]} {wish.target}",
                kind=EDIT,
                namespace=wish.request.namespace,
                subject=wish.subject,
                relation=wish.request.relation or wish.request.prompt,
                object=wish.target,
                derived_from=(wish.edit_id,) if wish.edit_id else (),
                blobs=blob,
                memories=(self.name,),
                attributes={
                    "memory": self.name,
                    "fingerprint": model.fingerprint,
                    "request": _plain(wish.request),
                    "admission": {
                        "accepted": verdict.accepted,
                        "reason": verdict.reason,
                        "figures": {name: round(value, 4) for name, value in verdict.figures.items()},
                    },
                },
            )
            for wish, blob, verdict in zip(wishes, blobs, verdicts, strict=True)
        ]

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        """Counts the CPU seconds of the block to a part; what it spends on another part inside is not its own."""
        started, before = time.process_time(), sum(self.spent_s.values())
        yield
        inside = sum(self.spent_s.values()) - before
        self.spent_s[part] += time.process_time() - started - inside

    def _examined(self, wishes: Sequence[Wish], blobs: Sequence[dict[str, bytes]]) -> list[Verdict]:
        """A verdict for each wish. When a batch as a whole changes too much, its halves are tried in order, so that of
        a batch as many are admitted as of the same edits one after another."""
        from agentmem_lm.admission import examine

        if not self.config.examine:  # type: ignore[attr-defined]
            return [Verdict(accepted=True)] * len(wishes)
        limits = self.config.admission  # type: ignore[attr-defined]
        beside_them = self._siblings(wishes)
        edited = [record.subject or "" for record in self.live(wishes[0].request.namespace)]
        probes = self.probes.without([*edited, *(wish.subject for wish in wishes)])
        verdicts: list[Verdict] = []
        good: list[int] = []
        left = [range(len(wishes))]
        while left:
            part = left.pop()
            beside = [*good, *part]
            trial = self.trial([wishes[i] for i in beside], [blobs[i] for i in beside])
            told = [wishes[i] for i in part]
            found = examine(self.model, told, trial, siblings=beside_them, probes=probes, limits=limits)
            full, figures = self.room([wishes[i] for i in beside], [blobs[i] for i in beside])
            if len(part) > 1 and (full or found[0].crowds(limits)):
                middle = len(part) // 2
                left += [part[middle:], part[:middle]]
                continue
            judged = [
                _with_room(examination.verdict(limits), full, more)
                for examination, more in zip(found, figures[len(good) :], strict=True)
            ]
            good += [i for i, verdict in zip(part, judged, strict=True) if verdict.accepted]
            verdicts += judged
        return verdicts

    def _siblings(self, wishes: Sequence[Wish]) -> dict[str, list[tuple[str, str]]]:
        """The (prompt, target) of standing edits of the same subjects, which must go on being said."""
        subjects = {wish.subject for wish in wishes}
        out: dict[str, list[tuple[str, str]]] = {}
        for record in self.beside(wishes, self.live(wishes[0].request.namespace)):
            if record.subject in subjects:
                request = request_of(record)
                prompt = filled(request.prompt, request.subject)
                out.setdefault(record.subject, []).append((prompt, request.target))
        return out

    def admit(self, draft: Draft) -> Verdict:
        """The verdict of the examination, made when the edit was computed."""
        kept = draft.attributes.get("admission")
        if not isinstance(kept, dict):
            return Verdict(accepted=True)
        return Verdict(accepted=kept["accepted"], reason=kept["reason"], figures=kept["figures"])

    def apply(self, changes: Sequence[Change]) -> None:
        """Nothing is kept: what is live is asked of the journal when the model is next used."""
        self._live.clear()

    def recall(self, query: Query) -> Recall:
        """The edits whose subject stands in the question: evidence that the model was told, and of what."""
        asked = query.text.casefold()
        hits = [
            Hit(record, 1.0, why=f"edited into the weights by {self.name}", path=(record.subject or "", self.name))
            for record in self.live(query.namespace, query.as_of)
            if record.subject and record.subject.casefold() in asked and query.admits(record)
        ]
        scope = 1.0 if hits else 0.0
        if not hits:
            return Recall(abstain="no edit is about anything named in the question", signals={"scope": scope})
        return Recall(hits=tuple(sorted(hits, key=lambda h: h.record_id)[: query.k]), signals={"scope": scope})

    def check(self) -> Sequence[CheckLine]:
        live = self.live(())
        if self.context.local_model is None:
            return [CheckLine("note", f"{self.name}: no local model is set", "--local-model demo")] if live else []
        lines = [CheckLine("ok", f"{self.name}: {len(live)} edits are live")]
        try:
            other = [r for r in live if r.attributes.get("fingerprint") != self.model.fingerprint] if live else []
        except AgentmemError as error:
            return [*lines, CheckLine("error", str(error))]
        if other:
            text = f"{self.name}: {len(other)} edits were computed on another base model and are not mounted"
            lines.append(CheckLine("warning", text, "use that model again, or edit anew"))
        return lines

    # ---- what is live

    def live(self, namespace: Namespace, as_of: float | None = None) -> tuple[Record, ...]:
        """The edits of this memory that are live in a namespace, in journal order."""
        head = self.context.records.head()
        kept = self._live.get((namespace, as_of))
        if kept is None or kept[0] != head:
            found = live_edits(self.context.records, namespace, as_of)
            kept = (head, tuple(r for r in found if r.attributes.get("memory") == self.name))
            self._live[(namespace, as_of)] = kept
        return kept[1]

    def mountable(self, namespace: Namespace, as_of: float | None = None) -> tuple[Record, ...]:
        """Those of the live edits that were computed on this base model."""
        live = self.live(namespace, as_of)
        if not live:
            return ()
        fingerprint = self.model.fingerprint
        return tuple(r for r in live if r.attributes.get("fingerprint") == fingerprint)

    def mount_key(self, namespace: Namespace, as_of: float | None) -> Hashable | None:
        """Which edits would be mounted."""
        live = self.live(namespace, as_of)
        return tuple((r.id, r.version_id) for r in live) or None

    # ---- the model

    @property
    def model(self) -> CausalModel:
        """The local model, loaded now; Missing when none is set."""
        held = self.context.local_model
        if held is None:
            raise Missing(f"'{self.name}' edits a local model and none is set; give --local-model demo, or a folder")
        return held.loaded() if hasattr(held, "loaded") else held  # type: ignore[return-value]

    @cached_property
    def texts(self) -> list[str]:
        """Ordinary text of the model's world."""
        from agentmem_lm.background import background_texts

        given: list[str] = []
        path = self.config.background  # type: ignore[attr-defined]
        if path:
            given = [line for line in Path(path).expanduser().read_text(encoding="utf-8").splitlines() if line.strip()]
        return background_texts(self.model, given)

    @cached_property
    def probes(self) -> ProbeSet:
        """The frozen probe set: what no edit may change."""
        from agentmem_lm.admission import probe_set

        return probe_set(self.model, self.texts)

    @cached_property
    def layer(self) -> int:
        """The layer whose output is edited at the subject; Refused when the model has no such site."""
        chosen: int | None = self.config.layer  # type: ignore[attr-defined]
        if chosen is not None:
            return chosen
        from agentmem_lm.command import demo_prompts
        from agentmem_lm.sites import find_sites

        asked = demo_prompts() if self.model.manners.world == "demo" else None
        return find_sites(self.model, asked, cache=self.cache).checked().best

    @property
    def cache(self) -> Path:
        """The memory's own folder: everything in it can be computed again."""
        return self.context.data_dir

    def wish(self, request: EditRequest) -> Wish:
        """The request made whole with what the journal knows of its subject."""
        from agentmem_lm.requests import wish_of

        edited = {record.derived_from[0] for record in self.live(request.namespace) if record.derived_from}
        others = []
        for record in self.context.records.find(namespace=request.namespace, kinds=("fact",), subject=request.subject):
            told = record.attributes.get(EDIT)
            if told and record.id != request.record_id and record.id not in edited:  # edited ones shall not stay
                others.append(told["prompt"])
        count = self.model.encode_end
        return wish_of(request, lambda text: len(count(text)), others=others, edit_id=request.record_id or "")


def request_of(record: Record) -> EditRequest:
    """The request that a live edit was computed from."""
    data = dict(record.attributes["request"])
    for name in ("paraphrases", "preserve", "locality", "namespace"):
        data[name] = tuple(data.get(name, ()))
    return EditRequest(**data)


def _with_room(verdict: Verdict, full: str, more: Mapping[str, float]) -> Verdict:
    return Verdict(
        accepted=verdict.accepted and not full, reason=full or verdict.reason, figures={**verdict.figures, **more}
    )


def _plain(request: EditRequest) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(json.dumps(asdict(request)))
    return kept
