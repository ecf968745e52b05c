"""The application: routes over one agent, errors as sentences, the door in front.

Knows no port and no process; `command` runs it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agentmem import __version__
from agentmem.remote import Remote
from agentmem_serve.chat import Chat
from agentmem_serve.document import document
from agentmem_serve.door import App, Door, Limits
from agentmem_serve.verbs import VERBS, Runner
from agentmem_serve.wire import answer, dumps, refusal

if TYPE_CHECKING:
    from agentmem.agent import Agent

log = logging.getLogger("agentmem.serve")


def build(
    agent: Agent,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    allow_purge: bool = False,
    threads: int = 4,
) -> App:
    """The ASGI application over an open agent; whoever opened the agent closes it."""
    remote = Remote(agent, actor="http", may_purge=allow_purge)
    runner = Runner(remote, threads=threads)
    chat = Chat(remote)
    described = dumps(document(with_token=token is not None))

    async def health(_: Request) -> Response:
        return answer({"status": "ok", "version": __version__})

    async def openapi(_: Request) -> Response:
        return Response(described, media_type="application/json")

    routes = [
        Route("/v1/health", health, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
        Route("/v1/models", chat.models, methods=["GET"]),
        Route("/v1/models/{id}", chat.model, methods=["GET"]),
        Route("/v1/chat/completions", chat.completions, methods=["POST"]),
        *(Route(verb.path, runner.endpoint(verb), methods=[verb.method]) for verb in VERBS),
    ]
    handlers: Any = {HTTPException: _refused, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Door(app, token=token, limits=limits or Limits())


async def _refused(request: Request, error: Exception) -> Response:
    """What the router refuses, in our words."""
    assert isinstance(error, HTTPException), "registered for that class"
    path = request.url.path[:80]
    if error.status_code == 404:
        return refusal(404, f"there is nothing at {path}; /openapi.json lists what there is")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return refusal(405, f"{path} does not take {request.method}; it takes {allowed}", error.headers)
    return refusal(error.status_code, error.detail, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours; the log has the rest."""
    log.error("%s %s failed: %s: %s", request.method, request.url.path, type(error).__name__, error)
    return refusal(500, f"the server failed at this request ({type(error).__name__}); its log tells more")
