"""JSON lines of anybody: facts, notes and messages under the usual names. What cannot be placed is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agentmem.ingest.importers.reading import as_text, moment
from agentmem.ingest.importers.report import ImportReport
from agentmem.records import Draft, Namespace, Source, Trust

_TEXT = ("text", "body", "content", "memory", "message", "fact", "note")
_SPEAKER = ("speaker", "role", "author", "sender", "from")
_SESSION = ("session", "session_id", "conversation_id", "thread", "thread_id", "chat_id")
_TIME = ("at", "timestamp", "created_at", "date", "time", "valid_from")
_KINDS = frozenset({"fact", "note", "turn", "summary", "insight"})


def json_lines(path: Path, report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    """One record a line: an object with a text, or with ``messages`` as chat models are trained on, or a bare text."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):  # among them numbers of more digits than Python reads
                report.leave_out("not JSON", where)
                continue
            if isinstance(value, dict) and isinstance(value.get("messages"), list):
                session = _first(value, _SESSION) or where
                for message in value["messages"]:
                    yield from _record(message, where, report, namespace, session=session)
            else:
                yield from _record(value, where, report, namespace)


def _record(value: Any, where: str, report: ImportReport, namespace: Namespace, session: str = "") -> Iterator[Draft]:
    entry: Mapping[str, Any] = value if isinstance(value, dict) else {"text": value}
    text = _first(entry, _TEXT)
    if not text:
        report.leave_out(f"without a text under any of {', '.join(_TEXT)}", where)
        return
    speaker = _first(entry, _SPEAKER)
    if speaker in ("system", "tool", "function"):
        report.leave_out("said to or by a tool or the system", where)
        return
    kind = str(entry.get("kind") or ("turn" if speaker else "fact"))
    if kind not in _KINDS:
        report.leave_out(f"of the kind '{kind}', which only memories write", where)
        return
    session = session or _first(entry, _SESSION)
    report.kept[kind] += 1
    yield Draft(
        body=text,
        kind=kind,
        namespace=namespace,
        subject=_first(entry, ("subject",)) or None,
        relation=_first(entry, ("relation",)) or None,
        object=_first(entry, ("object",)) or None,
        thread=session or None,
        session=session or None,
        speaker=speaker or None,
        sources=(Source(where),),
        trust=Trust.AGENT if speaker in ("assistant", "ai", "bot") else Trust.USER,
        valid_from=next((at for name in _TIME if (at := moment(entry.get(name))) is not None), None),
        attributes={"imported": "jsonl", **({"title": title} if (title := _first(entry, ("title",))) else {})},
    )


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these fields that holds a text or a number."""
    return next((text for name in names if (text := as_text(entry.get(name)))), "")
