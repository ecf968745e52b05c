"""The server: which request goes to which verb. Verbs run on threads, so that a slow one holds up nobody.

Knows the SDK's server and nothing of how it is connected.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
import mcp_types as types
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from agentmem import __version__
from agentmem.errors import AgentmemError
from agentmem.remote import Remote
from agentmem_mcp import resources, tools

T = TypeVar("T")
_Context = ServerRequestContext[Any, Any]


def build(remote: Remote) -> Server[Any]:
    """The server over one agent, to be run over any of the SDK's transports."""
    offered = tools.verbs(may_purge=remote.may_purge, may_write=not remote.agent.home.readonly)

    async def list_tools(_: _Context, __: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[verb.tool() for verb in offered.values()])

    async def call_tool(context: _Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
        _note_client(remote, context)
        return await _on_thread(partial(tools.call, remote, offered, asked.name, asked.arguments or {}))

    async def list_resources(_: _Context, page: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        cursor = None if page is None else page.cursor
        return await _refusing(partial(resources.listing, remote, cursor))

    async def list_templates(_: _Context, __: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=resources.templates())

    async def read_resource(_: _Context, asked: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await _refusing(partial(resources.read, remote, str(asked.uri)))

    server: Server[Any] = Server(
        "agentmem",
        title="agentmem",
        version=__version__,
        description="Long-term memory that can be seen, corrected and taken back.",
        instructions=tools.INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )
    server.middleware.clear()  # the SDK's tracing: what is remembered goes nowhere else
    return server


async def _on_thread(verb: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(verb)


async def _refusing(verb: Callable[[], T]) -> T:
    """What is wrong with a request that is no tool call is an error of the protocol, in one sentence."""
    try:
        return await _on_thread(verb)
    except AgentmemError as error:
        raise MCPError(code=types.INVALID_PARAMS, message=str(error)) from error


def _note_client(remote: Remote, context: _Context) -> None:
    """The journal names the assistant that made a change, as far as it says who it is."""
    client = context.session.client_params
    if client is not None and client.client_info.name:
        remote.actor = f"mcp:{client.client_info.name[:60]}"
