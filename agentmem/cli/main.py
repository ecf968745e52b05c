"""From a command line to an exit code. Heavy imports happen inside the commands, so that --help is quick."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from agentmem import __version__, registry
from agentmem.cli.options import GLOBAL_DEFAULTS, Options, add_global_options
from agentmem.errors import AgentmemError

_QUIET = {
    # Nothing may reach out on its own: these switches are read by libraries when they are imported.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "TOKENIZERS_PARALLELISM": "false",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0 only on success."""
    os.environ.update(_QUIET)
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except AgentmemError as error:
        print(f"agentmem: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("agentmem: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads any more; leave quietly
        return 141


def _run(arguments: list[str]) -> int:
    command = _command_of(arguments)
    if command in ("bench", "doctor") or command in registry.names("commands"):
        passed_on = _passed_on(arguments, command)
        if passed_on is not None:
            return passed_on
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    for name, default in GLOBAL_DEFAULTS.items():
        if not hasattr(parsed, name):
            setattr(parsed, name, default)
    if not hasattr(parsed, "handler"):
        parser.print_help()
        return 2
    return int(parsed.handler(Options.of(parsed), parsed) or 0)


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command of the core."""
    from agentmem.cli import managing, reading, weights, writing

    parser = argparse.ArgumentParser(
        prog="agentmem",
        description="Memory for agents that can be seen, corrected and taken back.",
        epilog="Commands of plugins: " + (", ".join(registry.names("commands")) or "none"),
    )
    parser.add_argument("--version", action="version", version=f"agentmem {__version__}")
    add_global_options(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        add_global_options(sub)
        return sub

    for module in (reading, writing, weights, managing):
        module.register(command)
    return parser


def _command_of(arguments: Sequence[str]) -> str | None:
    """The first word that is no global option."""
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word not in ("--json", "--readonly", "--help", "-h", "--version")
        else:
            return word
    return None


def _passed_on(arguments: list[str], command: str | None) -> int | None:
    """Run a command that brings its own parser: benchmarks, plugins' commands and topics of ``doctor``."""
    assert command is not None, "only called with a command"
    place = arguments.index(command)
    before, after = arguments[:place], arguments[place + 1 :]
    group, name = "commands", command
    if command == "bench":
        if not after or after[0].startswith("-"):
            return None
        group, name, after = "benches", after[0], after[1:]
    elif command == "doctor":
        if not after or after[0].startswith("-"):
            return None
        name, after = f"doctor-{after[0]}", after[1:]
    run = registry.load(group, name)
    if group == "benches":
        return int(run(_bench_arguments(before, after)))
    parser = argparse.ArgumentParser(add_help=False)
    add_global_options(parser, json=True)
    known, rest = parser.parse_known_args([*before, *after])
    for key, default in GLOBAL_DEFAULTS.items():
        if not hasattr(known, key):
            setattr(known, key, default)
    return int(run(rest, Options.of(known)) or 0)


def _bench_arguments(before: list[str], after: list[str]) -> list[str]:
    """Benchmarks make their own homes; of the global options they know those that they declare themselves."""
    return [*before, *after]
