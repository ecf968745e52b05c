"""What every test shares: slow, GPU and network tests are skipped with a reason unless they are asked for."""

from __future__ import annotations

import os

import pytest

# The models of the tests are tiny: a second thread costs them more than it brings, most of all on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_OPTIONS = {"slow": "takes long; run with --slow", "network": "needs a network; run with --network"}


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, why in _OPTIONS.items():
        parser.addoption(f"--{name}", action="store_true", default=False, help=f"also run tests marked {name}: {why}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for name, why in _OPTIONS.items():
            if name in item.keywords and not config.getoption(f"--{name}"):
                item.add_marker(pytest.mark.skip(reason=why))
        if "gpu" in item.keywords and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _has_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
