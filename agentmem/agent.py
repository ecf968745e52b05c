"""The agent as its users hold it: one object with the verbs of memory and of conversation.

Verbs that write return a receipt; a receipt can be undone. What a verb does is told in the modules it calls: the
journal, the home with its memories, the loop.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agentmem import approvals, opening
from agentmem.contract import ChatModel, Clock, Embedder, LocalModel, Memory
from agentmem.dates import dated
from agentmem.errors import BadInput, Missing, NotFound
from agentmem.home import Home
from agentmem.journal.audit import Finding, audit
from agentmem.journal.transaction import PERSON
from agentmem.journal.transfer import export, import_, is_export
from agentmem.policy import restate, superseding
from agentmem.reading import Found, Reading
from agentmem.records import (
    Draft,
    EditRequest,
    Event,
    HistoryEntry,
    Hit,
    Namespace,
    Receipt,
    Record,
    Status,
    Trust,
)
from agentmem.settings import Settings, read_settings

if TYPE_CHECKING:
    from agentmem.acting import Ended
    from agentmem.conversation import Loop
    from agentmem.events import Answer
    from agentmem.events import Event as LoopEvent
    from agentmem.ingest import IngestReport
    from agentmem.listening import Heard

DEFAULT_HOME = "~/.agentmem"


class Agent:
    """An agent with a home. Open it with `Agent.open`; close it, or use it as a context manager."""

    def __init__(self, home: Home, *, namespace: Namespace = (), thread: str = "main") -> None:
        self.home = home
        self.namespace = namespace
        self.thread = thread
        self._reading = Reading(home)
        self._loop: Loop | None = None
        self._users = 1

    # ---- opening and closing

    @classmethod
    def open(
        cls,
        home: str | Path = DEFAULT_HOME,
        *,
        namespace: Sequence[str] | str = (),
        thread: str = "main",
        readonly: bool = False,
        settings: Sequence[str] = (),
        plugins: Mapping[str, type[Memory]] | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        embedder: Embedder | str | None = None,
        chat: ChatModel | None = None,
        local_model: LocalModel | str | None = None,
        **keywords: Any,
    ) -> Agent:
        """Open or create a home.

        ``keywords`` are settings (``model="extractive"``, ``memories=("chroma", "bm25")``, ``k=5``) or sections of
        memories (``hipporag={"mode": "hipporag2"}``); ``settings`` are assignments as in ``--set``. Given objects
        (``embedder``, ``chat``, ``local_model``, ``plugins``) take the place of what the settings name. A home that
        this process has open already is shared.
        """
        folder = Path(home).expanduser().resolve()
        with _OPEN_LOCK:
            shared = _OPEN.get(folder)
            if shared is not None and shared.home.readonly == readonly:
                shared._users += 1
                return _Shared(shared, namespace=_path(namespace), thread=thread)
            if isinstance(embedder, str):
                keywords["embedder"], embedder = embedder, None
            if isinstance(local_model, str):
                keywords["local_model"], local_model = local_model, None
            chosen = opening.completed(read_settings(folder, keywords, settings))
            budget = opening.budget(chosen, folder, clock, readonly=readonly)
            weights = local_model if local_model is not None else opening.local_model(chosen)
            opened = Home.open(
                folder,
                chosen,
                memories=plugins,
                clock=clock,
                seed=seed,
                embedder=embedder,
                chat=opening.chat_model(chosen, chat, weights, budget),
                local_model=weights,
                budget=budget,
                erasers=(opening.turn_eraser(folder),),
                readonly=readonly,
            )
            agent = cls(opened, namespace=_path(namespace), thread=thread)
            _OPEN[folder] = agent
            return agent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Bring the memories up to date and let go of the home (when the last one who shares it closes)."""
        with _OPEN_LOCK:
            self._users -= 1
            if self._users > 0:
                return
            _OPEN.pop(self.home.folder, None)
        if self._loop is not None:
            self._loop.close()
        self.home.close()

    @property
    def settings(self) -> Settings:
        return self.home.settings

    # ---- writing

    def remember(
        self,
        text: str,
        *,
        namespace: Sequence[str] | str | None = None,
        thread: str | None = None,
        session: str | None = None,
        speaker: str | None = None,
        at: float | None = None,
        kind: str = "fact",
        memories: Sequence[str] | None = None,
        subject: str | None = None,
        relation: str | None = None,
        object: str | None = None,
        supersedes: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
        trust: Trust = Trust.USER,
        actor: str = PERSON,
    ) -> Receipt:
        """Write one record down. ``at`` is world time (when it was said or became true), seconds since the epoch."""
        if not text.strip():
            raise BadInput("there is nothing to remember in an empty text")
        draft = Draft(
            body=text,
            kind=kind,
            namespace=self._scope(namespace),
            thread=thread,
            session=session,
            speaker=speaker,
            valid_from=at,
            memories=None if memories is None else tuple(memories),
            subject=subject,
            relation=relation,
            object=object,
            supersedes=tuple(self._id(i) for i in supersedes),
            attributes=dict(attributes or {}),
            trust=trust,
        )
        return self.remember_many([draft], verb="remember", actor=actor)

    def remember_many(self, drafts: Sequence[Draft], *, verb: str = "remember", actor: str = PERSON) -> Receipt:
        """Write many records in one transaction; memories then derive from them."""
        waits = approvals.must_ask(self.home, actor)
        status = Status.PENDING if waits else Status.ACTIVE
        now = self.home.clock.now()
        prepared = [dated(draft, now) for draft in drafts]
        if verb == "remember" and actor == PERSON:
            prepared = [superseding(self.home.journal.records, draft) for draft in prepared]
        receipt = self.home.write(prepared, verb=verb, actor=actor, status=status)
        if not waits:
            self._observe(receipt)
        return receipt

    def _observe(self, receipt: Receipt) -> None:
        self._demote(receipt)
        # What is derived lies where its event lies, so one event never holds records of two namespaces.
        events: dict[tuple[str, Namespace], list[Record]] = {}
        for record in self.home.journal.records.get_many(receipt.record_ids).values():
            if record.is_live:
                events.setdefault((record.kind, record.namespace), []).append(record)
        for (kind, namespace), records in events.items():
            self.home.observe(Event(kind=kind, records=tuple(records), namespace=namespace))

    def listen(
        self,
        pieces: Iterable[str],
        *,
        kind: str = "chunk",
        namespace: Sequence[str] | str | None = None,
        thread: str | None = None,
        session: str | None = None,
        speaker: str | None = None,
        at: float | None = None,
        trust: Trust = Trust.USER,
    ) -> Iterator[Heard]:
        """Read a text that arrives in pieces; yields each sentence with the notes that memories write on it at once.

        The text and its notes are written down when the pieces end, or when the caller stops.
        """
        from agentmem.listening import listen

        what = Draft(
            body="",
            kind=kind,
            namespace=self._scope(namespace),
            thread=thread,
            session=session,
            speaker=speaker,
            valid_from=at,
            trust=trust,
        )
        return listen(self.home, pieces, what, actor=PERSON)

    def ingest(
        self,
        paths: Sequence[str | Path] | str | Path,
        *,
        namespace: Sequence[str] | str | None = None,
        progress: Callable[..., None] | None = None,
    ) -> IngestReport:
        """Read files and folders into chunks; what was read before and has not changed is left alone."""
        from agentmem.ingesting import ingest

        given = [paths] if isinstance(paths, str | Path) else list(paths)
        return ingest(self.home, [Path(p) for p in given], namespace=self._scope(namespace), progress=progress)

    def correct(self, record_id: str, text: str, *, reason: str = "", actor: str = PERSON, **fields: Any) -> Receipt:
        """Give a record a new body; what memories derived from the old one is taken back and derived anew."""
        if not text.strip():
            raise BadInput("a record cannot be corrected to an empty text; retract it instead")
        record_id = self._id(record_id)
        if approvals.must_ask(self.home, actor):
            return approvals.propose(self.home, "correct", self.show(record_id), actor=actor, reason=reason, body=text)
        receipt = self.home.journal.correct(record_id, text, reason=reason, actor=actor, **fields)
        restate(self.home, [record_id])
        self._observe(receipt)
        return receipt

    def retract(self, record_id: str, *, reason: str = "", actor: str = PERSON) -> Receipt:
        """Say that a record is no longer true; its history stays."""
        return self._set("retract", record_id, reason, actor)

    def archive(self, record_id: str, *, reason: str = "", actor: str = PERSON) -> Receipt:
        """Forget a record reversibly."""
        return self._set("archive", record_id, reason, actor)

    def restore(self, record_id: str, *, reason: str = "", actor: str = PERSON) -> Receipt:
        """Bring an archived or retracted record back."""
        return self._set("restore", record_id, reason, actor)

    def _set(self, op: str, record_id: str, reason: str, actor: str) -> Receipt:
        record_id = self._id(record_id)
        if approvals.must_ask(self.home, actor):
            return approvals.propose(self.home, op, self.show(record_id), actor=actor, reason=reason)
        receipt = self.home.journal.set_status(record_id, op, reason=reason, actor=actor)
        self._demote(receipt)
        return receipt

    def purge(self, record_id: str | Sequence[str], *, sources: bool = False) -> Receipt:
        """Remove records physically, with what derives from them (and, with ``sources``, what they came from)."""
        ids = [record_id] if isinstance(record_id, str) else list(record_id)
        return self.home.purge([self._id(i) for i in ids], sources=sources)

    def purge_plan(self, record_id: str, *, sources: bool = False) -> list[Record]:
        """What a purge of this record would remove."""
        ids = self.home.journal.purge_plan([self._id(record_id)], sources=sources)
        return list(self.home.journal.records.get_many(ids).values())

    def undo(self, receipt: Receipt | str | None = None, *, cascade: bool = False) -> Receipt:
        """Take a transaction back: a receipt, its id, or None for the last one."""
        if receipt is None:
            last = [
                t
                for t in self.home.journal.records.transactions(limit=50)
                if t.verb not in ("derive", "turn", "answer")
            ]
            if not last:
                raise NotFound("there is nothing to undo yet")
            receipt = last[0].id
        receipt_id = receipt if isinstance(receipt, str) else receipt.id
        undone = self.home.journal.undo(self._receipt_id(receipt_id), cascade=cascade)
        restate(self.home, undone.record_ids)
        return undone

    # ---- approvals

    def pending(self, *, namespace: Sequence[str] | str | None = None) -> list[Record]:
        """Changes that wait for approval, oldest first; a record's id is the id of its change."""
        return approvals.waiting(self.home, self._scope(namespace))

    def approve(self, change_id: str) -> Receipt:
        """Let a pending change become active."""
        receipt = approvals.approve(self.home, self._id(change_id))
        self._observe(receipt)
        return receipt

    def refuse(self, change_id: str, *, reason: str = "") -> Receipt:
        """Drop a pending change."""
        return approvals.refuse(self.home, self._id(change_id), reason=reason)

    # ---- weights

    def edit(
        self,
        subject: str,
        prompt: str,
        target: str,
        *,
        memory: str = "wise",
        relation: str | None = None,
        paraphrases: Sequence[str] = (),
        preserve: Sequence[str] = (),
        locality: Sequence[str] = (),
        namespace: Sequence[str] | str | None = None,
        actor: str = PERSON,
    ) -> Receipt:
        """Put a fact into weights: the fact becomes a record, the edit derives from it. ``prompt`` holds ``{}``."""
        request = EditRequest(
            subject=subject,
            prompt=prompt,
            target=target,
            relation=relation,
            paraphrases=tuple(paraphrases),
            preserve=tuple(preserve),
            locality=tuple(locality),
            namespace=self._scope(namespace),
        )
        return self.edit_many([request], memory=memory, actor=actor)

    def edit_many(self, requests: Sequence[EditRequest], *, memory: str = "wise", actor: str = PERSON) -> Receipt:
        """Put many facts into weights in one transaction."""
        from agentmem.editing import edit

        asks = approvals.must_ask(self.home, actor) or actor != PERSON
        return edit(self.home, requests, memory=memory, actor=actor, ask=asks)

    def promote(self, *, memory: str | None = None, namespace: Sequence[str] | str | None = None) -> list[Receipt]:
        """Propose weight edits for facts that have earned a place in the weights; take off those that no longer hold.

        What is proposed is pending (`approve`, `refuse`) and derives from the text, which stays what is believed. The
        section ``[promotion]`` says what earns it; `agentmem.promotion.candidates` tells the reasons.
        """
        from agentmem.promotion import promote

        return promote(self.home, self._scope(namespace), memory=memory)

    def _demote(self, receipt: Receipt) -> None:
        if self.home.local_model is not None:
            from agentmem.promotion import demote

            demote(self.home, changed=receipt.record_ids)

    def flush_edits(self) -> list[Receipt]:
        """Compute the edits that are queued (also done before `complete`, `recall` and `ask`)."""
        from agentmem.editing import flush

        return flush(self.home)

    def complete(
        self,
        prompt: str | Sequence[str],
        *,
        base: bool = False,
        max_new_tokens: int = 32,
        namespace: Sequence[str] | str | None = None,
    ) -> str | list[str]:
        """The raw greedy continuation by the local model, with its edits mounted or, with ``base``, without."""
        model = self.home.local_model
        if model is None:
            raise Missing(
                "no local model is set; give local_model='demo' (or a folder with a Hugging Face model), "
                "--local-model on the command line"
            )
        if not base:
            self.flush_edits()
            self.home.views.usable()  # memories are made at first use, and a weight memory mounts its edits when made
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        out = model.generate(prompts, max_new_tokens=max_new_tokens, base=base, namespace=self._scope(namespace))
        return out[0] if isinstance(prompt, str) else out

    # ---- reading

    def recall(
        self,
        query: str,
        *,
        k: int | None = None,
        memory: str | Sequence[str] | None = None,
        namespace: Sequence[str] | str | None = None,
        as_of: float | None = None,
        filters: Mapping[str, Any] | None = None,
        vector: Any = None,
        readonly: bool = False,
    ) -> list[Hit]:
        """The records that answer, best first. ``memory`` None: routed to several and fused."""
        return list(
            self.search(
                query,
                k=k,
                memory=memory,
                namespace=namespace,
                as_of=as_of,
                filters=filters,
                vector=vector,
                readonly=readonly,
            ).hits
        )

    def search(self, query: str, *, namespace: Sequence[str] | str | None = None, **keywords: Any) -> Found:
        """Like `recall`, with the route, each memory's own answer and the time it took."""
        self.flush_edits()
        return self._reading.search(query, namespace=self._scope(namespace), **keywords)

    def records(
        self,
        *,
        namespace: Sequence[str] | str | None = None,
        kinds: Sequence[str] | None = None,
        statuses: Sequence[Status] = (Status.ACTIVE,),
        as_of: float | None = None,
        newest_first: bool = False,
        thread: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """All live records, in the order they were written."""
        return self.home.journal.records.find(
            namespace=self._scope(namespace),
            kinds=kinds,
            statuses=statuses,
            as_of=as_of,
            newest_first=newest_first,
            thread=thread,
            limit=limit,
        )

    def show(self, record_id: str, *, as_of: float | None = None) -> Record:
        """One record, whatever its status; ids may be shortened."""
        full = self._id(record_id)
        record = self.home.journal.records.get(full, as_of=as_of)
        if record is None:
            entry = self.home.journal.records.history(full)[-1]
            raise NotFound(f"record '{full}' is {entry.status.value}; nothing of it can be shown")
        return record

    def history(self, record_id: str) -> list[HistoryEntry]:
        """Every change of a record, oldest first."""
        return self.home.journal.records.history(self._id(record_id))

    def audit(self, *, namespace: Sequence[str] | str | None = None) -> list[Finding]:
        """Duplicates, contradictions, stale facts, what a memory set aside, damage."""
        return audit(self.home.journal, now=self.home.clock.now(), namespace=self._scope(namespace))

    # ---- the home as a whole

    def export(self, path: str | Path, *, log: bool = False) -> int:
        """Write the live state (or the whole log) as JSONL and blobs into a folder; returns the number of lines."""
        return export(self.home.journal, Path(path).expanduser(), log=log)

    def import_(
        self, path: str | Path, *, format: str | None = None, namespace: Sequence[str] | str | None = None
    ) -> Receipt:
        """Read an export of agentmem, or of the program that ``format`` names ("auto": whichever it comes from).

        A state and what another program exported are one transaction and can be undone; notes tell what was left out.
        What was read is indexed before this returns.
        """
        if format is not None and not (format == "auto" and is_export(Path(path).expanduser())):
            from agentmem.ingest import Splitter
            from agentmem.ingest.importers import open_import

            chosen = None if format == "auto" else format
            splitter = Splitter(self.home.embedder.count_tokens)
            taking = open_import(path, format=chosen, namespace=self._scope(namespace), splitter=splitter)
            receipt = self.remember_many(list(taking.drafts), verb="import")
            self.home.views.catch_up()  # a recall that had to index thousands first would be cut off
            return replace(receipt, notes=(*receipt.notes, *taking.report.table().splitlines()))
        receipt = import_(self.home.journal, Path(path).expanduser())
        self.home.views.catch_up()
        return receipt

    def backup(self, path: str | Path) -> None:
        """A consistent copy of the home's journal, blobs and settings, made while it is in use."""
        self.home.journal.backup(Path(path).expanduser())

    def reindex(
        self, memories: Iterable[str] | None = None, *, progress: Callable[[str, int, int], None] | None = None
    ) -> dict[str, int]:
        """Build memories again from the journal; returns how many records each holds now."""
        self.home.require_owner("reindex")
        out = {}
        for name in list(memories) if memories is not None else self.home.views.names():
            report = None if progress is None else (lambda done, total, name=name: progress(name, done, total))
            out[name] = self.home.views[name].rebuild(report)
        return out

    # ---- conversation

    @property
    def loop(self) -> Loop:
        if self._loop is None:
            from agentmem.conversation import Loop

            self._loop = Loop(self)
        return self._loop

    @property
    def graph(self) -> Any:
        """The compiled LangGraph graph, to embed in one's own; in the agent's namespace unless told another."""
        graph = self.loop.graph
        return graph.with_config(configurable={"namespace": list(self.namespace)}) if self.namespace else graph

    def ask(self, text: str, **keywords: Any) -> Answer:
        """Answer from the memories, with citations, and write the exchange down."""
        return self.loop.ask(text, **self._turn(keywords))

    def stream(self, text: str, **keywords: Any) -> Iterator[LoopEvent]:
        """Like `ask`, as events: what was asked, what came, tokens, what was written."""
        return self.loop.stream(text, **self._turn(keywords))

    def act(
        self,
        task: str = "",
        *,
        tools: Sequence[Any] = (),
        environment: Any = None,
        name: str | None = None,
        model: Any = None,
        limits: Any = None,
        namespace: Sequence[str] | str | None = None,
    ) -> Ended:
        """Let a model call LangChain tools, or move in an environment, until it is done or a limit ends it.

        Every step is a record; the same ``name`` goes on with that run, also after the process was killed. ``model``
        is a LangChain chat model or a function from messages to a reply; by default the agent's own.
        """
        from agentmem.acting_model import act

        return act(
            self,
            task,
            tools=tools,
            environment=environment,
            name=name or self.home.new_id(),
            model=model,
            limits=limits,
            namespace=self._scope(namespace),
        )

    async def aask(self, text: str, **keywords: Any) -> Answer:
        """The async twin of `ask`; cancelling the task cancels the turn."""
        return await self.loop.aask(text, **self._turn(keywords))

    def astream(self, text: str, **keywords: Any) -> AsyncIterator[LoopEvent]:
        """The async twin of `stream`."""
        return self.loop.astream(text, **self._turn(keywords))

    def cancel(self, thread: str | None = None) -> int:
        """Stop the turn that runs on the thread; what was said so far is kept."""
        return self.loop.cancel(thread or self.thread)

    def resume(self, thread: str | None = None, *, discard: bool = False) -> Answer | None:
        """Finish a turn that was cut off (its process died), or discard it."""
        return self.loop.resume(thread or self.thread, discard=discard)

    def _turn(self, keywords: dict[str, Any]) -> dict[str, Any]:
        keywords["namespace"] = self._scope(keywords.get("namespace"))
        keywords["thread"] = keywords.get("thread") or self.thread
        return keywords

    # ---- small things

    def _scope(self, namespace: Sequence[str] | str | None) -> Namespace:
        return self.namespace if namespace is None else _path(namespace)

    def _id(self, record_id: str) -> str:
        return record_id if len(record_id) == 32 else self.home.journal.records.resolve(record_id)

    def _receipt_id(self, receipt_id: str) -> str:
        if len(receipt_id) == 32:
            return receipt_id
        found = [t.id for t in self.home.journal.records.transactions(limit=10_000) if t.id.startswith(receipt_id)]
        if len(found) != 1:
            what = "no receipt" if not found else f"{len(found)} receipts"
            raise NotFound(f"{what} begin(s) with '{receipt_id}'; 'agentmem history' lists the last ones")
        return str(found[0])


class _Shared(Agent):
    """Another handle on an agent that this process has open, with a namespace and thread of its own."""

    def __init__(self, first: Agent, *, namespace: Namespace, thread: str) -> None:
        super().__init__(first.home, namespace=namespace, thread=thread)
        self._first = first
        self._closed = False

    @property
    def loop(self) -> Loop:
        return self._first.loop

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._first.close()


_OPEN: dict[Path, Agent] = {}  # homes that this process has open: a second open shares the first
_OPEN_LOCK = threading.RLock()


def _path(namespace: Sequence[str] | str) -> Namespace:
    """("a", "b") and "a/b" are the same namespace."""
    parts = namespace.split("/") if isinstance(namespace, str) else list(namespace)
    return tuple(part for part in parts if part)
