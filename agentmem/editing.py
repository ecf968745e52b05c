"""Facts on their way into weights: the fact is a record, the edit derives from it, the journal is the queue.

A fact whose attributes ask for an edit that no memory has derived yet is queued (`edit_queue`); nothing else keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentmem.contract import Capability
from agentmem.edit_queue import EDIT, target_of
from agentmem.errors import BadInput, Missing, PluginError
from agentmem.home import Home
from agentmem.records import Draft, EditRequest, Event, Receipt, Record, Status

_QUEUE_LIMIT = 64  # a queue of a batch memory is computed at this length at the latest


def edit(home: Home, requests: Sequence[EditRequest], *, memory: str, actor: str, ask: bool) -> Receipt:
    """Write the facts down and, unless they wait for approval or for a batch, compute their edits.

    A request with a ``record_id`` caches what that record says: its fact derives from the record and is found by none.
    """
    view = home.views[memory]  # an unknown name is refused before anything is written
    if home.local_model is None:
        raise Missing(f"'{memory}' edits a local model and none is set; give --local-model demo, or a model's folder")
    drafts = [_fact(home, request, memory) for request in requests]
    vet = getattr(view.memory, "vet", None)  # a memory may refuse a request, or warn, before the fact is written
    notes = list(vet(requests) or ()) if vet is not None else []
    fresh = []
    for draft in drafts:
        note, stands = _clash(home, draft, memory)
        notes += [note] if note else []
        fresh += [] if stands else [draft]
    status = Status.PENDING if ask else Status.ACTIVE
    receipt = home.write(fresh, verb="edit", actor=actor, status=status)
    receipt = replace(receipt, notes=(*receipt.notes, *notes))
    if ask or not fresh:
        return receipt
    if Capability.BATCH in view.memory.capabilities and len(home.edit_queue.waiting().get(memory, ())) < _QUEUE_LIMIT:
        note = f"queued for '{memory}'; computed before the next complete, recall or ask"
        return replace(receipt, notes=(*receipt.notes, note))
    verdicts: dict[str, Any] = {}
    notes = list(receipt.notes)
    for derived in flush(home, memory):
        verdicts |= derived.verdicts
        notes += derived.notes
    return replace(receipt, verdicts=verdicts, notes=tuple(notes))


def flush(home: Home, memory: str | None = None) -> list[Receipt]:
    """Compute the queued edits, one batch a memory and namespace."""
    if home.local_model is None or home.readonly or not home.take_ownership():
        return []
    receipts = []
    for name, records in home.edit_queue.waiting().items():
        if memory is not None and name != memory:
            continue
        for namespace in dict.fromkeys(record.namespace for record in records):
            receipts.append(_derived(home, name, [r for r in records if r.namespace == namespace]))
    return receipts


def _derived(home: Home, name: str, records: Sequence[Record]) -> Receipt:
    requests = tuple(request_of(record) for record in records)
    event = Event(kind=EDIT, records=tuple(records), requests=requests, namespace=records[0].namespace)
    proposals = home.views[name].memory.observe(event)
    if not proposals:
        raise PluginError(f"memory '{name}' took {len(requests)} edit request(s) and proposed nothing", name)
    return home.propose(name, proposals)


def request_of(record: Record) -> EditRequest:
    """The edit request that a fact carries."""
    wish: Mapping[str, Any] = record.attributes[EDIT]
    return EditRequest(
        subject=wish["subject"],
        prompt=wish["prompt"],
        target=target_of(record) or wish["target"],
        relation=record.relation,
        paraphrases=tuple(wish.get("paraphrases", ())),
        preserve=tuple(wish.get("preserve", ())),
        locality=tuple(wish.get("locality", ())),
        namespace=record.namespace,
        record_id=record.id,
    )


def _clash(home: Home, draft: Draft, memory: str) -> tuple[str, bool]:
    """(what is to be said of an older fact about the same, whether it already stands as asked)."""
    records = home.journal.records
    waiting = {record.id for record in home.edit_queue.waiting().get(memory, ())}
    for older in records.get_many(draft.supersedes).values():
        name = f"'{older.body}' ({older.id[:12]})"
        if older.object != draft.object:
            return f"this contradicts {name}, which it supersedes", False
        made = any(c.kind == EDIT and c.attributes.get("memory") == memory for c in records.children(older.id))
        if made or older.id in waiting:
            return f"{name} stands already in '{memory}'; nothing was changed", True
    return "", False


def _fact(home: Home, request: EditRequest, memory: str) -> Draft:
    subject, target = request.subject.strip(), request.target.strip()
    if not subject or not target:
        raise BadInput("an edit needs a subject and a target; give both as texts")
    if "{}" not in request.prompt and subject not in request.prompt:
        raise BadInput(f"the prompt {request.prompt!r} names no subject; put {{}} where '{subject}' stands")
    prompt = request.prompt if "{}" in request.prompt else request.prompt.replace(subject, "{}", 1)
    relation = request.relation or prompt
    older = [
        record
        for record in home.journal.records.find(namespace=request.namespace, kinds=("fact",), subject=subject)
        if record.relation == relation and record.namespace == request.namespace
    ]
    wish = {"memory": memory, "subject": subject, "prompt": prompt, "target": target}
    lists = {"paraphrases": request.paraphrases, "preserve": request.preserve, "locality": request.locality}
    body = f"{prompt.replace('{}', subject).rstrip()} {target}"
    source = None if request.record_id is None else home.journal.records.get(request.record_id)
    cached = {} if source is None else {"promoted": source.version_id}  # the text stays what is found and believed
    return Draft(
        body=body if body.endswith((".", "?", "!")) else f"{body}.",
        namespace=request.namespace,
        subject=subject,
        relation=relation,
        object=target,
        derived_from=() if source is None else (source.id,),
        supersedes=tuple(record.id for record in older if source is None or record.attributes.get(EDIT)),
        attributes={EDIT: {**wish, **{name: list(texts) for name, texts in lists.items() if texts}}, **cached},
        memories=None if source is None else (),
    )
