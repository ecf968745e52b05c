"""The command ``agentmem chat``: the screen on a terminal, line by line elsewhere and with ``--plain``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentmem.cli.options import Options


def run(arguments: list[str], options: Options) -> int:
    """Talk with the agent until the user leaves."""
    parser = argparse.ArgumentParser(prog="agentmem chat", description="Talk with the agent.")
    parser.add_argument("--plain", action="store_true", help="line by line, also when this is a terminal")
    parser.add_argument("--incognito", action="store_true", help="write nothing down")
    parser.add_argument("--new", action="store_true", help="begin a new thread")
    chosen = parser.parse_args(arguments)
    if chosen.plain or not (sys.stdin.isatty() and sys.stdout.isatty()):
        from agentmem.cli.plain import main

        return main(["--incognito"] if chosen.incognito else [], options)
    from agentmem_tui.app import ChatApp
    from agentmem_tui.guardian import guarded

    with guarded():
        app = ChatApp(options, incognito=chosen.incognito, new_thread=chosen.new)
        app.run()
    if app.parting:
        sys.stderr.write(app.parting + "\n")
    return app.return_code or 0
