"""A home: one folder with its journal, its vectors and the memories that are views of it.

It writes events and lets memories derive from them, asks memories, and makes deletes physical. It knows no loop, no
router and no chat model; those come from above.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agentmem import registry
from agentmem.contract import (
    Budget,
    Capability,
    ChatModel,
    Clock,
    Context,
    Embedder,
    LocalModel,
    Memory,
    VectorStore,
)
from agentmem.deadline import Call, Overdue
from agentmem.edit_queue import EditQueue
from agentmem.erasing import erase
from agentmem.errors import BadInput, HomeBusy, PluginError
from agentmem.journal import Journal
from agentmem.journal.purge import PurgeJob
from agentmem.journal.transaction import PERSON
from agentmem.ownership import Ownership
from agentmem.records import (
    Draft,
    Event,
    Proposal,
    Query,
    Recall,
    Receipt,
    Status,
    Verdict,
)
from agentmem.settings import Settings, explain
from agentmem.views import Asked, View, Views

if TYPE_CHECKING:
    from agentmem.embed.vectors import KeptVectors

Eraser = Callable[[PurgeJob], Sequence[str]]
"""Frees what lies outside journal and memories (checkpoints); returns sentences about what it could not reach."""


class SystemClock:
    def now(self) -> float:
        return time.time()


class Home:
    """One home, opened by this process. Use `Home.open`; close it, or use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        clock: Clock,
        rng: random.Random,
        readonly: bool,
        memories: Mapping[str, type[Memory]] | None,
        embedder: Embedder | None,
        chat: ChatModel | None,
        local_model: LocalModel | None,
        budget: Budget | None = None,
        erasers: Sequence[Eraser] = (),
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.clock = clock
        self.readonly = readonly
        self.chat = chat
        self.local_model = local_model
        self.budget = budget
        self.watchers: list[Callable[[str, Mapping[str, Any]], None]] = []
        self.erasers: list[Eraser] = list(erasers)
        self._rng = rng
        self._given = memories
        self._embedder = embedder
        self._vectors: KeptVectors | None = None
        self.journal = Journal(
            folder,
            clock=clock,
            new_id=self.new_id,
            url=settings.journal_url,
            readonly=readonly,
            synchronous=settings.synchronous,
        )
        self.edit_queue = EditQueue(self.journal)
        self._ownership = Ownership(folder)
        self._taking = threading.RLock()
        self.is_owner = not readonly and self._ownership.take()
        self.views = self._make_views()

    @classmethod
    def open(
        cls,
        folder: Path | str,
        settings: Settings | None = None,
        *,
        memories: Mapping[str, type[Memory]] | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        embedder: Embedder | None = None,
        chat: ChatModel | None = None,
        local_model: LocalModel | None = None,
        budget: Budget | None = None,
        erasers: Sequence[Eraser] = (),
        readonly: bool = False,
    ) -> Home:
        """Open or create the home in ``folder``.

        ``memories`` (name -> class) takes the place of the installed ones; ``seed`` fixes ids and randomness.
        """
        from agentmem.settings import read_settings

        path = Path(folder).expanduser().resolve()
        if path.exists() and not path.is_dir():
            raise BadInput(f"{path} is a file; a home is a folder")
        home = cls(
            path,
            settings or read_settings(path),
            clock=clock or SystemClock(),
            rng=random.Random(seed),
            readonly=readonly,
            memories=memories,
            embedder=embedder,
            chat=chat,
            local_model=local_model,
            budget=budget,
            erasers=erasers,
        )
        if home.is_owner:
            for job in home.journal.open_jobs():
                erase(home, job, [])
        return home

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Bring every memory up to date, so that the next start is quick, and let go of everything."""
        if self.is_owner:
            self.views.catch_up()
        self.abandon()

    def abandon(self) -> None:
        """Let go of everything without bringing memories up to date (they catch up when opened again)."""
        self.views.close()
        if self._vectors is not None:
            self._vectors.close()
        self.journal.close()
        self._ownership.release()
        self.is_owner = False

    def new_id(self) -> str:
        return uuid.UUID(int=self._rng.getrandbits(128), version=4).hex

    def emit(self, kind: str, data: Mapping[str, Any]) -> None:
        for watcher in list(self.watchers):
            watcher(kind, data)

    # ---- memories

    def _make_views(self) -> Views:
        classes: dict[str, type[Memory]] = dict(self._given or {})
        faults: dict[str, str] = {}
        if self._given is None:
            classes, faults = registry.load_all("memories", self.settings.memories)
        pid = None if self.is_owner or self.readonly else self._ownership.owner()
        views = {}
        for name, cls in classes.items():
            shared = Capability.SHARED_READ in cls.capabilities
            blocked = pid if pid is not None and not shared else None
            folder = self.folder / "memories" / name
            views[name] = View(name, self._maker(name, cls, folder), folder, self.journal, pid=blocked)
        return Views(views, faults)

    def _maker(self, name: str, cls: type[Memory], folder: Path) -> Callable[[], Memory]:
        def make() -> Memory:
            try:
                config = cls.Config.model_validate(self.settings.section(name))
            except ValidationError as error:
                raise BadInput(f"in the section of '{name}': {explain(error, cls.Config)}") from error
            if self.is_owner:
                folder.mkdir(parents=True, exist_ok=True)
            memory = cls(self.context(name, cls, folder), config)
            if not hasattr(memory, "context"):
                raise PluginError(f"memory '{name}' does not call super().__init__(context, config)", name)
            memory.name = name  # type: ignore[misc]  # the entry point's name is the one people use
            return memory

        return make

    def context(self, name: str, cls: type[Memory], folder: Path) -> Context:
        """Everything the memory may touch."""
        needs = cls.capabilities
        embeds = Capability.NEEDS_EMBED in needs
        return Context(
            records=self.journal.records,
            blobs=self.journal.blobs,
            clock=self.clock,
            rng=random.Random(f"{name}:{self._rng.random()}"),
            new_id=self.new_id,
            data_dir=folder,
            embedder=self.embedder if embeds else None,
            vectors=self.vectors if embeds else None,
            chat=self.chat,
            local_model=self.local_model,
            budget=self.budget,
            readonly=self.readonly or not self.is_owner,
            emit=self.emit,
        )

    @property
    def embedder(self) -> Embedder:
        """The embedder of the settings; light until it is first used."""
        if self._embedder is None:
            from agentmem.embed import EmbedderOptions, load_embedder
            from agentmem.embed.cache import default_cache

            options = EmbedderOptions(base_url=self.settings.base_url, api_key_env=self.settings.api_key_env)
            self._embedder = load_embedder(self.settings.embedder, default_cache(), options)
        return self._embedder

    @property
    def vectors(self) -> VectorStore:
        return self.kept_vectors()

    def kept_vectors(self) -> KeptVectors:
        """The vectors of this home with what a purge needs of them; opened at first use."""
        if self._vectors is None:
            from agentmem.embed.vectors import KeptVectors

            readonly = self.readonly or not self.is_owner
            folder = self.folder / "vectors"
            self._vectors = KeptVectors(folder, self.embedder, self.journal.secret, readonly=readonly)
        return self._vectors

    def take_ownership(self) -> bool:
        """Own the views if the process that did is gone; True when this process owns them."""
        if self.is_owner or self.readonly:
            return self.is_owner
        with self._taking:
            if self.is_owner:
                return True
            if not self._ownership.take():
                self.views.note_owner(self._ownership.owner())
                return False
            self.is_owner = True
            read, self._vectors = self._vectors, None
            self.views.reopen()  # in place: other threads hold on to them
            if read is not None:
                read.close()
            for job in self.journal.open_jobs():
                erase(self, job, [])
        return True

    def require_owner(self, verb: str) -> None:
        if not self.take_ownership():
            pid = self._ownership.owner()
            raise HomeBusy(f"process {pid} holds {self.folder}; {verb} there, or close it first", pid)

    # ---- writing

    def write(
        self,
        drafts: Sequence[Draft],
        *,
        verb: str = "remember",
        actor: str = PERSON,
        reason: str = "",
        status: Status = Status.ACTIVE,
    ) -> Receipt:
        """Append raw records in one transaction; nothing is derived yet."""
        return self.journal.write(drafts, verb=verb, actor=actor, reason=reason, status=status)

    def observe(self, event: Event, *, timeout_s: float = 30.0, skip: Collection[str] = ()) -> list[Receipt]:
        """Let every memory derive from an event; each memory's derivations are one transaction of their own.

        ``skip`` names memories that have derived from it already (before a process died).
        """
        return self._derive("observe", event, timeout_s, skip)

    def feedback(self, event: Event, *, timeout_s: float = 30.0) -> list[Receipt]:
        """Tell every memory how an answer fared (``data``: what was cited, said of it); otherwise like `observe`."""
        return self._derive("feedback", event, timeout_s, ())

    def _derive(self, hook: str, event: Event, timeout_s: float, skip: Collection[str]) -> list[Receipt]:
        receipts: list[Receipt] = []
        if not self.settings.observe or self.readonly or not self.take_ownership():
            return receipts
        for view in self.views.usable():
            is_bare = getattr(type(view.memory), hook) is getattr(Memory, hook)
            if is_bare or view.is_hanging or view.name in skip:
                continue
            call = Call(partial(getattr(view.memory, hook), event), f"{hook}-{view.name}")
            try:
                proposals = call.result(timeout_s)
            except Overdue:
                self.emit("fault", {"memory": view.name, "error": f"{hook} took longer than {timeout_s:g} s"})
                continue
            except Exception as error:  # the core's call into a plugin
                self.emit("fault", {"memory": view.name, "error": f"{type(error).__name__}: {error}"})
                continue
            if proposals:
                receipts.append(self.propose(view.name, proposals))
        return receipts

    def propose(self, name: str, proposals: Iterable[Proposal]) -> Receipt:
        """Write what the memory ``name`` derived; drafts that it does not admit are kept as archived records."""
        memory = self.views[name].memory
        # judged before the write lock is taken: an admission may run a model
        judged = [(p, memory.admit(p) if isinstance(p, Draft) else Verdict(accepted=True)) for p in proposals]
        with self.journal.transaction("derive", actor=f"memory:{name}") as tx:
            for proposal, verdict in judged:
                if not isinstance(proposal, Draft):
                    tx.update(proposal)
                    continue
                status = Status.ACTIVE if verdict.accepted else Status.ARCHIVED
                record_id = tx.add(proposal, status=status)
                if not verdict.accepted or verdict.figures:
                    tx.verdicts[record_id] = verdict
                if not verdict.accepted:
                    tx.notes.append(f"{name} did not admit a {proposal.kind}: {verdict.reason}")
        return tx.receipt()

    def maintain(self, phase: str) -> list[Receipt]:
        """Give every memory a chance to tidy up ("turn", "session", "idle")."""
        receipts: list[Receipt] = []
        if self.readonly or not self.take_ownership():
            return receipts
        for view in self.views.usable():
            if type(view.memory).maintain is Memory.maintain or view.is_hanging:
                continue
            try:
                proposals = view.memory.maintain(phase)
            except Exception as error:  # the core's call into a plugin
                self.emit("fault", {"memory": view.name, "error": f"{type(error).__name__}: {error}"})
                continue
            if proposals:
                receipts.append(self.propose(view.name, proposals))
        return receipts

    # ---- reading

    def recall(self, query: Query, names: Sequence[str] | None = None) -> list[Recall]:
        """Ask memories at once; one Recall each, faults and abstentions included."""
        wanted = [view.name for view in self.views.usable()] if names is None else list(names)
        found = self.begin(query, wanted).all()
        return [found[name] for name in wanted]

    def begin(self, query: Query, names: Sequence[str]) -> Asked:
        """Begin to ask memories; their answers are taken as they come."""
        if not self.readonly:
            self.take_ownership()
        return self.views.begin(query, names, self.settings.recall_timeout_s)

    # ---- purge

    def purge(self, record_ids: Sequence[str], *, sources: bool = False) -> Receipt:
        """Remove records physically from the journal and from every memory; the receipt says what is out of reach."""
        self.require_owner("purge")
        plan = self.journal.purge_plan(record_ids, sources=sources)
        doomed = list(self.journal.records.get_many(plan).values())
        job = self.journal.purge(record_ids, sources=sources)
        notes = erase(self, job, doomed)
        return Receipt(id=job.id, verb="purge", at=self.clock.now(), record_ids=job.record_ids, notes=tuple(notes))

    # ---- edits and admission

    def verdicts(self, record_ids: Iterable[str]) -> dict[str, Verdict]:
        """The admission figures kept with records (weight edits), where there are any."""
        out = {}
        for record in self.journal.records.get_many(list(record_ids)).values():
            kept = record.attributes.get("admission")
            if isinstance(kept, dict):
                out[record.id] = Verdict(
                    accepted=bool(kept.get("accepted")),
                    reason=str(kept.get("reason", "")),
                    figures={k: float(v) for k, v in kept.get("figures", {}).items()},
                )
        return out
