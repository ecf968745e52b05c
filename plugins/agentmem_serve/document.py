"""The OpenAPI document, made from the table of verbs and the models of the chat endpoint."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from agentmem import __version__
from agentmem_serve.chat_values import ChatRequest, Completion, ModelList, ModelOut
from agentmem_serve.verbs import NAMESPACE_HEADER, THREAD_HEADER, VERBS, Verb

_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_FAULTS = {
    "400": "the request is not right; the sentence says what would be",
    "401": "no token, or not the right one",
    "403": "a request from another site, without a token",
    "404": "nothing of that name or id in this namespace",
    "408": "the body came too slowly",
    "409": "a rule of the memory forbids it; nothing was changed",
    "413": "the body is too long",
    "415": "the body is no JSON",
    "429": "a limit of the budget is reached",
    "502": "the chat model failed",
}


class Fault(TypedDict):
    message: str
    type: str
    param: str | None
    code: str | None


class Refused(TypedDict):
    error: Fault


class Health(TypedDict):
    status: str
    version: str


def document(*, with_token: bool) -> dict[str, Any]:
    """OpenAPI 3.1."""
    gives = {verb.path: verb.gives for verb in VERBS}
    named: list[tuple[str, Any, TypeAdapter[Any]]] = [
        *((path, "serialization", TypeAdapter(kind)) for path, kind in gives.items()),
        *((f"in {verb.path}", "validation", TypeAdapter(verb.takes)) for verb in VERBS),
        ("chat", "validation", TypeAdapter(ChatRequest)),
        ("completion", "serialization", TypeAdapter(Completion)),
        ("models", "serialization", TypeAdapter(ModelList)),
        ("model", "serialization", TypeAdapter(ModelOut)),
        ("refused", "serialization", TypeAdapter(Refused)),
        ("health", "serialization", TypeAdapter(Health)),
    ]
    schemas, shared = TypeAdapter.json_schemas(named, ref_template=_REF)
    found = {key: schema for (key, _), schema in schemas.items()}
    refused = {code: _reply(text, found["refused"]) for code, text in _FAULTS.items()}
    paths: dict[str, Any] = {}
    for verb in VERBS:
        takes = _resolved(found[f"in {verb.path}"], shared["$defs"])
        operation = _operation(verb.summary, {"200": _reply("done", found[verb.path]), **refused})
        operation["parameters"] = _parameters(verb, takes)
        if verb.method == "POST":
            body = {_JSON: {"schema": found[f"in {verb.path}"]}}
            operation["requestBody"] = {"required": True, "content": body}
        paths[verb.path] = {verb.method.lower(): operation}
    chat = _operation("Talk with the agent (OpenAI-compatible)", {"200": _chat_reply(found["completion"]), **refused})
    chat["requestBody"] = {"required": True, "content": {_JSON: {"schema": found["chat"]}}}
    chat["parameters"] = [_header(NAMESPACE_HEADER, "whose memory"), _header(THREAD_HEADER, "the conversation")]
    paths["/v1/chat/completions"] = {"post": chat}
    paths["/v1/models"] = {"get": _operation("The models", {"200": _reply("the models", found["models"]), **refused})}
    one = _operation("One model", {"200": _reply("the model", found["model"]), **refused})
    one["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]
    paths["/v1/models/{id}"] = {"get": one}
    health = _operation(
        "Whether the server answers", {"200": _reply("it does", found["health"]), "403": refused["403"]}
    )
    health["security"] = []
    paths["/v1/health"] = {"get": health}
    out: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "agentmem",
            "version": __version__,
            "description": "Long-term memory that can be seen, corrected and taken back. Every writing verb returns a "
            "receipt; undo takes it back.",
        },
        "paths": paths,
        "components": {"schemas": shared["$defs"]},
    }
    if with_token:
        out["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        out["security"] = [{"token": []}]
    return out


def _operation(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "responses": responses}


def _reply(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _chat_reply(schema: Any) -> dict[str, Any]:
    content = {_JSON: {"schema": schema}, "text/event-stream": {"schema": {"type": "string"}}}
    return {"description": "a completion, or with `stream` its pieces as server-sent events", "content": content}


def _parameters(verb: Verb, takes: dict[str, Any]) -> list[dict[str, Any]]:
    found = [_header(NAMESPACE_HEADER, "whose memory, when the arguments do not say")]
    if verb.method == "POST":
        return found
    required = takes.get("required", ())
    for name, schema in takes.get("properties", {}).items():
        in_path = name == verb.part
        kept = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
        plain = kept[0] if kept else {k: v for k, v in schema.items() if k not in ("title", "description")}
        if in_path:
            plain = {**plain, "minLength": 1}
        found.append(
            {
                "name": name,
                "in": "path" if in_path else "query",
                "required": in_path or name in required,
                "description": schema.get("description", ""),
                "schema": plain,
            }
        )
    return found


def _header(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": 200}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _resolved(schema: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    ref = schema.get("$ref", "")
    found: dict[str, Any] = shared[ref.rpartition("/")[2]] if ref else schema
    return found
