"""The site finder sees where a fact is carried, and refuses when a model knows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentmem.errors import Refused

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem_lm.model import CausalModel  # noqa: E402
from agentmem_lm.shapes import random_model  # noqa: E402
from agentmem_lm.sites import POSITIONS, Asked, SiteTable, find_sites, subject_span  # noqa: E402

ASKED = [
    Asked(f"about {a}{b}:", f"{a}{b}")
    for a, b in zip("abcdefghijklmnopqrstuvwx", "mzkqpnwyxvutsrolijhgfdca", strict=True)
]


def sharpened(family: str) -> CausalModel:
    """A random model whose layers are strong enough that different names get different answers."""
    model = random_model(family)
    with torch.no_grad():
        for layer in model.structure.layers:
            for parameter in layer.module.parameters():
                if parameter.ndim == 2:
                    parameter *= 12
    return model


@pytest.fixture(scope="module")
def sharp() -> CausalModel:
    return sharpened("gpt2")


def test_the_subject_is_found_in_the_tokens_of_a_prompt(sharp: CausalModel) -> None:
    ids, first, last = subject_span(sharp, "about ab: ab", "ab")
    assert sharp.decode(ids[first : last + 1]) == "ab"
    assert first == len(sharp.encode("about ab: "))


def test_exchanging_everything_that_the_answer_reads_flips_every_answer(sharp: CausalModel) -> None:
    table = find_sites(sharp, ASKED)
    assert table.pairs >= 8
    assert table.stream[-1][POSITIONS.index("prompt_last")] == 1.0
    assert len(table.lines()) == len(sharp.structure) + 2


@pytest.mark.parametrize("family", ["opt", "qwen2", "gptj"])
def test_every_shape_can_be_examined(family: str) -> None:
    model = sharpened(family)
    table = find_sites(model, ASKED)
    assert table.stream[-1][POSITIONS.index("prompt_last")] == 1.0


def test_a_model_that_answers_the_same_for_all_is_refused() -> None:
    model = random_model("gpt2")
    with torch.no_grad():
        for parameter in model.net.parameters():
            parameter.zero_()
    with pytest.raises(Refused, match="knows nothing of these subjects"):
        find_sites(model, ASKED)


def test_a_table_that_carries_nothing_at_the_subject_is_refused_with_its_figures() -> None:
    rows = ((0.0, 0.1, 0.0, 0.2), (0.0, 0.05, 0.0, 1.0))
    with pytest.raises(Refused, match=r"at most 10% of 50 answers .* 100%"):
        SiteTable("f", 50, rows, rows).checked()
    good = SiteTable("f", 50, ((0.0, 0.9, 0.0, 0.0), (0.0, 0.93, 0.0, 0.1), (0.0, 0.2, 0.0, 1.0)), rows)
    assert (good.checked().layers, good.best) == ((0, 1), 1)


def test_a_table_is_kept_for_the_same_weights(sharp: CausalModel, tmp_path: Path) -> None:
    table = find_sites(sharp, ASKED, cache=tmp_path)
    assert find_sites(sharp, [], cache=tmp_path) == table
