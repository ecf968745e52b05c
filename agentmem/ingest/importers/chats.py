"""Conversations exported from ChatGPT and Claude, as turns in their order. Knows their formats, no journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agentmem.ingest.importers.reading import as_list, as_object, as_text, elements, moment, opened, storable
from agentmem.ingest.importers.report import ImportReport
from agentmem.records import Draft, Namespace, Source, Trust

CONVERSATIONS = r"conversations(?:-\d+)?\.json"

_ROLES = {"user": "user", "human": "user", "assistant": "assistant"}
_INNER = frozenset({"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"})


def chatgpt(path: Path, report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    """The visible branch of every conversation; what was regenerated away, hidden or said by tools is left out."""
    with opened(path, CONVERSATIONS) as files:
        for name, stream in files:
            for conversation in elements(stream, name):
                if not isinstance(conversation, dict) or not isinstance(conversation.get("mapping"), dict):
                    report.leave_out("no conversation of ChatGPT", name)
                    continue
                yield from _chatgpt_turns(conversation, report, namespace)


def _chatgpt_turns(conversation: Mapping[str, Any], report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    mapping: dict[str, Any] = conversation["mapping"]
    thread = _name(conversation, "conversation_id", "id", "create_time")
    branch = _branch(mapping, conversation.get("current_node"))
    on_branch = set(branch)
    for key, node in mapping.items():
        if key not in on_branch and _message(node):
            report.leave_out("an answer or question that was replaced", f"{thread}/{key}")
    for key in branch:
        message = _message(mapping[key])
        if not message:
            continue
        where = f"{thread}/{as_text(message.get('id')) or storable(key)}"
        role = _ROLES.get(as_text(as_object(message.get("author")).get("role")))
        content = as_object(message.get("content"))
        metadata = as_object(message.get("metadata"))
        text = _parts(content)
        recipient = message.get("recipient") or "all"
        if role is None or recipient != "all":
            report.leave_out("said to or by a tool or the system", where)
        elif metadata.get("is_visually_hidden_from_conversation") or as_text(content.get("content_type")) in _INNER:
            report.leave_out("hidden in the conversation", where)
        elif not text:
            report.leave_out("without text (a picture, a recording, a file)", where)
        else:
            at = moment(message.get("create_time")) or moment(conversation.get("create_time"))
            extra = {"model": as_text(metadata.get("model_slug"))}
            yield _turn("chatgpt", thread, where, role, text, at, conversation.get("title"), extra, report, namespace)


def _branch(mapping: Mapping[str, Any], current: Any) -> list[str]:
    """The nodes from the root to the one last shown; without it, to the last child at every fork."""
    path: list[str] = []
    if isinstance(current, str) and current in mapping:
        seen: set[str] = set()
        node: Any = current
        while isinstance(node, str) and node in mapping and node not in seen:
            seen.add(node)
            path.append(node)
            node = as_object(mapping[node]).get("parent")
        return path[::-1]
    roots = [key for key, node in mapping.items() if as_text(as_object(node).get("parent")) not in mapping]
    node = roots[0] if roots else None
    while isinstance(node, str) and node in mapping and node not in path:
        path.append(node)
        children = as_list(as_object(mapping[node]).get("children"))
        node = children[-1] if children else None
    return path


def _name(conversation: Mapping[str, Any], *fields: str) -> str:
    """What a conversation is called by: the first of these fields that holds something."""
    return next((name for field in fields if (name := as_text(conversation.get(field)))), "unnamed")


def _message(node: Any) -> dict[str, Any]:
    message = node.get("message") if isinstance(node, dict) else None
    return message if isinstance(message, dict) else {}


def _parts(content: Mapping[str, Any]) -> str:
    if isinstance(content.get("text"), str):
        return storable(content["text"]).strip()
    texts = []
    for part in as_list(content.get("parts")):
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            texts.append(text)
    return storable("\n".join(texts)).strip()


def claude(path: Path, report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    """Every message of every conversation; the use of tools, thinking and attached files are left out."""
    with opened(path, CONVERSATIONS) as files:
        for name, stream in files:
            for conversation in elements(stream, name):
                if not isinstance(conversation, dict) or not isinstance(conversation.get("chat_messages"), list):
                    report.leave_out("no conversation of Claude", name)
                    continue
                yield from _claude_turns(conversation, report, namespace)


def _claude_turns(conversation: Mapping[str, Any], report: ImportReport, namespace: Namespace) -> Iterator[Draft]:
    thread = _name(conversation, "uuid", "created_at")
    for number, message in enumerate(conversation["chat_messages"]):
        if not isinstance(message, dict):
            report.leave_out("no message", f"{thread}/{number}")
            continue
        where = f"{thread}/{as_text(message.get('uuid')) or number}"
        role = _ROLES.get(as_text(message.get("sender")))
        for file in [*as_list(message.get("attachments")), *as_list(message.get("files"))]:
            label = as_text(as_object(file).get("file_name"))
            report.leave_out("an attached file; ingest the file itself", f"{where}/{label or 'unnamed'}")
        text = _blocks(message)
        if role is None:
            report.leave_out("said to or by a tool or the system", where)
        elif not text:
            report.leave_out("without text (the use of a tool, a file)", where)
        else:
            at = moment(message.get("created_at")) or moment(conversation.get("created_at"))
            yield _turn("claude", thread, where, role, text, at, conversation.get("name"), {}, report, namespace)


def _blocks(message: Mapping[str, Any]) -> str:
    """The text blocks of a message; older exports have only the text, which newer ones fill with tool notices."""
    blocks = message.get("content")
    if not isinstance(blocks, list) or not blocks:
        text = message.get("text")
        return storable(text).strip() if isinstance(text, str) else ""
    spoken = (block for block in blocks if isinstance(block, dict) and block.get("type") == "text")
    texts = (block.get("text") for block in spoken)
    return storable("\n".join(text for text in texts if isinstance(text, str))).strip()


def _turn(
    program: str,
    thread: str,
    where: str,
    role: str,
    text: str,
    at: float | None,
    title: Any,
    extra: Mapping[str, Any],
    report: ImportReport,
    namespace: Namespace,
) -> Draft:
    attributes = {"imported": program, "title": as_text(title)[:200], **extra}
    report.kept["turn"] += 1
    return Draft(
        body=text,
        kind="turn",
        namespace=namespace,
        thread=f"{program}/{thread}",
        session=f"{program}/{thread}",
        speaker=role,
        sources=(Source(f"{program}/{where}"),),
        trust=Trust.USER if role == "user" else Trust.AGENT,
        valid_from=at,
        attributes={name: value for name, value in attributes.items() if value},
    )
