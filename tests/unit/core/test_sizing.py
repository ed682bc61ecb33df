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
    kept_size,
    may_swap,
    shrunk,
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


@given(counts, counts, counts, counts)
def test_an_old_side_never_leaves_fewer_than_n(current: int, n: int, new: int, target: int) -> None:
    left = shrunk(current, n, new, target)
    assert 0 <= left <= current
    assert left == current or left + new >= n


@given(counts, counts, counts, counts)
def test_more_available_new_pods_never_keep_more_old_ones(
    current: int, n: int, new: int, target: int
) -> None:
    assert shrunk(current, n, new + 1, target) <= shrunk(current, n, new, target)


@given(counts, counts, counts)
def test_an_old_side_has_its_target_when_all_new_pods_are_available(
    current: int, n: int, target: int
) -> None:
    assert shrunk(current, n, n, target) == min(current, target)


@given(counts, counts, counts, counts)
def test_shrinking_twice_is_shrinking_once(current: int, n: int, new: int, target: int) -> None:
    once = shrunk(current, n, new, target)
    assert shrunk(once, n, new, target) == once


# --- weights above 50

heavy = st.integers(51, 99)


@pytest.mark.parametrize(
    ("n", "weight", "pods"),
    [(8, 75, 3), (8, 80, 2), (8, 99, 1), (4, 80, 1), (1, 60, 1), (100, 99, 1), (12, 60, 8)],
)
def test_so_many_pods_of_the_stable_side_are_kept(n: int, weight: int, pods: int) -> None:
    assert kept_size(n, weight) == pods
    assert canary_size(n, weight) == n


@given(replicas, heavy)
def test_the_kept_side_follows_the_formula_of_the_design(n: int, weight: int) -> None:
    exact = floor(Fraction(n * (100 - weight), weight) + Fraction(1, 2))
    assert kept_size(n, weight) == max(1, exact)
    assert kept_size(n, weight) <= n


@given(replicas, heavy)
def test_the_kept_side_gives_the_wanted_weight_but_for_whole_pods(n: int, weight: int) -> None:
    size = kept_size(n, weight)
    one_pod = 100 / (n + size)
    assert abs(actual_weight(n, size) - weight) <= one_pod + 0.5


@given(replicas, st.integers(1, 98))
def test_a_greater_weight_keeps_no_more_of_the_stable_side(n: int, weight: int) -> None:
    assert kept_size(n, weight + 1) <= kept_size(n, weight)


@given(st.integers(1, 99))
def test_a_deployment_scaled_to_0_keeps_nothing(weight: int) -> None:
    assert kept_size(0, weight) == 0
