"""Lets the tests of the kit import the example and the faulty memories beside it."""

from __future__ import annotations

import sys
from pathlib import Path

for _folder in (Path(__file__).parents[2] / "examples", Path(__file__).parent):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
