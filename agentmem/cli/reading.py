"""Commands that read: ask, recall, records, show, history, audit, pending."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentmem.cli.options import SHORT, Options, clock_text, columns, moment, shortened
from agentmem.records import Record, Status
from agentmem.summaries import RESTS

Command = Callable[[str, str], argparse.ArgumentParser]


def register(command: Command) -> None:
    ask = command("ask", "Answer a question from the memories, with citations.")
    ask.add_argument("question", nargs="+")
    ask.add_argument("--incognito", action="store_true", help="write nothing of this turn down")
    ask.add_argument("--session", help="the session that this turn belongs to")
    ask.add_argument("--speaker", help="who asks")
    ask.set_defaults(handler=_ask)

    recall = command("recall", "The records that answer a question, without an answer.")
    recall.add_argument("query", nargs="+")
    recall.add_argument("-k", type=int, default=5, help="how many (default 5)")
    recall.add_argument("--memory", action="append", metavar="NAME", help="ask this memory only (may be repeated)")
    recall.add_argument("--kind", action="append", metavar="KIND", help="only records of this kind (may be repeated)")
    recall.add_argument("--as-of", metavar="DATE", help="as the memory stood at the end of that day, or at that time")
    recall.add_argument("--why", action="store_true", help="show which memories were asked, how they fared, and times")
    recall.set_defaults(handler=_recall)

    records = command("records", "List the live records.")
    records.add_argument("--kind", action="append", metavar="KIND")
    records.add_argument("--status", action="append", choices=[s.value for s in Status], help="default: active")
    records.add_argument("--as-of", metavar="DATE")
    records.add_argument("--limit", type=int, metavar="N", help="only the last N")
    records.set_defaults(handler=_records)

    show = command("show", "One record with everything that is known of it.")
    show.add_argument("id")
    show.set_defaults(handler=_show)

    history = command("history", "The changes of a record, or the last receipts.")
    history.add_argument("id", nargs="?")
    history.add_argument("--limit", type=int, default=20, metavar="N")
    history.set_defaults(handler=_history)

    pending = command("pending", "Changes that wait for approval.")
    pending.set_defaults(handler=_pending)

    audit = command("audit", "Duplicates, contradictions, stale facts, what a memory set aside.")
    audit.set_defaults(handler=_audit)


def _ask(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        answer = agent.ask(
            " ".join(arguments.question),
            incognito=arguments.incognito,
            session=arguments.session,
            speaker=arguments.speaker,
        )
        lines = [answer.text]
        for number, hit in enumerate(answer.citations, 1):
            lines.append(f"  [{number}] {hit.record.id[:SHORT]} {place_of(hit.record)}  ({hit.memory} {hit.score:.2f})")
        lines += [f"  note: {sentence}" for sentence in answer.notes]
        options.print(answer, "\n".join(lines))
    return 0


def _recall(options: Options, arguments: argparse.Namespace) -> int:
    as_of = None if arguments.as_of is None else moment(arguments.as_of, end_of_day=True)
    filters = {"kind": arguments.kind} if arguments.kind else None
    with options.open() as agent:
        found = agent.search(
            " ".join(arguments.query), k=arguments.k, memory=arguments.memory, as_of=as_of, filters=filters
        )
    rows = [
        (f"{hit.score:.3f}", hit.record.id[:SHORT], hit.memory, place_of(hit.record), shortened(hit.record.body))
        for hit in found.hits
    ]
    lines = [columns(rows) if rows else _nothing(found)]
    failed = [f"  {r.memory}: {r.error}" for r in found.recalls if r.error]
    if failed:
        lines += ["not answered:", *failed]
    if arguments.why:
        lines += ["", f"route: {found.route.reason}"]
        told = found.route.decision.get("p", {})
        lines += [f"  {key or 'nothing'}: {p:.2f}" for key, p in sorted(told.items(), key=lambda one: -one[1])]
        lines += [_looked(found.route.decision["gain"])] if "gain" in found.route.decision else []
        lines += [f"  note: {sentence}" for sentence in found.route.notes]
        lines += [f"  {name} not asked: {why}" for name, why in found.route.skipped.items()]
        lines += [
            f"  {r.memory}: {r.abstain or r.error or f'{len(r.hits)} hits'} in {r.ms:.1f} ms" for r in found.recalls
        ]
        lines.append("  " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in found.ms.items()))
    options.print(found, "\n".join(lines))
    return 0


def _looked(gain: Mapping[str, Any]) -> str:
    """What a look at a model told, in a line of numbers."""
    if "gain" not in gain:
        return f"  no model could be looked at ({gain.get('fault', gain['outcome'])})"
    alone, shown = (
        f"entropy {entropy:.3f}, confidence {sure:.2f}"
        for entropy, sure in zip(gain["entropy"], gain["confidence"], strict=True)
    )
    return f"  looked at {gain['model']}: alone {alone}; with what was recalled {shown}; gain {gain['gain']:+.3f}"


def _nothing(found: Any) -> str:
    reasons = {r.abstain for r in found.recalls if r.abstain}
    return "nothing found" + (f" ({'; '.join(sorted(reasons))})" if reasons else f" ({found.route.reason})")


def _records(options: Options, arguments: argparse.Namespace) -> int:
    statuses = [Status(s) for s in arguments.status or ("active",)]
    as_of = None if arguments.as_of is None else moment(arguments.as_of, end_of_day=True)
    with options.open() as agent:
        found = agent.records(
            kinds=arguments.kind,
            statuses=statuses,
            as_of=as_of,
            limit=arguments.limit,
            newest_first=arguments.limit is not None,
        )
        if options.json:
            for record in found:  # one object a line: a home may hold more than fits into memory
                options.print(record, "")
            return 0
        rows = [
            (r.id[:SHORT], r.kind, r.status.value, clock_text(r.recorded_at), place_of(r), shortened(r.body, 80))
            for r in found
        ]
    if arguments.limit is not None:
        rows.reverse()
    options.print(rows, columns(rows) if rows else "no records")
    return 0


def _show(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        record = agent.show(arguments.id)
        children = agent.home.journal.records.children(record.id)
        hits, last = agent.home.journal.records.touches([record.id]).get(record.id, (0, 0.0))
    fields: list[tuple[str, Any]] = [
        ("id", record.id),
        ("kind", f"{record.kind}, {record.status.value}, version {record.version}"),
        ("recorded", clock_text(record.recorded_at)),
        ("changed", clock_text(record.updated_at) if record.updated_at != record.recorded_at else None),
        ("namespace", "/".join(record.namespace)),
        ("thread", record.thread),
        ("session", record.session),
        ("speaker", record.speaker),
        ("fact", " | ".join(filter(None, (record.subject, record.relation, record.object)))),
        ("valid", _valid(record)),
        ("trust", record.trust.value),
        ("sources", ", ".join(s.uri for s in record.sources)),
        ("derived from", ", ".join(i[:SHORT] for i in record.derived_from)),
        ("led to", ", ".join(f"{c.id[:SHORT]} ({c.kind})" for c in children)),
        ("links", ", ".join(f"{link.relation} {link.target[:SHORT]}" for link in record.links)),
        *((f"sentence {n} from", ", ".join(i[:SHORT] for i in rests)) for n, rests in enumerate(_rests(record), 1)),
        ("attributes", ", ".join(f"{k}={v}" for k, v in record.attributes.items() if k != RESTS)),
        ("recalled", f"{hits} times, last {clock_text(last)}" if hits else None),
    ]
    text = columns([(name, str(value)) for name, value in fields if value])
    options.print({"record": record, "children": [c.id for c in children], "hits": hits}, f"{record.body}\n\n{text}")
    return 0


def _rests(record: Record) -> Sequence[Sequence[str]]:
    """The turns that each sentence of a summary rests on."""
    kept = record.attributes.get(RESTS)
    return kept if isinstance(kept, list) else ()


def _valid(record: Record) -> str | None:
    if record.valid_from is None and record.valid_to is None:
        return None
    start = "…" if record.valid_from is None else clock_text(record.valid_from)
    end = "…" if record.valid_to is None else clock_text(record.valid_to)
    return f"{start} to {end}"


def _history(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        if arguments.id:
            entries = agent.history(arguments.id)
            rows = [
                (
                    e.receipt_id[:SHORT],
                    clock_text(e.at),
                    e.op,
                    e.status.value,
                    e.actor,
                    shortened(e.body or "(purged)", 70),
                )
                for e in entries
            ]
            options.print(entries, columns(rows))
            return 0
        reader = agent.home.journal.records
        receipts = reader.transactions(limit=arguments.limit)
        touched = {t.id: reader.records_of(t.id) for t in receipts}
        bodies = reader.get_many([ids[0] for ids in touched.values() if ids])
    lines = []
    for t in reversed(receipts):
        ids = touched[t.id]
        body = bodies[ids[0]].body if ids and ids[0] in bodies else "(purged)"
        more = f" (+{len(ids) - 1} more)" if len(ids) > 1 else ""
        lines.append((t.id[:SHORT], clock_text(t.at), t.verb, t.actor, shortened(body, 70) + more))
    data = [{**dict(t._mapping), "record_ids": touched[t.id]} for t in receipts]
    options.print(data, columns(lines) if lines else "nothing has been written yet")
    return 0


def _pending(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        waiting = agent.pending()
    rows = [
        (r.id[:SHORT], clock_text(r.recorded_at), r.attributes.get("op", "add"), r.kind, shortened(r.body))
        for r in waiting
    ]
    options.print(waiting, columns(rows) if rows else "nothing waits for approval")
    return 0


def _audit(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        findings = agent.audit()
    rows = [(f.kind, " ".join(i[:SHORT] for i in f.record_ids[:3]), f.text) for f in findings]
    options.print(findings, columns(rows) if rows else "nothing to report")
    return 1 if any(f.kind == "damage" for f in findings) else 0


def place_of(record: Record) -> str:
    """Where a record comes from, in a few words."""
    if record.sources:
        source = record.sources[0]
        return source.uri if source.start is None else f"{source.uri}:{source.start}"
    said = record.speaker or record.kind
    return f"{said}@{record.session}" if record.session else said
