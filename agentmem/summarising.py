"""Makes the summaries of sessions: asks the chat model, checks what it says, writes it down or says why not.

A summary derives from all turns that the model read, not only from those that its sentences name: it may have used any
of them, so whatever becomes of one takes the summary along. A model that fails, hangs or costs too much costs the
summary and nothing else; what was not done stays due.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial

from agentmem import summaries
from agentmem.believing import SUMMARY, day_of, since_of
from agentmem.budget import HomeBudget, NoLedger, TurnBudget, charged_to
from agentmem.contract import ChatModel
from agentmem.deadline import Call, Overdue
from agentmem.errors import AgentmemError, BadInput, Missing, ModelError, Refused
from agentmem.home import Home
from agentmem.journal.transaction import Transaction
from agentmem.models.protocol import as_streaming
from agentmem.policy import REFUSED, outlived
from agentmem.records import Draft, Namespace, Receipt, Record, Status, Trust
from agentmem.sessions import Key, Part, Session, look, settings_of
from agentmem.summaries import MADE, RESTS, Told
from agentmem.trace import KIND as TRACE

Stop = Callable[[], bool]
_AGENT = "agent"
_POLL_S = 0.05
_LEAVE_S = 5.0


def _never() -> bool:
    return False


def model_of(home: Home) -> ChatModel:
    """The chat model that makes summaries; Missing when there is none that can."""
    if home.chat is None:
        raise Missing("no chat model is set, and summaries need one: --model openai:NAME with base_url, PROVIDER:NAME")
    if not as_streaming(home.chat).extracts_facts:
        raise Missing(f"the chat model {home.chat.name} is too small to write summaries; choose another one (--model)")
    return home.chat


def summarise(home: Home, namespace: Namespace = (), *, session: str | None = None) -> list[Receipt]:
    """Summarise what is due in a scope, or one session, because a person asks; one receipt for each summary.

    Raises Missing without a chat model that can, Refused when nothing may be written, and what the model raises when
    nothing came of it; what was not done stays due.
    """
    if home.readonly:
        raise Refused("this home is open read-only; open it without readonly to write summaries")
    model_of(home)
    found = list(look(home, namespace, session=session))
    if session is not None and not found:
        raise BadInput(f"no session '{session}' has turns in this namespace; 'agentmem summarise --why' lists them")
    receipts, fault = _make(home, found, home.settings.budget.seconds)
    if fault is not None:
        if not receipts:
            raise fault
        receipts[-1] = replace(receipts[-1], notes=(*receipts[-1].notes, f"the rest is still due: {fault}"))
    return receipts


def summarise_ended(
    home: Home, over: Collection[Key] = (), *, seconds: float | None = None, stop: Stop = _never
) -> list[Receipt]:
    """Summarise sessions that are over though nobody asks: a few, and only such as this model has answered itself.

    ``over``: sessions that have just ended. Never raises for what a model does: that is emitted as a fault.
    """
    receipts: list[Receipt] = []
    fault: AgentmemError | None = None
    try:
        wanted = settings_of(home)
        if home.readonly or home.chat is None or not wanted.enabled or not as_streaming(home.chat).extracts_facts:
            return []
        limit = home.settings.budget.seconds if seconds is None else seconds
        receipts, fault = _make(home, look(home, over=over), limit, most=wanted.at_once, stop=stop)
    except AgentmemError as error:
        fault = error
    if fault is not None and not stop():
        home.emit("fault", {"memory": "summaries", "error": str(fault)})
    return receipts


class Summariser:
    """Summarises sessions that are over on a thread of its own, one run at a time; `close` it before the home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ended = threading.Event()
        self._lock = threading.Lock()  # whoever starts a run and whoever closes may be two threads
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self, over: Collection[Key] = ()) -> None:
        """Begin a run, unless one is under way: what that leaves is still due at the next."""
        if self._home.chat is None or self._home.readonly:
            return
        with self._lock:
            if self._closing or (self._thread is not None and self._thread.is_alive()):
                return
            run = partial(summarise_ended, self._home, over, stop=self._ended.is_set)
            self._thread = threading.Thread(target=run, name="agentmem-summaries", daemon=True)
            self._thread.start()

    def close(self, over: Collection[Key] = ()) -> None:
        """Let the run that is under way end, then summarise what ends now, within ``summaries.seconds``.

        Nothing is written after this returns.
        """
        ends_at = time.monotonic() + (self._patience() if over else 0.0)
        with self._lock:
            self._closing = True
        if self._thread is not None:
            self._thread.join(max(0.0, ends_at - time.monotonic()) if over else 0.0)
            self._ended.set()
            self._thread.join(_LEAVE_S)
        self._ended.set()
        if over and (left := ends_at - time.monotonic()) > 0:
            summarise_ended(self._home, over, seconds=left)

    def _patience(self) -> float:
        try:
            return settings_of(self._home).seconds
        except BadInput:  # told by whoever makes a summary
            return 0.0


def _make(
    home: Home, found: Iterable[Session], seconds: float, *, most: int | None = None, stop: Stop = _never
) -> tuple[list[Receipt], AgentmemError | None]:
    """The receipts of what was made, and what ended it early."""
    ledger = home.budget.ledger if isinstance(home.budget, HomeBudget) else NoLedger()
    deadline = _Deadline(seconds, stop)
    receipts: list[Receipt] = []
    made = 0
    try:
        with charged_to(TurnBudget(home.settings.budget, ledger)) as spent:
            for session in found:
                if session.stale:
                    receipts.append(_archive(home, session.stale))
                for part in session.due:
                    if made == most:
                        return receipts, None
                    spent.check()
                    home.emit("summarising", {"session": part.key[2], "turns": len(part.turns)})
                    receipts.append(_summarise(home, part, deadline))
                    made += 1
    except AgentmemError as error:
        return receipts, error
    return receipts, None


class _Deadline:
    """What is left of some seconds, and whether somebody wants it ended before."""

    def __init__(self, seconds: float, stop: Stop) -> None:
        self._seconds, self._stop = seconds, stop
        self._ends_at = time.monotonic() + seconds

    def wait(self, call: Call[str]) -> str:
        """What the call returns; ModelError when it does not come in time. Its thread is left behind then."""
        while True:
            try:
                return call.result(_POLL_S)
            except Overdue:
                if self._stop():
                    raise ModelError("the home is being closed") from None
                if time.monotonic() >= self._ends_at:
                    raise ModelError(f"the chat model took longer than {self._seconds:.3g} seconds") from None
            except AgentmemError:
                raise
            except Exception as error:  # whatever a model's client raises costs the summary alone
                raise ModelError(f"the chat model failed: {type(error).__name__}: {error}") from error


def _summarise(home: Home, part: Part, deadline: _Deadline) -> Receipt:
    """Ask, check, write."""
    chat, most = model_of(home), settings_of(home).sentences
    ask = partial(summaries.ask, chat, part.turns, most=most, fence=uuid.uuid4().hex[:8])
    reply = deadline.wait(Call(ask, "summary"))
    told = _holding(home, summaries.read(reply, part.turns, most=most))
    ids = tuple(turn.id for turn in part.turns)
    namespace, thread, session = part.key
    place = Draft(
        body="",
        namespace=namespace,
        thread=thread or None,
        session=session,
        derived_from=ids,
        trust=Trust.AGENT,
        attributes={MADE: {"version": summaries.VERSION, "model": chat.name}},
    )
    with home.journal.transaction("derive", actor=_AGENT) as tx:
        if _changed(tx, part.turns):
            tx.notes.append("the session changed while it was summarised; it is due again")
            return tx.receipt()
        if told.sentences and (record_id := _free_id(tx, part.turns)):
            tx.add(_summary(place, told, part.turns), record_id=record_id)
            for old in part.stale:
                _set_aside(tx, old, cause=record_id)
        if told.refused or not told.sentences:
            tx.add(_trace(place, told))
        tx.notes += [f"not kept: {reason}" + (f" ('{text[:80]}')" if text else "") for reason, text in told.refused]
    return tx.receipt()


def _holding(home: Home, told: Told) -> Told:
    """Without the sentences that repeat what was replaced or retracted by now."""
    over = outlived(home.journal.records, [(one.text, one.turns) for one in told.sentences])
    kept = tuple(one for one, ended in zip(told.sentences, over, strict=True) if not ended)
    ended = tuple(("it no longer holds", one.text) for one in told.sentences if one not in kept)
    return Told(kept, (*told.refused, *ended))


def _summary(place: Draft, told: Told, turns: Sequence[Record]) -> Draft:
    times = [since_of(turn) for turn in turns]
    days = list(dict.fromkeys(day_of(at) for at in (min(times), max(times))))
    more = {RESTS: [list(one.turns) for one in told.sentences], "title": " to ".join(days)}
    return replace(
        place,
        body=" ".join(one.text for one in told.sentences),
        kind=SUMMARY,
        valid_from=min(times),
        valid_to=max(times),
        attributes={**place.attributes, **more},
    )


def _trace(place: Draft, told: Told) -> Draft:
    """What was not kept, without its words; with it the part counts as tried."""
    reasons = [reason for reason, _ in told.refused]
    body = json.dumps({"kept": len(told.sentences), "refused": reasons})
    attributes = {**place.attributes, REFUSED: [{"reason": reason, "of": None} for reason in reasons]}
    return replace(place, body=body, kind=TRACE, attributes=attributes, memories=())


def _changed(tx: Transaction, turns: Sequence[Record]) -> bool:
    """Whether a turn is not what the model was shown any more."""
    rows = tx.rows([turn.id for turn in turns])
    return any(
        (row := rows.get(turn.id)) is None or row.status != Status.ACTIVE.value or row.version_id != turn.version_id
        for turn in turns
    )


def _free_id(tx: Transaction, turns: Sequence[Record]) -> str | None:
    """The id of the summary of these turns, so that two who make it write it once; None when it is there."""
    name = "summary:" + ",".join(f"{turn.id}/{turn.version_id}" for turn in turns)
    record_id = uuid.uuid5(uuid.NAMESPACE_OID, name).hex
    row = tx.row(record_id)
    if row is None:
        return record_id
    return None if row.status == Status.ACTIVE.value else tx.new_id()  # one that was taken back stays so


def _archive(home: Home, stale: Sequence[str]) -> Receipt:
    with home.journal.transaction("derive", actor=_AGENT) as tx:
        for record_id in stale:
            _set_aside(tx, record_id)
    return tx.receipt()


def _set_aside(tx: Transaction, record_id: str, *, cause: str | None = None) -> None:
    row = tx.row(record_id)
    if row is not None and row.status == Status.ACTIVE.value:
        tx.set_status(record_id, "archive", cause=cause, reason="another summary covers its turns as they stand")
