"""What is public changes only by decision: after one, ``python tests/surface.py --write`` accepts it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import agentmem
from agentmem.deprecation import deprecated

sys.path.insert(0, str(Path(__file__).parent))

from surface import SNAPSHOT, describe

KEPT = json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Where two surfaces differ, one line for each place."""
    if isinstance(before, dict) and isinstance(after, dict):
        lines = [f"{path}/{name}: gone" for name in before.keys() - after.keys()]
        lines += [f"{path}/{name}: new" for name in after.keys() - before.keys()]
        for name in before.keys() & after.keys():
            lines += differences(before[name], after[name], f"{path}/{name}")
        return sorted(lines)
    return [] if before == after else [f"{path}: was {before}, is {after}"]


def test_the_public_surface_is_the_one_that_was_agreed_on() -> None:
    changed = differences(KEPT, json.loads(json.dumps(describe())))
    told = "\n".join(changed[:40])
    assert not changed, f"the public surface changed; if on purpose: python tests/surface.py --write\n{told}"


def test_what_is_deprecated_warns_with_the_remedy_and_still_works() -> None:
    @deprecated(since="0.1", gone_in="0.3", instead="fresh()")
    def stale(number: int) -> int:
        return number + 1

    with pytest.warns(DeprecationWarning, match=r"stale is deprecated since 0.1 and goes in 0.3; use fresh\(\)"):
        assert stale(1) == 2


def test_nothing_deprecated_outstays_its_time() -> None:
    now = tuple(map(int, agentmem.__version__.split(".")[:2]))
    for module in pkgutil.iter_modules(agentmem.__path__, "agentmem."):
        if module.name.endswith("__main__"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = vars(importlib.import_module(module.name))
        for thing in list(held.values()):
            for value in (thing, *(vars(thing).values() if isinstance(thing, type) else ())):
                marked = getattr(value, "deprecated", None)
                if isinstance(marked, tuple) and len(marked) == 3:
                    since, gone_in, _ = marked
                    assert now < tuple(map(int, gone_in.split("."))), f"{value} was to go in {gone_in}"
                    assert since != gone_in, f"{value} is deprecated for no version at all"
