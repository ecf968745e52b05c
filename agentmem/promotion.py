"""Facts on their way into weights as a cache: which ones have earned it, how they get there, when they leave.

    text fact ──candidates──▶ pending ──approve──▶ admission by the memory ──▶ active ──the text changes──▶ taken off

The text record stays the source of truth: what is promoted is a fact that derives from it and asks for an edit, so that
history, approval and undo are those of any edit. Only the user's own lasting, impersonal statements qualify.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentmem.believing import Statement, disputes, outdated_edits, statements
from agentmem.claims import Claim, agree, same_matter
from agentmem.edit_queue import EDIT
from agentmem.edit_reading import prompt_of, wordings
from agentmem.editing import edit
from agentmem.errors import BadInput
from agentmem.home import Home
from agentmem.records import EditRequest, Namespace, Receipt, Record, Status, Trust
from agentmem.redact import redact
from agentmem.sentences import sentences
from agentmem.settings import explain

ROUTER = "router"
"""The actor of what is promoted and taken off."""

_PERSONAL = re.compile(
    r"\b(?:i|my|me|mine|we|our|us|lives?|born|birthday|married|wife|husband|partner|girlfriend|boyfriend|salary|address|"
    r"phone|e-?mail|password|account|doctor|dentist|diagnos\w*|allerg\w*|illness|pregnan\w*|religio\w*|votes?|home|age)\b",
    re.IGNORECASE,
)
_VOLATILE = re.compile(
    r"\b(?:now|currently|today|tomorrow|this (?:week|month|year)|until|at the moment|for now)\b", re.I
)


class PromotionSettings(BaseModel):
    """The section ``[promotion]`` of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    memory: str = Field(default="wise", description="which weights hold what is promoted")
    reads: int = Field(default=3, ge=0, description="how often the fact must have answered")
    sources: int = Field(default=2, ge=1, description="in how many sessions or documents it must have been stated")
    days: float = Field(default=7.0, ge=0, description="for how long it must have stood unchanged")
    at_once: int = Field(default=16, ge=1, description="how many are proposed at a time")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact that could be promoted, or the reasons why it cannot."""

    record: Record
    request: EditRequest | None
    reads: int
    sources: int
    reasons: tuple[str, ...] = field(default=())

    @property
    def qualifies(self) -> bool:
        return self.request is not None and not self.reasons


def settings_of(home: Home) -> PromotionSettings:
    try:
        return PromotionSettings.model_validate(home.settings.section("promotion"))
    except ValidationError as error:
        raise BadInput(f"in the section of 'promotion': {explain(error, PromotionSettings)}") from error


def candidates(home: Home, namespace: Namespace = ()) -> list[Candidate]:
    """Every one-claim statement of the namespace with what speaks for and against its promotion, most read first."""
    wanted = settings_of(home)
    home.journal.flush_touches()  # what answered since the last batch counts as well
    reader, now = home.journal.records, home.clock.now()
    live = list(reader.find(namespace=namespace, kinds=("fact", "turn", "note", "chunk")))
    cached = {i for r in _promoted(home, namespace, (Status.ACTIVE, Status.PENDING)) for i in r.derived_from}
    said = statements(r for r in live if not r.attributes.get(EDIT))
    disputed = {s.record.id for d in disputes(live, now) for s in (d.holds, d.lost)}
    reads = reader.touches([s.record.id for s in said])
    groups: dict[tuple[Namespace, str], list[Statement]] = {}
    for one in said:
        groups.setdefault((one.record.namespace, one.claim.subject), []).append(one)
    out = []
    for group in groups.values():
        for leader, agreeing in _matters(group):
            ids = {s.record.id for s in agreeing}
            count = sum(reads.get(i, (0, 0.0))[0] for i in ids)
            places = {_place(s.record) for s in agreeing if s.record.trust in (Trust.USER, Trust.DOCUMENT, Trust.TOOL)}
            reasons = list(_against(leader, now - wanted.days * 86_400))
            if ids & cached:
                reasons.append("it is promoted already")
            if ids & disputed:
                reasons.append("another statement contradicts it")
            if count < wanted.reads:
                reasons.append(f"it answered {count} time(s), {wanted.reads} are needed")
            if len(places) < wanted.sources:
                reasons.append(f"it was stated in {len(places)} place(s), {wanted.sources} are needed")
            request = request_for(leader, [s.claim for s in group])
            out.append(Candidate(leader.record, request, count, len(places), tuple(reasons)))
    return sorted(out, key=lambda c: (not c.qualifies, -c.reads, -c.sources, c.record.created_seq))


def promote(home: Home, namespace: Namespace = (), *, memory: str | None = None) -> list[Receipt]:
    """Take off what no longer holds, then propose what has earned it: pending edits, for `approve` or `refuse`."""
    wanted = settings_of(home)
    receipts = demote(home, namespace)
    chosen = [c for c in candidates(home, namespace) if c.qualifies][: wanted.at_once]
    requests = [c.request for c in chosen if c.request is not None]
    if requests:
        receipts.append(edit(home, requests, memory=memory or wanted.memory, actor=ROUTER, ask=True))
    return receipts


def demote(home: Home, namespace: Namespace = (), *, changed: Iterable[str] | None = None) -> list[Receipt]:
    """Take promoted facts off whose text is gone, changed or contradicted, or whose edit was not admitted.

    ``changed``: look only at what was promoted from these records (cheap, after each write).
    """
    reader = home.journal.records
    if home.local_model is None or home.readonly:
        return []
    if changed is None:
        found = _promoted(home, namespace, (Status.ACTIVE, Status.PENDING))
        facts = list(reader.find(namespace=namespace, kinds=("fact", "turn")))
        contradicted = {d.lost.record.id: d for d in outdated_edits(facts, home.clock.now())}
    else:
        children = reader.get_many(sorted(reader.child_ids(list(changed))))
        standing = (Status.ACTIVE, Status.PENDING)
        found = [r for r in children.values() if r.attributes.get("promoted") and r.status in standing]
        contradicted = {}
    sources = reader.get_many([i for record in found for i in record.derived_from])
    receipts = []
    for record in found:
        source = sources.get(record.derived_from[0]) if record.derived_from else None
        why = ""
        if source is None or not source.is_live:
            why = f"its text is {'gone' if source is None else source.status.value}"
        elif source.version_id != record.attributes["promoted"]:
            why = "its text was corrected"
        elif record.id in contradicted:
            why = f"record {contradicted[record.id].holds.record.id[:12]} contradicts it"
        elif record.is_live and _was_refused(home, record):
            why = "its edit was not admitted"
        if why:
            op = "retract" if record.is_live else "refuse"
            receipts.append(home.journal.set_status(record.id, op, reason=why, actor=ROUTER))
    return receipts


def _promoted(home: Home, namespace: Namespace, statuses: Sequence[Status]) -> list[Record]:
    found = home.journal.records.find(namespace=namespace, kinds=("fact",), statuses=tuple(statuses))
    return [record for record in found if record.attributes.get("promoted")]


def _was_refused(home: Home, record: Record) -> bool:
    reader = home.journal.records
    edits = [r for r in reader.get_many(sorted(reader.child_ids([record.id]))).values() if r.kind == EDIT]
    return bool(edits) and all(r.status is Status.ARCHIVED for r in edits)


def _matters(group: Sequence[Statement]) -> list[tuple[Statement, list[Statement]]]:
    """Statements of one subject that say the same, each with the fact (or the oldest of them) that stands for all."""
    left = sorted(group, key=lambda s: (s.record.kind != "fact", s.record.created_seq))
    out = []
    while left:
        leader, *rest = left
        same = [s for s in rest if same_matter(leader.claim, s.claim) and agree(leader.claim.value, s.claim.value)]
        out.append((leader, [leader, *same]))
        taken = {id(s) for s in same}
        left = [s for s in rest if id(s) not in taken]
    return out


def _place(record: Record) -> str:
    """Where something was stated: its document, else its session or thread and day."""
    if record.sources:
        return record.sources[0].uri
    at = record.valid_from if record.valid_from is not None else record.recorded_at
    return f"{record.session or record.thread or ''}:{at // 86_400}"


def _against(leader: Statement, since: float) -> Iterable[str]:
    """What speaks against a statement whatever its use."""
    record, claim = leader.record, leader.claim
    if record.trust is not Trust.USER:
        yield f"only a {record.trust.value} says so"
    if _PERSONAL.search(record.body) or claim.subject.startswith((record.speaker or "user").casefold()):
        yield "it is personal"
    if redact(record.body).kinds:
        yield "it holds a secret"
    volatile = claim.over or claim.until or record.valid_to is not None or _VOLATILE.search(record.body)
    if volatile or claim.shape == "time":
        yield "it may not last"
    if record.updated_at > since:
        yield "it has not stood long enough"
    if len(sentences(record.body)) != 1:
        yield "it is more than one sentence"


def request_for(leader: Statement, others: Sequence[Claim]) -> EditRequest | None:
    """The statement as an edit of one hop: what stands before its value, with {} for the subject; None if it cannot."""
    record, claim = leader.record, leader.claim
    found = prompt_of(claim)
    if found is None:
        return None
    prompt, subject = found
    preserve = [p for other in others if not same_matter(other, claim) and (p := prompt_of(other)) is not None]
    return EditRequest(
        subject=subject,
        prompt=prompt,
        target=claim.value,
        relation=claim.relation,
        paraphrases=wordings(prompt),
        preserve=tuple(dict.fromkeys(text for text, _ in preserve))[:4],
        namespace=record.namespace,
        record_id=record.id,
    )
