"""The verbs under /v1: which path takes which arguments and gives what. The OpenAPI document is made from this table.

Verbs run on a few threads of their own; more would only wait for each other.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from agentmem.errors import AgentmemError, BadInput
from agentmem.remote import Remote, checked, checked_json, told_record
from agentmem.remote_values import (
    Answered,
    Arguments,
    Ask,
    Changes,
    Correct,
    Forget,
    History,
    Listed,
    Recall,
    Recalled,
    RecordOut,
    Remember,
    Undo,
    Written,
)
from agentmem_serve.wire import NotJson, answer, refusal, status_of

NAMESPACE_HEADER = "x-agentmem-namespace"
THREAD_HEADER = "x-agentmem-thread"
_LONGEST_HEADER = 200


class RecallWithVector(Recall):
    vector: list[float] | str | None = Field(
        default=None,
        max_length=65_536,
        description="the query's vector by the home's embedder: numbers, or base64 of little-endian 32-bit floats",
    )


class ListQuery(Arguments):
    kind: str | None = Field(default=None, max_length=50, description="only records of this kind")
    limit: int = Field(default=50, ge=1, le=200, description="how many at most")
    before: int | None = Field(default=None, ge=0, le=2**53, description="`next` of the page before")


class ShowQuery(Arguments):
    pass


@dataclass(frozen=True)
class Verb:
    """One route. ``part`` names what of the path is an argument; ``call`` gets the checked arguments."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    takes: type[Arguments]
    gives: Any
    call: Callable[[Remote, Any], Any]
    part: str | None = None


def _recall(remote: Remote, told: RecallWithVector) -> Recalled:
    return remote.recall(told, vector=None if told.vector is None else _vector(remote, told.vector))


def _list(remote: Remote, told: ListQuery) -> Listed:
    return remote.records(namespace=told.namespace, kind=told.kind, limit=told.limit, before=told.before)


def _history(remote: Remote, told: History) -> Changes:
    return Changes(changes=remote.history(told.id, namespace=told.namespace, limit=told.limit))


class _Shown(ShowQuery):
    id: str


def _show(remote: Remote, told: _Shown) -> RecordOut:
    return told_record(remote.record(told.id, told.namespace))


VERBS = (
    Verb("POST", "/v1/remember", "Write one record down", Remember, Written, Remote.remember),
    Verb("POST", "/v1/recall", "The records that answer, best first", RecallWithVector, Recalled, _recall),
    Verb("POST", "/v1/ask", "Answer from the memory, with citations", Ask, Answered, Remote.ask),
    Verb("POST", "/v1/correct", "Give a record the text that is right", Correct, Written, Remote.correct),
    Verb("POST", "/v1/forget", "Retract, archive or purge a record", Forget, Written, Remote.forget),
    Verb("POST", "/v1/undo", "Take a receipt back", Undo, Written, Remote.undo),
    Verb("GET", "/v1/history", "The changes of a record, or the last changes", History, Changes, _history),
    Verb("GET", "/v1/records", "Live records, newest first, in pages", ListQuery, Listed, _list),
    Verb("GET", "/v1/records/{id}", "One record", _Shown, RecordOut, _show, part="id"),
)


class Runner:
    """Runs verbs on threads and turns what they raise into answers."""

    def __init__(self, remote: Remote, *, threads: int) -> None:
        self.remote = remote
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="agentmem-verb")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def endpoint(self, verb: Verb) -> Callable[[Request], Any]:
        """The route's handler."""

        async def handle(request: Request) -> Response:
            try:
                told = await arguments(verb, request)
                work = partial(verb.call, self.remote, told)
                return answer(await asyncio.get_running_loop().run_in_executor(self._pool, work))
            except AgentmemError as error:
                return refusal(status_of(error), str(error))

        return handle


async def arguments(verb: Verb, request: Request) -> Any:
    """The checked arguments of a request: its body or query, its path, and the namespace by header."""
    if verb.method == "POST":
        told: Any = checked_json(verb.takes, await json_body(request))
    else:
        given: dict[str, Any] = dict(request.query_params)
        if verb.part is not None:
            if verb.part in given:
                raise BadInput(f"'{verb.part}' belongs into the path, not into the query")
            given[verb.part] = request.path_params[verb.part]
        told = checked(verb.takes, given)
    namespace = header_of(request, NAMESPACE_HEADER)
    if told.namespace is None and namespace is not None:
        told = told.model_copy(update={"namespace": namespace})
    return told


def header_of(request: Request, name: str) -> str | None:
    """A header of ours, or None."""
    given = request.headers.get(name)
    if given is not None and len(given) > _LONGEST_HEADER:
        raise BadInput(f"the header {name} has {len(given)} characters; at most {_LONGEST_HEADER} are taken")
    return given or None


async def json_body(request: Request) -> bytes:
    """The body, if it says that it is JSON: a form of another site can be sent without asking, JSON cannot."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise NotJson(f"the body must be JSON: send 'Content-Type: application/json' instead of '{kind[:60]}'")
    return await request.body()


def _vector(remote: Remote, given: list[float] | str) -> Any:
    if isinstance(given, str):
        try:
            vector = np.frombuffer(base64.b64decode(given, validate=True), "<f4").astype(np.float32)
        except (binascii.Error, ValueError) as error:
            raise BadInput("'vector' is neither a list of numbers nor base64 of 32-bit floats") from error
    else:
        vector = np.asarray(given, np.float64).clip(-3.4e38, 3.4e38).astype(np.float32)
    embedder = remote.agent.home.embedder
    if vector.shape != (embedder.dim,):
        raise BadInput(f"'vector' has {vector.size} numbers; {embedder.model_id} has {embedder.dim}")
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length < 1e-9:
        raise BadInput("'vector' has no direction; give the query's embedding, finite and not all zero")
    return vector if abs(length - 1.0) < 1e-3 else (vector / length).astype(np.float32)
