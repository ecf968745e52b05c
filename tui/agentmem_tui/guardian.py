"""Gives the terminal back in order when the chat is killed: a small child waits for its parent's end.

A process that is killed outright (``kill -9``, out of memory) cannot leave the alternate screen, switch mouse reports
off or show the cursor. The child holds the reading end of a pipe; when the pipe closes without a word it does so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

_OFF = (b"1000", b"1002", b"1003", b"1004", b"1006", b"1015", b"2004", b"1049")  # mouse, focus, paste, other screen
_RESTORE = b"".join(b"\x1b[?" + mode + b"l" for mode in _OFF) + b"\x1b[<u\x1b[?25h\x1b[0m\r\n"


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Keep a guardian while the block runs; without one (no terminal, no fork) the block simply runs."""
    try:
        import termios

        before = termios.tcgetattr(sys.stdin.fileno())
        reading, writing = os.pipe()
        child = os.fork()
    except (ImportError, OSError, AttributeError):
        yield
        return
    if child == 0:
        _wait_and_restore(reading, writing, before)
    os.close(reading)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.write(writing, b"done")
        os.close(writing)
        with contextlib.suppress(OSError):
            os.waitpid(child, 0)


def _wait_and_restore(reading: int, writing: int, before: list[object]) -> None:
    """In the child: wait for the parent's word or end; never returns."""
    import termios

    try:
        os.close(writing)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGTTOU, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        if not os.read(reading, 4):
            os.write(sys.stdout.fileno(), _RESTORE)
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)  # type: ignore[arg-type]
    except (OSError, termios.error):
        pass  # the terminal is gone; there is nothing to give back
    finally:
        os._exit(0)
