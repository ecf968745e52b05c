"""One native build for all tests of the kernels, in the user's build cache, so that only the first run
compiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from agentmem_cuda import build, native


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first builds the library, which on a busy machine takes minutes."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def native_library() -> native.Status:
    """The native lookup, loaded; skips where there is no compiler."""
    found = native.ensure()
    if found.path != "native":
        pytest.skip(f"the native lookup cannot run here: {found.reason}")
    return found


@pytest.fixture(scope="session")
def nvcc() -> str:
    """The CUDA compiler; skips where there is none."""
    try:
        found = build.Toolchain.find(cuda=True).nvcc
    except build.BuildError as error:
        pytest.skip(str(error))
    assert found is not None
    return found


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
