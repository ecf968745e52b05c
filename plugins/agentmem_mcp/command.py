"""The command ``agentmem mcp``: serves one assistant over standard input and output until it goes.

Standard output carries the protocol and nothing else; whatever else is printed goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from agentmem.errors import Missing

if TYPE_CHECKING:
    from agentmem.cli.options import Options
    from agentmem.remote import Remote


def run(arguments: list[str], options: Options) -> int:
    """Serve until the assistant closes the connection or a signal comes."""
    parser = argparse.ArgumentParser(
        prog="agentmem mcp",
        description="Serve the memory to an assistant by the Model Context Protocol, over standard input and output.",
        epilog="Global options as everywhere: --home, --namespace, --model, --set, --readonly.",
    )
    parser.add_argument("--allow-purge", action="store_true", help="let the assistant remove records for good")
    chosen = parser.parse_args(arguments)
    try:
        import anyio
        import mcp  # noqa: F401  # only to say what is missing
    except ImportError as error:
        raise Missing("the MCP SDK is not installed; install the extra 'mcp'") from error
    from agentmem.keeping import Keeper
    from agentmem.records import Trust
    from agentmem.remote import Remote

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    with options.open() as agent:
        remote = Remote(agent, actor="mcp", may_purge=chosen.allow_purge, redacts=True, trust=Trust.USER)
        keeper = Keeper(agent.home).start()
        try:
            anyio.run(_serve, remote)
        finally:
            keeper.close()
    return 0


async def _serve(remote: Remote) -> None:
    import anyio
    from mcp.server.stdio import stdio_server

    from agentmem_mcp.server import build

    server = build(remote)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_leave_on_signal, remote)
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            async with stdio_server() as (incoming, outgoing):
                await server.run(incoming, outgoing, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _leave_on_signal(remote: Remote) -> None:
    """Close the home and leave at once: the thread that waits for standard input cannot be called back."""
    import anyio
    import anyio.to_thread

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            await anyio.to_thread.run_sync(remote.agent.home.abandon)
            os._exit(128 + number)
