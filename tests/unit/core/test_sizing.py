"""How many pods each side has."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.sizing import (
    actual_weight,
    canary_size,
    may_swap,
    shrunk_rejected,
    shrunk_retired,
)

counts = st.integers(0, 5000)
replicas = st.integers(1, 5000)
weights = st.integers(1, 50)


@pytest.mark.parametrize(
    ("n", "weight", "pods"),
    [(8, 10, 1), (8, 25, 3), (8, 50, 8), (1, 1, 1), (1, 50, 1), (4, 10, 1), (10, 20, 3)],
)
def test_a_canary_has_so_many_pods(n: int, weight: int, pods: int) -> None:
    assert canary_size(n, weight) == pods


@settings(deadline=None)
@given(replicas, weights)
def test_a_canary_follows_the_formula_of_the_design(n: int, weight: int) -> None:
    exact = floor(Fraction(n * weight, 100 - weight) + Fraction(1, 2))
    assert canary_size(n, weight) == max(1, exact)


@given(weights)
def test_a_deployment_scaled_to_0_has_no_canary(weight: int) -> None:
    assert canary_size(0, weight) == 0


@given(replicas, weights)
def test_a_canary_is_never_larger_than_the_stable_side(n: int, weight: int) -> None:
    assert 1 <= canary_size(n, weight) <= n
    assert canary_size(n, 50) == n


@given(replicas, weights)
def test_a_canary_grows_with_replicas_and_weight(n: int, weight: int) -> None:
    assert canary_size(n, weight) <= canary_size(n + 1, weight)
    assert canary_size(n, weight) <= canary_size(n, min(50, weight + 1))


@given(replicas, weights)
def test_the_real_weight_is_the_wanted_one_but_for_whole_pods(n: int, weight: int) -> None:
    size = canary_size(n, weight)
    one_pod = 100 / (n + size)
    assert abs(actual_weight(size, n) - weight) <= one_pod + 0.5


@pytest.mark.parametrize(
    ("canary", "stable", "weight"), [(0, 0, 0), (0, 4, 0), (1, 0, 100), (1, 3, 25), (1, 8, 11)]
)
def test_the_real_weight_is_a_percentage_of_available_pods(
    canary: int, stable: int, weight: int
) -> None:
    assert actual_weight(canary, stable) == weight


@pytest.mark.parametrize(
    ("n", "max_unavailable", "least"),
    [
        (1, 0, 1), (1, 1, 1),
        (2, 0, 1), (2, 2, 1),
        (8, 0, 7), (8, 1, 7), (8, 2, 6), (8, 8, 1),
        (100, 25, 75),
    ],
)  # fmt: skip
def test_a_swap_may_start_from_so_many_pods(n: int, max_unavailable: int, least: int) -> None:
    assert may_swap(n, max_unavailable, least)
    assert not may_swap(n, max_unavailable, least - 1)


@given(replicas, counts)
def test_no_swap_without_an_available_pod(n: int, max_unavailable: int) -> None:
    assert not may_swap(n, max_unavailable, 0)
    assert may_swap(n, max_unavailable, n)


def test_nothing_has_to_be_available_for_a_swap_at_0_replicas() -> None:
    assert may_swap(0, 0, 0)


@given(counts, counts, counts)
def test_a_good_old_side_never_leaves_fewer_than_n(current: int, n: int, new: int) -> None:
    left = shrunk_retired(current, n, new)
    assert 0 <= left <= current
    assert left == current or left + new >= n


@given(counts, counts, counts, counts)
def test_a_bad_old_side_never_leaves_fewer_than_max_unavailable_allows(
    current: int, n: int, slack: int, good: int
) -> None:
    left = shrunk_rejected(current, n, slack, good)
    assert 0 <= left <= current
    assert left == current or left + good >= n - slack


@given(counts, counts, counts, counts)
def test_more_available_new_pods_never_keep_more_old_ones(
    current: int, n: int, slack: int, new: int
) -> None:
    assert shrunk_retired(current, n, new + 1) <= shrunk_retired(current, n, new)
    assert shrunk_rejected(current, n, slack, new + 1) <= shrunk_rejected(current, n, slack, new)


@given(counts, counts, counts, counts)
def test_a_bad_side_never_goes_slower_than_a_good_one(
    current: int, n: int, slack: int, new: int
) -> None:
    assert shrunk_rejected(current, n, slack, new) <= shrunk_retired(current, n, new)


@given(counts, counts)
def test_an_old_side_is_gone_when_all_new_pods_are_available(current: int, n: int) -> None:
    assert shrunk_retired(current, n, n) == 0
    assert shrunk_rejected(current, n, 0, n) == 0


@given(counts, counts, counts)
def test_shrinking_twice_is_shrinking_once(current: int, n: int, new: int) -> None:
    once = shrunk_retired(current, n, new)
    assert shrunk_retired(once, n, new) == once
