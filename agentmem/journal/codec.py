"""Between records and the JSON of a version row; the one place where text is cleaned at the door."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from agentmem.errors import BadInput
from agentmem.records import Draft, Link, Record, Source, Status, Trust

_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without NUL and lone surrogates, which one database or the other refuses."""
    if not isinstance(text, str):
        raise BadInput(f"a text is expected, not {type(text).__name__}; pass a str")
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return _SURROGATES.sub("\ufffd", text)


def dumps(value: Any) -> str:
    """Canonical JSON: sorted, compact, text as it is (an escaped text would hide from a search for purged words)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def clean_json(value: Any, where: str) -> Any:
    """A JSON value with every text cleaned; anything that is not JSON is refused."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {clean(str(k)): clean_json(v, where) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(v, where) for v in value]
    raise BadInput(
        f"{where} holds a {type(value).__name__}; only JSON values (text, numbers, lists, objects) can be kept"
    )


def digest_of(secret: bytes, kind: str, body: str) -> str:
    """A hash by which equal bodies are found; keyed, because a plain hash of a short text gives it away."""
    normal = " ".join(body.split()).casefold()
    return hashlib.blake2b(f"{kind}\0{normal}".encode(), key=secret[:64], digest_size=16).hexdigest()


def data_of_draft(draft: Draft, blobs: Mapping[str, str]) -> dict[str, Any]:
    """What a version row holds; fields at their default are left out."""
    data: dict[str, Any] = {
        "kind": clean(draft.kind),
        "body": clean(draft.body),
        "namespace": [clean(part) for part in draft.namespace],
        "subject": draft.subject,
        "relation": draft.relation,
        "object": draft.object,
        "thread": draft.thread,
        "session": draft.session,
        "speaker": draft.speaker,
        "sources": [[s.uri, s.start, s.end, s.digest] for s in draft.sources],
        "derived_from": sorted(set(draft.derived_from)),
        "trust": Trust(draft.trust).value,
        "valid_from": draft.valid_from,
        "valid_to": draft.valid_to,
        "links": [[link.relation, link.target] for link in draft.links],
        "attributes": clean_json(draft.attributes, "attributes"),
        "memories": None if draft.memories is None else sorted(draft.memories),
        "blobs": dict(blobs),
        "version": 1,
    }
    for key in ("subject", "relation", "object", "thread", "session", "speaker"):
        if data[key] is not None:
            data[key] = clean(data[key])
    if not all(data["namespace"]):
        raise BadInput(f"namespace {draft.namespace!r} has an empty part; use texts such as ('alice', 'work')")
    return without_defaults(data)


def without_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """Fields at their default left out. No memories at all is not the default, which is all of them."""
    return {k: v for k, v in data.items() if v not in (None, [], {}) or (k == "memories" and v is not None)}


def record_of(
    record_id: str,
    data: Mapping[str, Any],
    *,
    status: str,
    version_id: int,
    created_seq: int,
    created_at: float,
    updated_at: float,
) -> Record:
    return Record(
        id=record_id,
        kind=data["kind"],
        body=data.get("body", ""),  # an empty body is left out like every default
        namespace=tuple(data.get("namespace", ())),
        subject=data.get("subject"),
        relation=data.get("relation"),
        object=data.get("object"),
        thread=data.get("thread"),
        session=data.get("session"),
        speaker=data.get("speaker"),
        sources=tuple(Source(*s) for s in data.get("sources", ())),
        derived_from=tuple(data.get("derived_from", ())),
        trust=Trust(data.get("trust", "user")),
        valid_from=data.get("valid_from"),
        valid_to=data.get("valid_to"),
        links=tuple(Link(*link) for link in data.get("links", ())),
        attributes=data.get("attributes", {}),
        memories=None if data.get("memories") is None else tuple(data["memories"]),
        blobs=data.get("blobs", {}),
        status=Status(status),
        version=data.get("version", 1),
        recorded_at=created_at,
        updated_at=updated_at,
        created_seq=created_seq,
        version_id=version_id,
    )


_OUTSIDE_STATE = {"version"}


def state_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the state hash covers of a body: nothing of versions, times of recording or touches."""
    return {key: value for key, value in data.items() if key not in _OUTSIDE_STATE}
