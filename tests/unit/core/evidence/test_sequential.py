"""The sequential test: its formulas, what they promise, and numbers that are too large."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np
import pytest
from evidence.courses import PLAIN, after, interval, pods, simple
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sluice.core.evidence.counts import BAD, Counts, Interval
from sluice.core.evidence.sequential import (
    LOG_CAP,
    RATIOS,
    SCATTER_PODS,
    Comparison,
    Evidence,
    Process,
    Sides,
    Terms,
    dispersion,
    judge,
    log_mean_exp,
    of_counters,
    of_histogram,
    threshold,
    update,
)

tolerances = st.sampled_from([1.0, 1.3, 2.0, 7.5])
ratios = st.floats(0.001, 0.999)


@st.composite
def counts(draw: st.DrawFn, most: int = 2000) -> tuple[int, int]:
    """(bad, total)."""
    total = draw(st.integers(0, most))
    return draw(st.integers(0, total)), total


courses = st.lists(st.tuples(counts(), counts()), min_size=1, max_size=8)


def run(course: list[tuple[tuple[int, int], tuple[int, int]]], terms: Terms = PLAIN) -> Evidence:
    """The evidence after a course of (canary, stable)."""
    return after([simple(k, *sides) for k, sides in enumerate(course, start=1)], terms)


@given(counts(), counts(), tolerances)
def test_each_log_is_the_likelihood_ratio_of_the_binomial_distribution(
    canary: tuple[int, int], stable: tuple[int, int], tolerance: float
) -> None:
    evidence = run([(canary, stable)], Terms(tolerance))
    (bad, total), (stable_bad, stable_total) = canary, stable
    if not total or not stable_total:
        assert evidence == replace(evidence, process=Process())
        assert set(evidence.comparisons[BAD].logs) == {0.0}
        return
    null = tolerance * total / (tolerance * total + stable_total)
    for ratio, value in zip(RATIOS, evidence.comparisons[BAD].logs, strict=True):
        alternative = ratio * tolerance * total / (ratio * tolerance * total + stable_total)
        expected = stats.binom.logpmf(bad, bad + stable_bad, alternative)
        expected -= stats.binom.logpmf(bad, bad + stable_bad, null)
        assert value == pytest.approx(expected, rel=1e-8, abs=1e-6)


@given(st.lists(counts(), min_size=2, max_size=9))
def test_dispersion_is_pearsons_chi_squared_per_degree_of_freedom(
    table: list[tuple[int, int]],
) -> None:
    least = 0.1 * sum(total for _, total in table) / max(1, sum(total > 0 for _, total in table))
    used = [(bad, total) for bad, total in table if total > 0 and total >= least]
    value = dispersion({f"p{k}": Counts(*each) for k, each in enumerate(table)})
    bad = sum(each[0] for each in used)
    if len(used) < 2 or not 0 < bad < sum(each[1] for each in used):
        assert value == 1.0
        return
    cells = [[bad, total - bad] for bad, total in used]
    result: Any = stats.chi2_contingency(cells, correction=False)
    assert value == pytest.approx(max(1.0, result.statistic / (len(used) - 1)))


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    ratios,
    tolerances,
    st.lists(st.floats(-20, 20), min_size=7, max_size=7),
)
def test_no_interval_is_expected_to_raise_e_of_a_canary_that_is_tolerated(
    canary_total: int, stable_total: int, ratio: float, tolerance: float, logs: list[float]
) -> None:
    """E[E_t / E_(t-1)] <= 1 exactly, over all outcomes, from any state."""
    before = Evidence(comparisons={BAD: Comparison(tuple(logs), started=True)}, settled=True)
    terms = Terms(tolerance)
    of_canary = stats.binom.pmf(range(canary_total + 1), canary_total, min(1, tolerance * ratio))
    of_stable = stats.binom.pmf(range(stable_total + 1), stable_total, ratio)
    if tolerance * ratio > 1:
        of_stable = stats.binom.pmf(range(stable_total + 1), stable_total, 1 / tolerance)
    expected = 0.0
    for bad, chance in enumerate(of_canary):
        for stable_bad, stable_chance in enumerate(of_stable):
            counted = simple(1, (bad, canary_total), (stable_bad, stable_total))
            gained = update(before, counted, terms).log_e - before.log_e
            expected += chance * stable_chance * exp(gained)
    assert expected <= 1 + 1e-9


@given(st.integers(1, 40), st.sampled_from([0.01, 0.05, 0.3, 0.7, 0.98]), st.integers(0, 10))
def test_no_interval_is_expected_to_raise_e_of_a_canary_below_its_ceiling(
    total: int, limit: float, tenths: int
) -> None:
    chances = stats.binom.pmf(range(total + 1), total, limit * tenths / 10)
    expected = 0.0
    for bad, chance in enumerate(chances):
        evidence = run([((bad, total), (0, 0))], Terms(ceiling=limit))
        assert evidence.ceiling is not None
        expected += chance * exp(log_mean_exp(evidence.ceiling.logs))
    assert expected <= 1 + 1e-9


@given(counts(), st.sampled_from([0.01, 0.05, 0.3, 0.98]))
def test_the_ceilings_logs_are_likelihood_ratios_too(own: tuple[int, int], limit: float) -> None:
    evidence = run([(own, (0, 0))], Terms(ceiling=limit))
    assert evidence.ceiling is not None
    for ratio, value in zip(RATIOS, evidence.ceiling.logs, strict=True):
        expected = stats.binom.logpmf(*own, min(0.99, ratio * limit))
        expected -= stats.binom.logpmf(*own, limit)
        assert value == pytest.approx(expected, rel=1e-7, abs=1e-6)


@given(courses, st.floats(1, 50))
def test_dividing_by_phi_never_lets_e_pass_what_it_would_be_without(
    course: list[tuple[tuple[int, int], tuple[int, int]]], phi: float
) -> None:
    """What makes the promise hold for every phi: Jensen's inequality."""
    comparison = run(course).comparisons[BAD]
    divided = replace(comparison, dispersion=phi)
    assert divided.log_e <= comparison.log_e / phi + 1e-9


@given(st.lists(st.tuples(counts(), counts(), counts(), counts()), min_size=1, max_size=8))
def test_m_is_never_above_e(course: list[tuple[tuple[int, int], ...]]) -> None:
    """With two stable pods, so with a phi that moves."""
    evidence = of_counters(PLAIN)
    for index, (one, other, a, b) in enumerate(course, start=1):
        evidence = update(evidence, interval(index, pods(c=one, d=other), pods(a=a, b=b)), PLAIN)
        assert evidence.process.log_m <= evidence.log_e + 1e-6


@given(counts(200), st.integers(0, 50), tolerances)
def test_more_bad_requests_of_the_canary_are_never_less_evidence(
    stable: tuple[int, int], bad: int, tolerance: float
) -> None:
    terms = Terms(tolerance, ceiling=0.1)
    less, more = (run([((bad + k, 51), stable)], terms) for k in (0, 1))
    assert more.log_e >= less.log_e
    assert more.process.log_m >= less.process.log_m
    assert more.ceiling is not None
    assert less.ceiling is not None
    assert more.ceiling.process.log_m >= less.ceiling.process.log_m


@given(counts(), counts(), counts(), counts())
def test_it_does_not_matter_how_requests_lie_on_a_sides_pods(
    one: tuple[int, int], other: tuple[int, int], a: tuple[int, int], b: tuple[int, int]
) -> None:
    split = after([interval(1, pods(c=one, d=other), pods(s=a))])
    merged = tuple(map(sum, zip(one, other, strict=True)))
    whole = after([interval(1, pods(c=(merged[0], merged[1])), pods(s=a))])
    assert split.comparisons[BAD].logs == whole.comparisons[BAD].logs
    apart = after([interval(1, pods(c=one), pods(a=a, b=b))]).comparisons[BAD]
    both = (a[0] + b[0], a[1] + b[1])
    together = after([interval(1, pods(c=one), pods(s=both))]).comparisons[BAD]
    assert apart.logs == together.logs


def test_intervals_with_the_same_split_of_requests_add_up() -> None:
    """The logs do not depend on how often one looks, as long as the traffic's split stays."""
    once = after([simple(1, (8, 400), (12, 2000))])
    often = after([simple(k, (2, 100), (3, 500)) for k in range(1, 5)])
    assert often.comparisons[BAD].logs == pytest.approx(once.comparisons[BAD].logs)


def test_a_side_without_requests_carries_the_other_sides_on() -> None:
    apart = after(
        [
            simple(1, (3, 100), (0, 0)),
            interval(2, {}, pods(s=(1, 300))),
            simple(3, (1, 20), (2, 500)),
        ]
    )
    together = after(
        [simple(1, (3, 100), (0, 0)), simple(2, (0, 0), (1, 300)), simple(3, (1, 20), (2, 500))]
    )
    assert apart == together
    first = after([simple(1, (3, 100), (0, 0))])
    assert first.log_e == 0.0
    assert first.comparisons[BAD].carried == Sides(Counts(3, 100), Counts(0, 0))
    assert (
        update(first, simple(2, (0, 0), (1, 300)), PLAIN).log_e
        == after([simple(1, (3, 100), (1, 300))]).log_e
    )


def test_what_the_stable_side_did_before_the_canary_came_is_no_part_of_the_comparison() -> None:
    before = [interval(k, {}, pods(a=(90, 100), b=(80, 100))) for k in range(1, 5)]
    evidence = after([*before, interval(5, pods(c=(1, 50)), pods(a=(1, 100), b=(1, 100)))])
    assert evidence.comparisons[BAD].seen == Sides(Counts(1, 50), Counts(2, 200))
    assert evidence.comparisons[BAD].pods == pods(a=(361, 500), b=(321, 500))


def test_a_canary_that_is_ready_and_not_scraped_yet_is_compared_from_then_on() -> None:
    terms = Terms(canary_since=2)
    course = [interval(k, {}, pods(s=(1, 100))) for k in (1, 2, 3)]
    evidence = after([*course, simple(4, (2, 40), (1, 100))], terms)
    assert evidence.comparisons[BAD].seen == Sides(Counts(2, 40), Counts(3, 300))
    assert evidence.log_e == after([simple(1, (2, 40), (3, 300))]).log_e


def test_an_interval_that_is_known_changes_nothing() -> None:
    evidence = after([simple(1, (3, 100), (1, 800))])
    assert update(evidence, simple(1, (50, 100), (1, 800)), PLAIN) is evidence


def test_one_interval_is_never_enough_whatever_it_says() -> None:
    terrible = after([simple(1, (10_000, 10_000), (0, 90_000))])
    assert terrible.log_e > 1000
    assert terrible.process == Process(LOG_CAP, 1)
    assert not judge({"errors": terrible.process}, 0.5).failed
    again = update(terrible, simple(2, (10_000, 10_000), (0, 90_000)), PLAIN)
    assert judge({"errors": again.process}, 0.99).failed


def test_stable_pods_that_scatter_divide_the_evidence() -> None:
    even = after([interval(1, pods(c=(9, 100)), pods(a=(5, 400), b=(5, 400)))])
    uneven = after([interval(1, pods(c=(9, 100)), pods(a=(10, 400), b=(0, 400)))])
    phi = uneven.comparisons[BAD].dispersion
    assert even.comparisons[BAD].dispersion == 1.0
    assert phi == pytest.approx(10 / (1 - 10 / 800))
    logs = [value / phi for value in even.comparisons[BAD].logs]
    assert uneven.log_e == pytest.approx(log_mean_exp(logs))


def test_two_bad_requests_in_one_pod_by_chance_do_not_stay() -> None:
    """They are a scatter of 2 while there are no others; of eight pods one in eight has both."""
    quiet = {f"p{k}": Counts(0, 400) for k in range(7)}
    course = [interval(1, pods(c=(0, 9)), {**quiet, "a": Counts(2, 400)})]
    assert after(course).comparisons[BAD].dispersion == pytest.approx(2 / (1 - 2 / 3200))
    course += [interval(2, pods(c=(0, 9)), {f"p{k}": Counts(1, 400) for k in range(7)})]
    assert after(course).comparisons[BAD].dispersion == 1.0


def test_phi_never_falls_once_it_was_measured_with_enough_bad_requests() -> None:
    course = [interval(1, pods(c=(0, 9)), pods(a=(10, 400), b=(0, 400)))]
    course += [interval(2, pods(c=(0, 9)), pods(a=(0, 400), b=(10, 400)))]
    assert after(course).comparisons[BAD].dispersion == pytest.approx(10 / (1 - 10 / 800))


def test_a_single_stable_pod_says_nothing_of_scatter() -> None:
    assert after([simple(1, (9, 100), (5, 900))]).comparisons[BAD].dispersion == 1.0


def test_one_bad_request_of_a_pod_that_is_new_is_no_scatter() -> None:
    """Chi-squared would be over 400 per degree of freedom, for the rest of the release."""
    grown = {f"p{k}": Counts(8, 8000) for k in range(8)}
    assert dispersion({**grown, "new": Counts(1, 3)}) == 1.0


def test_stable_pods_beyond_a_number_do_not_count_for_scatter_but_for_the_sum() -> None:
    many = {f"p{k:03}": Counts(1, 10) for k in range(SCATTER_PODS + 20)}
    evidence = after([interval(1, pods(c=(0, 9)), many)])
    assert len(evidence.comparisons[BAD].pods) == SCATTER_PODS
    assert evidence.comparisons[BAD].seen.stable.total == 10 * (SCATTER_PODS + 20)


def test_a_ceiling_does_not_ask_how_the_stable_side_is() -> None:
    terms = Terms(ceiling=0.05)
    incident = [interval(k, pods(c=(40, 100)), pods(a=(400, 400), b=(0, 400))) for k in (1, 2, 3)]
    evidence = after(incident, terms)
    assert evidence.process.log_m < 0.1
    assert evidence.ceiling is not None
    assert judge({"a": evidence.process, "b": evidence.ceiling.process}, 0.99).blamed == "b"
    alone = after([interval(k, pods(c=(40, 100)), {}) for k in (1, 2, 3)], terms)
    assert alone.ceiling == evidence.ceiling


def test_a_shared_incident_whose_edge_the_canary_shows_first_is_no_fail() -> None:
    good = [simple(k, (1, 1000), (8, 8000)) for k in range(1, 11)]
    edge = [simple(11, (500, 1000), (8, 8000))]
    incident = [simple(k, (500, 1000), (4000, 8000)) for k in range(12, 40)]
    evidence = of_counters(PLAIN)
    for each in [*good, *edge, *incident]:
        evidence = update(evidence, each, PLAIN)
        assert not judge({"errors": evidence.process}, 0.99).failed


@pytest.mark.parametrize("canary_bad", [0, 1, 10**6, 10**9])
def test_millions_of_requests_are_only_numbers(canary_bad: int) -> None:
    terms = Terms(ceiling=0.3)
    course = [
        interval(k, pods(c=(canary_bad, 10**9)), pods(a=(10**7, 10**10), b=(2 * 10**7, 10**10)))
        for k in range(1, 50)
    ]
    evidence = after(course, terms)
    assert evidence.ceiling is not None
    values = [evidence.log_e, evidence.process.log_m, evidence.ceiling.process.log_m]
    assert all(isfinite(value) for value in [*values, *evidence.comparisons[BAD].logs])
    assert max(abs(value) for value in evidence.comparisons[BAD].logs) > 1e5


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_the_mean_of_exponentials_is_numpys(values: list[float]) -> None:
    expected = np.logaddexp.reduce(values) - log(len(values))
    assert log_mean_exp(values) == pytest.approx(float(expected), abs=1e-9)


def test_a_histogram_is_compared_by_the_bounds_of_both_sides_as_they_were_at_first() -> None:
    both = of_histogram()
    stable = {0.1: pods(a=(5, 50), b=(6, 50)), 0.5: pods(a=(1, 50), b=(0, 50))}
    both = update(both, Interval(1, {}, stable), PLAIN)
    assert not both.settled
    canary = {0.5: pods(c=(2, 10)), 2.5: pods(c=(0, 10))}
    both = update(both, Interval(2, canary, stable), PLAIN)
    assert both.settled
    assert list(both.comparisons) == [0.5]
    assert both.comparisons[0.5].pods == pods(a=(2, 100), b=(0, 100))
    later = {0.1: pods(c=(9, 9)), **canary}
    both = update(both, Interval(3, later, {2.5: pods(a=(0, 50)), **stable}), PLAIN)
    assert list(both.comparisons) == [0.5]


def test_sides_without_a_common_bound_are_not_compared() -> None:
    evidence = update(
        of_histogram(), Interval(1, {1.0: pods(c=(1, 2))}, {2.0: pods(s=(1, 2))}), PLAIN
    )
    assert not evidence.settled
    assert evidence.process == Process()


def test_a_histograms_e_is_the_mean_over_its_bounds() -> None:
    canary = {0.1: pods(c=(30, 100)), 0.5: pods(c=(9, 100))}
    stable = {0.1: pods(s=(80, 800)), 0.5: pods(s=(8, 800))}
    evidence = update(of_histogram(), Interval(1, canary, stable), PLAIN)
    alone = [
        after([simple(1, *sides)]).log_e for sides in [((30, 100), (80, 800)), ((9, 100), (8, 800))]
    ]
    assert evidence.log_e == pytest.approx(log((exp(alone[0]) + exp(alone[1])) / 2))
    assert evidence.process.log_m == LOG_CAP


def test_a_release_fails_by_the_mean_of_all_its_e_values() -> None:
    fails = Process(threshold(0.99) + log(3), 5)
    assert judge({"a": fails, "b": Process(-80.0, 5), "c": Process(-90.0, 5)}, 0.99).failed
    short = replace(fails, log_m=fails.log_m - 0.01)
    assert not judge({"a": short, "b": Process(-80.0, 5), "c": Process(-90.0, 5)}, 0.99).failed
    # Two that are as good as nothing alone, together with a third.
    half = Process(log(150), 2)
    finding = judge({"a": half, "b": Process(log(151), 2), "c": Process()}, 0.99)
    assert finding.failed
    assert finding.blamed == "b"
    assert finding.log_mean == pytest.approx(log(302 / 3))


def test_no_metric_is_no_evidence() -> None:
    finding = judge({}, 0.99)
    assert finding.log_mean == 0.0
    assert not finding.failed
    assert finding.blamed is None


@pytest.mark.parametrize(("confidence", "height"), [(0.5, 2.0), (0.99, 100.0), (0.999, 1000.0)])
def test_the_threshold_is_one_over_alpha(confidence: float, height: float) -> None:
    assert exp(threshold(confidence)) == pytest.approx(height)
    assert threshold(0.999999999) < inf
