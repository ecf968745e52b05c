"""The confidence gain and the mixing of two distributions: what must hold for any two of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.gain import (
    Said,
    Weighed,
    adaptive_weight,
    entropy,
    entropy_of_top,
    mixed,
    steered,
)

VOCAB = 40
logits = st.lists(st.floats(-20, 20), min_size=VOCAB, max_size=VOCAB)
weights = st.floats(0, 1)


def log_p(values: list[float]) -> np.ndarray:
    x = np.array(values)
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


@given(logits, logits)
def test_the_ends_of_the_scale_are_the_two_distributions(one: list[float], other: list[float]) -> None:
    with_it, without = log_p(one), log_p(other)
    np.testing.assert_allclose(np.exp(mixed(with_it, without, 1.0)), np.exp(with_it), atol=1e-9)
    np.testing.assert_allclose(np.exp(mixed(with_it, without, 0.0)), np.exp(without), atol=1e-9)


@given(logits, logits, weights)
def test_what_is_mixed_sums_to_one(one: list[float], other: list[float], weight: float) -> None:
    assert np.exp(mixed(log_p(one), log_p(other), weight)).sum() == pytest.approx(1.0)


@given(logits, logits, weights, weights)
def test_more_weight_never_turns_the_odds_against_the_context(
    one: list[float], other: list[float], weight: float, more: float
) -> None:
    with_it, without = log_p(one), log_p(other)
    weight, more = sorted((weight, more))
    wanted, known = int(with_it.argmax()), int(without.argmax())
    odds = [d[wanted] - d[known] for d in (mixed(with_it, without, w) for w in (weight, more))]
    assert odds[0] <= odds[1] + 1e-6


@given(logits, logits, weights)
def test_without_a_conflict_the_distribution_with_the_context_is_left_alone(
    one: list[float], other: list[float], weight: float
) -> None:
    surer, flatter = sorted((log_p(one), log_p(other)), key=lambda d: float(entropy(d)))
    assert steered(surer, flatter, weight) is surer


@given(logits, logits)
def test_the_adaptive_weight_is_that_of_the_surer_side(one: list[float], other: list[float]) -> None:
    surer, flatter = sorted((log_p(one), log_p(other)), key=lambda d: float(entropy(d)))
    weight = adaptive_weight(float(entropy(surer)), float(entropy(flatter)))  # the context makes it less sure
    assert 0 <= weight <= 0.5
    np.testing.assert_allclose(steered(flatter, surer, "adaptive", always=True), mixed(flatter, surer, weight))
    assert adaptive_weight(0.0, 0.0) == 0.5


def test_the_entropy_is_that_of_the_books() -> None:
    assert float(entropy(np.log(np.full(8, 1 / 8)))) == pytest.approx(math.log(8))
    assert float(entropy(np.array([0.0, -np.inf]))) == pytest.approx(0.0)
    both = np.log(np.array([[0.5, 0.5], [0.9, 0.1]]))
    assert entropy(both).shape == (2,)


@given(logits, st.integers(1, VOCAB))
def test_the_entropy_of_the_likeliest_tokens_is_never_above_that_of_all(values: list[float], count: int) -> None:
    whole = log_p(values)
    likeliest = np.sort(whole)[::-1][:count].tolist()
    assert entropy_of_top(likeliest) <= float(entropy(whole)) + 1e-6
    assert entropy_of_top([]) == 0.0


def test_an_answer_that_says_unknown_counts_as_ignorance_however_sure_it_is() -> None:
    known, unknown = Said("Kall.", 0.02, 0.9), Said("I don't know.", 0.001, 0.0, unknown=True)
    assert Weighed("m", unknown, known, math.log(100)).gain == pytest.approx(math.log(100) - 0.02)
    assert Weighed("m", known, unknown, math.log(100)).gain < 0
    assert Weighed("m", unknown, unknown, math.log(100)).gain == 0.0
