"""Runs `agentmem_serve` in this process on a free port, as its command does, for tests that need real connections."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

from agentmem import Agent
from agentmem_serve.app import build
from agentmem_serve.command import listening
from agentmem_serve.patience import impatient


@contextlib.contextmanager
def serving(agent: Agent, *, head_s: float = 10.0, **how: Any) -> Iterator[str]:
    """The server's address, until the block ends."""
    listener = listening("127.0.0.1", 0)
    config = uvicorn.Config(
        build(agent, **how),
        http=impatient(head_s),
        ws="none",
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
        listener.close()
