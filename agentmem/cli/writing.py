"""Commands that write: ingest, remember, correct, retract, archive, restore, purge, undo, approve, summarise …"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

from agentmem.cli.options import SHORT, Options, columns, moment, shortened
from agentmem.errors import BadInput
from agentmem.records import Receipt

Command = Callable[[str, str], argparse.ArgumentParser]


def register(command: Command) -> None:
    ingest = command("ingest", "Read files and folders; what has not changed since is left alone.")
    ingest.add_argument("paths", nargs="+", metavar="PATH")
    ingest.set_defaults(handler=_ingest)

    remember = command("remember", "Write a fact down ('-' reads it from standard input).")
    remember.add_argument("text", nargs="+")
    remember.add_argument("--at", metavar="DATE", help="when it was said or became true")
    remember.add_argument("--kind", default="fact")
    remember.add_argument("--speaker")
    remember.add_argument("--session")
    remember.add_argument("--only", action="append", metavar="MEMORY", help="hold it in this memory only")
    remember.set_defaults(handler=_remember)

    correct = command("correct", "Give a record a new text; the old one stays in its history.")
    correct.add_argument("id")
    correct.add_argument("text", nargs="+")
    correct.add_argument("--reason", default="")
    correct.set_defaults(handler=_correct)

    for verb, summary in (
        ("retract", "Say that a record is no longer true; its history stays."),
        ("archive", "Forget a record reversibly."),
        ("restore", "Bring an archived or retracted record back."),
    ):
        sub = command(verb, summary)
        sub.add_argument("id")
        sub.add_argument("--reason", default="")
        sub.set_defaults(handler=partial(_set, verb))

    purge = command("purge", "Remove a record and what derives from it physically; this cannot be undone.")
    purge.add_argument("id")
    purge.add_argument("--sources", action="store_true", help="also what it was derived from")
    purge.add_argument("--yes", action="store_true", help="do not ask")
    purge.set_defaults(handler=_purge)

    undo = command("undo", "Take a receipt back (the last one, if none is given).")
    undo.add_argument("receipt", nargs="?")
    undo.add_argument("--cascade", action="store_true", help="also the later changes that stand in the way")
    undo.set_defaults(handler=_undo)

    approve = command("approve", "Let a pending change become active.")
    approve.add_argument("id")
    approve.set_defaults(handler=_approve)

    refuse = command("refuse", "Drop a pending change.")
    refuse.add_argument("id")
    refuse.add_argument("--reason", default="")
    refuse.set_defaults(handler=_refuse)

    summarise = command("summarise", "Have the chat model summarise the sessions that are due, or one.")
    summarise.add_argument("session", nargs="?", help="this one, however short it is")
    summarise.add_argument(
        "--why", action="store_true", help="only tell which sessions are due, and why others are not"
    )
    summarise.set_defaults(handler=_summarise)


def receipt_text(receipt: Receipt) -> str:
    """A receipt in a line, its notes below."""
    what = " ".join(i[:SHORT] for i in receipt.record_ids[:4]) + (" …" if len(receipt.record_ids) > 4 else "")
    count = len(receipt.record_ids)
    head = f"{receipt.verb}: {count} record{'s' if count != 1 else ''} {what}".rstrip()
    head += f"  (receipt {receipt.id[:SHORT]})" if receipt.id else ""
    lines = [head]
    if receipt.change_ids:
        lines.append(f"  waits for approval: agentmem approve {receipt.change_ids[0][:SHORT]}")
    for record_id, verdict in receipt.verdicts.items():
        figures = ", ".join(f"{k} {v:.2f}" for k, v in verdict.figures.items())
        said = "admitted" if verdict.accepted else f"not admitted: {verdict.reason}"
        lines.append(f"  {record_id[:SHORT]} {said}{f' ({figures})' if figures else ''}")
    lines += [f"  note: {note}" for note in receipt.notes]
    return "\n".join(lines)


def _ingest(options: Options, arguments: argparse.Namespace) -> int:
    from agentmem.cli.progress import Bar

    with options.open() as agent, Bar("reading", quiet=options.json) as bar:
        report = agent.ingest(arguments.paths, progress=bar.files)
        bar.close()
        with Bar("indexing", quiet=options.json) as indexing:
            for view in agent.home.views.usable():
                view.catch_up(indexing.records)
    options.print(report.to_json() if hasattr(report, "to_json") else report, report.table())
    return 0


def _remember(options: Options, arguments: argparse.Namespace) -> int:
    text = sys.stdin.read() if arguments.text == ["-"] else " ".join(arguments.text)
    at = None if arguments.at is None else moment(arguments.at)
    with options.open() as agent:
        receipt = agent.remember(
            text,
            at=at,
            kind=arguments.kind,
            speaker=arguments.speaker,
            session=arguments.session,
            memories=arguments.only,
        )
    options.print(receipt, receipt_text(receipt))
    return 0


def _correct(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        receipt = agent.correct(arguments.id, " ".join(arguments.text), reason=arguments.reason)
    options.print(receipt, receipt_text(receipt))
    return 0


def _set(verb: str, options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        receipt = getattr(agent, verb)(arguments.id, reason=arguments.reason)
    options.print(receipt, receipt_text(receipt))
    return 0


def _purge(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        plan = agent.purge_plan(arguments.id, sources=arguments.sources)
        if not arguments.yes:
            if options.json or not sys.stdin.isatty():
                raise BadInput("a purge cannot be undone; confirm it with --yes")
            for record in plan:
                print(f"  {record.id[:SHORT]} {record.kind}: {shortened(record.body)}")
            if input(f"Remove {len(plan)} record(s) for good? [y/N] ").strip().lower() not in ("y", "yes"):
                print("nothing was removed")
                return 1
        receipt = agent.purge(arguments.id, sources=arguments.sources)
    options.print(receipt, receipt_text(receipt))
    return 0


def _undo(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        receipt = agent.undo(arguments.receipt, cascade=arguments.cascade)
    options.print(receipt, receipt_text(receipt))
    return 0


def _approve(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        receipt = agent.approve(arguments.id)
    options.print(receipt, receipt_text(receipt))
    return 0


def _refuse(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        receipt = agent.refuse(arguments.id, reason=arguments.reason)
    options.print(receipt, receipt_text(receipt))
    return 0


def _summarise(options: Options, arguments: argparse.Namespace) -> int:
    from agentmem.sessions import look

    with options.open() as agent:
        if arguments.why:
            found = list(look(agent.home, agent.namespace, session=arguments.session))
            told = [(*one.key, one.turns, len(one.due), list(one.reasons)) for one in found]
            names = ("namespace", "thread", "session", "turns", "due", "reasons")
            rows = [
                (session, thread, "/".join(place), f"{turns} turns", "; ".join([*(["due"] if due else []), *reasons]))
                for place, thread, session, turns, due, reasons in told
            ]
            data = [dict(zip(names, one, strict=True)) for one in told]
            options.print(data, columns(rows) if rows else "no session has turns yet")
            return 0
        receipts = agent.summarise(arguments.session)
    nothing = "no session is due; 'agentmem summarise --why' tells why"
    options.print(receipts, "\n".join(receipt_text(receipt) for receipt in receipts) or nothing)
    return 0
