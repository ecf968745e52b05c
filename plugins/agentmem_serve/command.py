"""The command ``agentmem serve``: one home over HTTP until Ctrl-C; beyond loopback only with a token."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agentmem.errors import BadInput, Missing

if TYPE_CHECKING:
    from agentmem.cli.options import Options

TOKEN_VARIABLE = "AGENTMEM_TOKEN"
_SHORTEST_TOKEN = 16
_HEAD_S = 10.0


def run(arguments: list[str], options: Options) -> int:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(
        prog="agentmem serve",
        description="Serve the memory over HTTP: its verbs under /v1 and an OpenAI-compatible chat.",
        epilog="Global options as everywhere: --home, --namespace, --model, --set, --readonly.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: this machine only)")
    parser.add_argument("--port", type=int, default=8377, help="0 takes a free one (default: 8377)")
    parser.add_argument("--token-file", metavar="FILE", help=f"a file with the token (else ${TOKEN_VARIABLE})")
    parser.add_argument("--allow-purge", action="store_true", help="let callers remove records for good")
    parser.add_argument("--max-body-mb", type=float, default=4.0, help="longer bodies are refused (default: 4)")
    parser.add_argument("--threads", type=int, default=4, help="verbs that run at once (default: 4)")
    chosen = parser.parse_args(arguments)
    if not 0 < chosen.max_body_mb <= 1024:
        raise BadInput(f"--max-body-mb {chosen.max_body_mb:g} is not right; give more than 0 and at most 1024")
    if not 1 <= chosen.threads <= 64:
        raise BadInput(f"--threads {chosen.threads} is not right; give 1 to 64")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # recalls run side by side: threads inside each would wait for each other
    token = read_token(chosen.token_file)
    if token is None and not is_loopback(chosen.host):
        raise BadInput(
            f"{chosen.host} is reachable from other machines and no token is set; give --token-file FILE "
            f"or set {TOKEN_VARIABLE} (at least {_SHORTEST_TOKEN} characters, for example from 'openssl rand -hex 32')"
        )
    try:
        import starlette  # noqa: F401  # only to say what is missing
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise Missing("the HTTP server needs starlette and uvicorn; install the extra 'serve'") from error
    listener = listening(chosen.host, chosen.port)
    try:
        return _serve(listener, token, chosen, options)
    finally:
        listener.close()


def _serve(listener: socket.socket, token: str | None, chosen: argparse.Namespace, options: Options) -> int:
    import uvicorn

    from agentmem.keeping import Keeper
    from agentmem_serve.app import build
    from agentmem_serve.door import Limits
    from agentmem_serve.patience import impatient

    sys.setswitchinterval(0.001)  # a request shall not wait long for the interpreter while others compute
    with options.open() as agent:
        keeper = Keeper(agent.home).start()
        limits = Limits(body_bytes=int(chosen.max_body_mb * 1_000_000))
        app = build(agent, token=token, limits=limits, allow_purge=chosen.allow_purge, threads=chosen.threads)
        host, port = listener.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        sys.stderr.write(f"agentmem: serving {agent.home.folder} on http://{name}:{port} (Ctrl-C ends it)\n")
        config = uvicorn.Config(
            app,
            http=impatient(_HEAD_S),
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=64_000,
        )
        server = uvicorn.Server(config)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # raised again after uvicorn's end: close the home
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            pass  # uvicorn has shut down and raises the signal again
        finally:
            keeper.close()
    sys.stderr.write("agentmem: stopped\n")
    return 0


def read_token(path: str | None) -> str | None:
    """The token of the file or of the environment; None when there is none."""
    if path is not None:
        try:
            token = Path(path).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"the token file {path} cannot be read: {error}") from error
        where = path
    else:
        token, where = os.environ.get(TOKEN_VARIABLE, "").strip(), TOKEN_VARIABLE
        if not token:
            return None
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or any(c.isspace() for c in token):
        raise BadInput(
            f"the token in {where} must be at least {_SHORTEST_TOKEN} ASCII characters without spaces; "
            "'openssl rand -hex 32' makes one"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """A listening socket; what is in the way is told in a sentence."""
    if not 0 <= port <= 65535:
        raise BadInput(f"--port {port} is no port; give 0 to 65535")
    try:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise BadInput(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port") from error
    return listener
