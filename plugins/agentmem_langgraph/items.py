"""Between the items of a LangGraph store and the records of a journal. Reads and writes nothing.

An item is one record: its namespace is the record's (below the store's root), its value lies in the attribute
``store``, and its body is the text by which it is found. A record's id follows from namespace and key, so that two
processes that put the same item at once write the same record.
"""

from __future__ import annotations

import copy
import json
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from langgraph.store.base import Item, PutOp, SearchItem, get_text_at_path, tokenize_path

from agentmem.errors import BadInput
from agentmem.journal.codec import clean, clean_json
from agentmem.records import Draft, Namespace, Record, Trust, path_of

KIND = "fact"
"""The kind under which items are written: every memory that indexes facts finds them."""

_FIELD = "store"
_SPACE = uuid.UUID("6c1f2f5a-3c55-4f0b-9a53-6d1c5d3a8f11")  # any, as long as it stays


def item_id(namespace: Namespace, key: str, generation: int = 0) -> str:
    """The record that holds an item; the generation goes up when a purge has used one up for good."""
    return uuid.uuid5(_SPACE, f"{path_of(namespace)}\0{clean(key)}\0{generation}").hex


def is_item(record: Record) -> bool:
    return _FIELD in record.attributes


def draft_of(op: PutOp, root: Namespace, fields: Sequence[str] | None, trust: Trust) -> Draft:
    """The record that a put asks for. Raises BadInput for a value that is no JSON object."""
    value = _checked(op)
    chosen = fields if op.index is None else op.index
    body = text_of(value, None if chosen is False else chosen)
    hidden = op.index is False or not body.strip()
    kept = {"key": clean(op.key), "value": value, "text": body, "ttl": op.ttl}
    return Draft(
        body=body,
        kind=KIND,
        namespace=(*root, *op.namespace),
        trust=trust,
        attributes={_FIELD: {name: part for name, part in kept.items() if part is not None}},
        memories=() if hidden else None,
    )


def _checked(op: PutOp) -> dict[str, Any]:
    place = f"the value of '{op.key}' in {op.namespace}"
    if not isinstance(op.value, Mapping):
        raise BadInput(f"{place} is a {type(op.value).__name__}; give a mapping with text keys")
    try:
        json.dumps(dict(op.value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{place} cannot be kept as JSON: {error}") from error
    if op.ttl is not None and not 0 <= op.ttl < math.inf:
        raise BadInput(f"ttl = {op.ttl} of '{op.key}' is not right; give minutes from 0 on, or None to keep it")
    value: dict[str, Any] = clean_json(dict(op.value), place)
    return value


def text_of(value: Mapping[str, Any], fields: Sequence[str] | None) -> str:
    """The text by which a value is found: the chosen fields', or all leaves as "name: text", a single one bare."""
    if fields is not None and list(fields) != ["$"]:
        found = [text for path in fields for text in get_text_at_path(dict(value), tokenize_path(path))]
        return "\n".join(found)
    leaves = list(_leaves(value))
    if len(leaves) == 1 and isinstance(leaves[0][1], str):
        return leaves[0][1]
    return "\n".join(f"{'.'.join(path)}: {leaf}" for path, leaf in leaves)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(part, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part, path)
    elif value is not None:
        yield path, value


def value_of(record: Record) -> dict[str, Any]:
    """The value, with what a person has corrected since it was put.

    A correction takes the place of the only text in the value; a value of several parts gets it as ``corrected``.
    """
    kept = record.attributes[_FIELD]
    value: dict[str, Any] = copy.deepcopy(kept["value"])  # the caller may change it, the record is shared
    if record.body == kept.get("text", record.body):
        return value
    if len(value) == 1:
        ((name, part),) = value.items()
        if isinstance(part, str):
            return {name: record.body}
    return {**value, "corrected": record.body}


def key_of(record: Record) -> str:
    return str(record.attributes[_FIELD]["key"])


def ttl_of(record: Record) -> float | None:
    """Minutes after its last use at which an item expires."""
    ttl = record.attributes[_FIELD].get("ttl")
    return None if ttl is None else float(ttl)


def as_item(record: Record, root: Namespace) -> Item:
    return Item(**_parts(record, root))


def as_search_item(record: Record, root: Namespace, score: float | None) -> SearchItem:
    return SearchItem(**_parts(record, root), score=score)


def _parts(record: Record, root: Namespace) -> dict[str, Any]:
    return {
        "namespace": record.namespace[len(root) :],
        "key": key_of(record),
        "value": value_of(record),
        "created_at": datetime.fromtimestamp(record.recorded_at, UTC),
        "updated_at": datetime.fromtimestamp(record.updated_at, UTC),
    }
