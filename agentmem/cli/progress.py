"""A progress bar on stderr: one line, drawn only for a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any, Self


class Bar:
    """Draws ``label`` and how far it is; silent when stderr is no terminal."""

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        self._label = label
        self._silent = quiet or not sys.stderr.isatty()
        self._started = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def files(self, done: int, total: int, path: Any = "", *_: Any) -> None:
        self.draw(done, total, str(path))

    def records(self, done: int, total: int) -> None:
        self.draw(done, total, "records")

    def draw(self, done: int, total: int, what: str = "") -> None:
        now = time.monotonic()
        if self._silent or total <= 0 or (now - self._drawn < 0.1 and done < total):
            return
        self._drawn = now
        share = min(1.0, done / total)
        left = (now - self._started) / share * (1 - share) if share else 0.0
        filled = int(24 * share)
        drawn = "█" * filled + "·" * (24 - filled)
        sys.stderr.write(f"\r{self._label} [{drawn}] {done}/{total} {left:4.0f} s left  {what[-40:]}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        if not self._silent and self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = 0.0
