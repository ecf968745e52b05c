"""What a filter and a namespace pattern of LangGraph's stores let through. Pure functions; knows no record."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from langgraph.store.base import ListNamespacesOp, MatchCondition

from agentmem.errors import BadInput
from agentmem.records import Namespace

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_KNOWN = ("$eq", "$ne", *_ORDER)


def admits(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether a value passes a filter: every field equal, or within its operators."""
    return all(_fits(value.get(name), part) for name, part in (wanted or {}).items())


def check(wanted: Mapping[str, Any] | None) -> None:
    """Raises BadInput for an operator that nobody knows, also where a search would never come to compare by it."""
    for name, part in (wanted or {}).items():
        if str(name).startswith("$") and name not in _KNOWN:
            raise BadInput(f"Unsupported operator: {name}; known are {', '.join(_KNOWN)}")
        if isinstance(part, Mapping):
            check(part)


def _fits(have: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if any(str(name).startswith("$") for name in wanted):
            return all(_compares(have, name, part) for name, part in wanted.items())
        return isinstance(have, Mapping) and all(_fits(have.get(name), part) for name, part in wanted.items())
    if isinstance(wanted, list | tuple):
        if not isinstance(have, list | tuple) or len(have) != len(wanted):
            return False
        return all(_fits(one, other) for one, other in zip(have, wanted, strict=True))
    return bool(have == wanted)


def _compares(have: Any, name: str, wanted: Any) -> bool:
    """One operator. Numbers compare as numbers, texts as texts; what has no order with the other does not match."""
    if name == "$eq":
        return bool(have == wanted)
    if name == "$ne":
        return bool(have != wanted)
    try:
        return _ORDER[name](float(have), float(wanted))
    except (TypeError, ValueError):
        return isinstance(have, str) and isinstance(wanted, str) and _ORDER[name](have, wanted)


def listed(namespaces: Iterable[Namespace], op: ListNamespacesOp) -> list[Namespace]:
    """The namespaces that an operation asks for, in order, cut to its depth."""
    kept = [ns for ns in namespaces if all(matches(condition, ns) for condition in op.match_conditions or ())]
    if op.max_depth is not None:
        kept = [ns[: op.max_depth] for ns in kept]
    return sorted(set(kept))[op.offset : op.offset + op.limit]


def matches(condition: MatchCondition, namespace: Namespace) -> bool:
    """Whether a namespace begins or ends with the condition's path, in which "*" stands for any one label."""
    path: Sequence[str] = condition.path
    if condition.match_type not in ("prefix", "suffix"):
        raise BadInput(f"no match type named '{condition.match_type}'; known are prefix and suffix")
    if len(path) > len(namespace):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(label in ("*", have) for have, label in zip(part, path, strict=True))
