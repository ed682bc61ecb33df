"""What evidence could tell: shares of a Fail, regressions that are seen, and how long it takes."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log

import pytest
from evidence.courses import after, simple
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.evidence.counts import BAD, Counts
from sluice.core.evidence.power import (
    REGRESSIONS,
    Bar,
    Need,
    Traffic,
    needed,
    share,
    share_of_all,
    smallest_seen,
)
from sluice.core.evidence.sequential import LOG_CAP, Process, Sides, judge

ONE = Bar(0.99)


def test_the_bar_is_what_one_process_needs_while_all_others_are_at_nothing() -> None:
    bar = Bar(0.99, processes=3)
    at_the_bar = Process(bar.log_height + 1e-9, 5)
    others = {"b": Process(-1e3, 5), "c": Process(-1e3, 5)}
    assert judge({"a": at_the_bar, **others}, 0.99).failed
    assert share(at_the_bar, bar) == 1.0
    below = replace(at_the_bar, log_m=bar.log_height - 1e-6)
    assert not judge({"a": below, **others}, 0.99).failed
    assert share(below, bar) < 1.0


@pytest.mark.parametrize(
    ("log_m", "expected"), [(-5.0, 0.0), (0.0, 0.0), (log(10), 0.5), (log(100), 1.0), (9.0, 1.0)]
)
def test_a_share_counts_equal_steps(log_m: float, expected: float) -> None:
    assert share(Process(log_m, 2), ONE) == pytest.approx(expected)
    assert share_of_all(judge({"a": Process(log_m, 2)}, 0.99), 0.99) == pytest.approx(expected)


def test_the_fewest_intervals_are_what_the_cap_lets_through() -> None:
    assert Bar(0.5).fewest_intervals == 2
    assert Bar(0.99).fewest_intervals == 2
    assert Bar(0.99, processes=25).fewest_intervals == 2
    assert Bar(0.99, processes=26).fewest_intervals == 3
    assert (Bar(0.9999, processes=5).fewest_intervals - 1) * LOG_CAP < Bar(0.9999, 5).log_height


def seen(canary: float, bad: float, stable: float) -> Sides:
    """A canary with so many requests beside a stable side with so many bad ones."""
    return Sides(Counts(0.0, canary), Counts(bad, stable))


def test_the_smallest_regression_shrinks_as_requests_come() -> None:
    found = [smallest_seen(seen(n, n * 8 * 0.001, n * 8), ONE) for n in (1, 100, 2000, 10**5)]
    assert found == [None, 100.0, 5.0, 1.5]


def test_what_would_have_been_seen_is_seen() -> None:
    """Of a canary with exactly as many bad requests as the regression would give."""
    factor = smallest_seen(seen(10_000, 80, 80_000), ONE)
    assert factor == 3.0
    for number, failed in ((3.0, True), (2.0, False)):
        course = [simple(k, (number * 0.5, 500), (4, 4000)) for k in range(1, 21)]
        assert judge({"a": after(course).process}, 0.99).failed is failed


def test_tolerance_scatter_and_other_metrics_raise_what_can_be_seen() -> None:
    sides = seen(10_000, 80, 80_000)
    assert smallest_seen(sides, Bar(0.99, processes=20)) == 3.0
    assert smallest_seen(sides, ONE, dispersion=8.0) == 10.0
    assert smallest_seen(sides, ONE, tolerance=30.0) == 100.0


@pytest.mark.parametrize("sides", [Sides(), seen(0, 5, 100), Sides(Counts(5, 100), Counts(0, 0))])
def test_without_requests_nothing_would_be_seen(sides: Sides) -> None:
    assert smallest_seen(sides, ONE) is None


def test_a_stable_side_without_a_bad_request_still_tells_something() -> None:
    assert smallest_seen(seen(1_000, 0, 8_000), ONE) == 100.0
    assert smallest_seen(seen(1, 0, 8), ONE) is None


traffics = st.builds(
    Traffic,
    st.floats(0.01, 200),
    st.floats(0.01, 2000),
    st.floats(1e-5, 0.05),
    st.floats(1, 10),
)


@given(traffics, st.sampled_from([2.0, 5.0, 10.0]), st.integers(1, 20))
def test_a_step_as_long_as_needed_sees_it_and_one_interval_less_does_not(
    traffic: Traffic, regression: float, processes: int
) -> None:
    bar = Bar(0.99, processes)
    need = needed(regression, traffic, bar, interval_seconds=10.0)
    assert need.seconds % 10 == 0
    assert need.canary_requests == pytest.approx(need.seconds * traffic.canary_per_second)
    bad = regression * traffic.stable_ratio

    def reached(seconds: float) -> bool:
        canary = seconds * traffic.canary_per_second
        stable = seconds * traffic.stable_per_second
        course = [simple(1, (canary * bad, canary), (stable * traffic.stable_ratio, stable))]
        comparison = after(course).comparisons[BAD]
        return replace(comparison, dispersion=traffic.dispersion).log_e + 1e-9 >= bar.log_height

    assert reached(need.seconds)
    if need.seconds > 10 * bar.fewest_intervals:
        assert not reached(need.seconds - 10.0001)


def test_smaller_regressions_and_less_traffic_need_more_time() -> None:
    traffic = Traffic(10.0, 80.0, 0.001)
    needs = [needed(r, traffic, ONE, interval_seconds=10.0).seconds for r in REGRESSIONS]
    assert needs == sorted(needs, reverse=True)
    tenth = needed(5.0, Traffic(1.0, 8.0, 0.001), ONE, interval_seconds=10.0)
    assert tenth.seconds > 9 * needed(5.0, traffic, ONE, interval_seconds=10.0).seconds


def test_total_failure_still_needs_two_intervals() -> None:
    traffic = Traffic(1000.0, 8000.0, 0.01)
    assert needed(100.0, traffic, ONE, interval_seconds=10.0) == Need(20.0, 20_000.0)


@pytest.mark.parametrize(
    "traffic", [Traffic(0.0, 8.0, 0.1), Traffic(1.0, 0.0, 0.1), Traffic(1.0, 8.0, 0.0)]
)
def test_what_can_never_be_seen_needs_for_ever(traffic: Traffic) -> None:
    assert needed(5.0, traffic, ONE, interval_seconds=10.0) == Need(inf, inf)


def test_a_regression_within_the_tolerance_is_never_seen() -> None:
    traffic = Traffic(10.0, 80.0, 0.001)
    assert needed(2.0, traffic, ONE, interval_seconds=10.0, tolerance=3.0).seconds == inf
    assert needed(5.0, traffic, ONE, interval_seconds=10.0, tolerance=3.0).seconds < inf
