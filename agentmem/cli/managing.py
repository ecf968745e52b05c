"""Commands about the home itself: export, import, backup, reindex, doctor, plugins, bench, version."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from agentmem import __version__, registry
from agentmem.cli.options import Options, columns
from agentmem.cli.writing import receipt_text
from agentmem.errors import BadInput

Command = Callable[[str, str], argparse.ArgumentParser]


def register(command: Command) -> None:
    export = command("export", "Write the live records (or the whole log) into a folder, as JSONL and blobs.")
    export.add_argument("path")
    export.add_argument("--log", action="store_true", help="everything that ever happened, not only what is live")
    export.set_defaults(handler=_export)

    import_ = command("import", "Read an export of agentmem or of another program; can be undone as one receipt.")
    import_.add_argument("path")
    import_.add_argument(
        "--from",
        dest="format",
        default="auto",
        choices=("auto", "chatgpt", "claude", "jsonl", "markdown", "mem0-export", "mem0-history"),
        help="the program that wrote it (auto: look)",
    )
    import_.set_defaults(handler=_import)

    backup = command("backup", "Copy the home into a new folder, while it is in use.")
    backup.add_argument("path")
    backup.set_defaults(handler=_backup)

    reindex = command("reindex", "Build memories again from the journal (after a change of embedder, say).")
    reindex.add_argument("memory", nargs="*")
    reindex.set_defaults(handler=_reindex)

    doctor = command("doctor", "Check everything that a person could get wrong, with remedies.")
    doctor.add_argument("--fix", action="store_true", help="mend what can be mended: finish purges, apply again")
    doctor.set_defaults(handler=_doctor)

    plugins = command("plugins", "What is installed: plugins list; a package for your own: plugins new NAME.")
    plugins.add_argument("action", choices=("list", "new"))
    plugins.add_argument("name", nargs="?")
    plugins.add_argument("--kind", default="memory", choices=("memory", "router", "extractor", "panel"))
    plugins.set_defaults(handler=_plugins)

    bench = command("bench", "Measure; 'agentmem bench NAME --help' tells each one's options.")
    bench.add_argument("name", nargs="?")
    bench.set_defaults(handler=_bench)

    version = command("version", "The version of agentmem.")
    version.set_defaults(handler=_version)


def _export(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        lines = agent.export(arguments.path, log=arguments.log)
    options.print({"path": arguments.path, "lines": lines}, f"{lines} lines written to {arguments.path}")
    return 0


def _import(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        receipt = agent.import_(arguments.path, format=arguments.format)
    options.print(receipt, receipt_text(receipt))
    return 0


def _backup(options: Options, arguments: argparse.Namespace) -> int:
    with options.open() as agent:
        agent.backup(arguments.path)
    options.print({"path": arguments.path}, f"backed up to {arguments.path}; open it with --home {arguments.path}")
    return 0


def _reindex(options: Options, arguments: argparse.Namespace) -> int:
    from agentmem.cli.progress import Bar

    with options.open() as agent, Bar("indexing", quiet=options.json) as bar:
        done = agent.reindex(arguments.memory or None, progress=lambda name, at, total: bar.draw(at, total, name))
    options.print(done, columns([(name, f"{count} changes applied") for name, count in done.items()]))
    return 0


def _doctor(options: Options, arguments: argparse.Namespace) -> int:
    from agentmem.doctor import examine

    lines = examine(options, fix=arguments.fix)
    marks = {"ok": "ok     ", "note": "note   ", "warning": "WARNING", "error": "ERROR  "}
    text = "\n".join(f"{marks[c.level]} {c.text}" + (f"\n        → {c.remedy}" if c.remedy else "") for c in lines)
    options.print(lines, text)
    return 1 if any(line.level == "error" for line in lines) else 0


def _plugins(options: Options, arguments: argparse.Namespace) -> int:
    if arguments.action == "new":
        if not arguments.name:
            raise BadInput("give the new plugin a name: agentmem plugins new NAME")
        from agentmem.scaffold import write_package

        folder = write_package(arguments.name, kind=arguments.kind)
        options.print({"path": str(folder)}, f"written: {folder}; its README says what to do next")
        return 0
    found = [plugin for group in registry.GROUPS for plugin in registry.plugins(group)]
    rows = [
        (p.group, p.name, f"{p.distribution} {p.version}", f"unusable: {p.fault}" if p.fault else p.value)
        for p in found
    ]
    options.print(found, columns(rows) if rows else "no plugins are installed")
    return 0


def _bench(options: Options, arguments: argparse.Namespace) -> int:
    names = registry.names("benches")
    if arguments.name:
        registry.load("benches", arguments.name)  # says which there are
    options.print(names, "benchmarks: " + (", ".join(names) or "none installed"))
    return 0 if names else 1


def _version(options: Options, arguments: argparse.Namespace) -> int:
    options.print({"version": __version__}, f"agentmem {__version__}")
    return 0
