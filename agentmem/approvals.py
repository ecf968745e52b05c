"""Changes that wait for a person: who must ask, what is proposed, what a yes or a no does.

A pending record is the change itself: its id is what `approve` and `refuse` take. A change of a record that exists
already (correct, retract, archive, restore) waits as a record of kind "proposal" whose attributes say which verb and
which record. The journal is the authority; whatever shows an approval (the loop's interrupt, the chat's panel) only
shows these records.
"""

from __future__ import annotations

from agentmem.errors import NotFound
from agentmem.home import Home
from agentmem.records import Draft, Namespace, Receipt, Record, Status

PROPOSAL = "proposal"


def must_ask(home: Home, actor: str) -> bool:
    """Whether a change by this actor waits; what is read from documents a person chose was asked for already."""
    return home.settings.approval == "ask" and actor != "document"


def propose(home: Home, op: str, target: Record, *, actor: str, reason: str, body: str = "") -> Receipt:
    """Write down that ``op`` should be done to the target, and wait."""
    draft = Draft(
        body=body or f"{op} '{target.body[:200]}'",
        kind=PROPOSAL,
        namespace=target.namespace,
        derived_from=(target.id,),
        attributes={"op": op, "target": target.id},
        memories=(),
    )
    return home.write([draft], verb=op, actor=actor, reason=reason, status=Status.PENDING)


def waiting(home: Home, namespace: Namespace) -> list[Record]:
    """What waits in the namespace, oldest first."""
    return list(home.journal.records.find(namespace=namespace, statuses=(Status.PENDING,)))


def approve(home: Home, change_id: str) -> Receipt:
    """Let a pending change become active; one transaction, which can be undone."""
    change = _pending(home, change_id)
    if change.kind != PROPOSAL:
        return home.journal.set_status(change.id, "approve")
    with home.journal.transaction("approve") as tx:
        op, target = change.attributes["op"], change.attributes["target"]
        if op == "correct":
            tx.correct(target, body=change.body)
        else:
            tx.set_status(target, op)
        tx.set_status(change.id, "archive")
    return tx.receipt()


def refuse(home: Home, change_id: str, *, reason: str = "") -> Receipt:
    """Drop a pending change; it stays in the history."""
    return home.journal.set_status(_pending(home, change_id).id, "refuse", reason=reason)


def _pending(home: Home, change_id: str) -> Record:
    record = home.journal.records.get(change_id)
    if record is None or record.status is not Status.PENDING:
        raise NotFound(f"no pending change '{change_id}'; 'agentmem pending' lists them")
    return record
