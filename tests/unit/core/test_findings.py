"""What the evidence of a release says, in numbers and in words."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest

from sluice.core import findings
from sluice.core.comparing import Standing, begun, terms
from sluice.core.evidence.counts import BAD, Counts, Interval
from sluice.core.evidence.sequential import Process, update
from sluice.core.policy import Analysis, Metric

ERRORS = Metric("errors", counters=("bad_total", "all_total"))
LATENCY = Metric("latency", histogram="seconds")


def analysis(*metrics: Metric) -> Analysis:
    return Analysis(metrics=metrics)


def standing(
    metric: Metric, canary: tuple[int, int], stable: tuple[int, int], times: int = 1
) -> Standing:
    """After so many intervals with these counts."""
    evidence = begun(metric).evidence
    cuts = (0.1, 0.5) if metric.histogram else (BAD,)
    for index in range(1, times + 1):
        sides = [{cut: {"pod": Counts(*side)} for cut in cuts} for side in (canary, stable)]
        evidence = update(evidence, Interval(index, sides[0], sides[1]), terms(metric))
    return Standing(evidence)


def said(metric: Metric, found: Standing) -> findings.Found:
    standings = {metric.name: found}
    whole = findings.finding(standings, 0.99)
    return findings.found_of(metric, standings, analysis(metric), whole)


def test_before_the_first_interval_nothing_is_known() -> None:
    found = said(ERRORS, begun(ERRORS))
    assert (found.canary_ratio, found.stable_ratio) == (None, None)
    assert (found.evidence, found.requests) == (0.0, 0.0)
    assert found.sentence == (
        'metric "errors": 0 of 0 requests bad on the canary, 0 of 0 requests on the stable '
        "side; too few to see any regression yet"
    )
    assert said(LATENCY, begun(LATENCY)).requests == 0.0


def test_both_sides_are_said_and_what_would_have_been_seen() -> None:
    found = said(ERRORS, standing(ERRORS, (1, 1000), (8, 8000), times=4))
    assert (found.canary_ratio, found.stable_ratio) == (0.001, 0.001)
    assert found.requests == 4000
    assert found.sentence.startswith(
        'metric "errors": 4 of 4000 requests (0.1%) bad on the canary, '
        "32 of 32000 requests (0.1%) on the stable side; "
    )
    assert found.sentence.endswith("5 times as many would have been seen by now")


def test_a_failure_says_so_with_its_confidence() -> None:
    found = said(ERRORS, standing(ERRORS, (100, 1000), (8, 8000), times=4))
    assert found.evidence == 1.0
    assert found.sentence.endswith(": worse, with confidence 0.99")
    lenient = replace(ERRORS, tolerance=2.0)
    found = said(lenient, standing(lenient, (100, 1000), (8, 8000), times=4))
    assert found.sentence.endswith(": worse than 2 times that, with confidence 0.99")


def test_a_histogram_names_the_bound_with_the_most_evidence() -> None:
    found = said(LATENCY, standing(LATENCY, (100, 1000), (8, 8000), times=4))
    assert "slower than 0.1 on the canary" in found.sentence


def test_a_ceiling_is_an_e_value_of_its_own_and_blames_its_metric() -> None:
    limited = replace(ERRORS, maximum=0.05)
    bad = standing(limited, (200, 1000), (1600, 8000), times=4)
    whole = findings.finding({"errors": bad}, 0.99)
    assert whole.failed
    assert findings.blamed(whole) == "errors"
    found = said(limited, bad)
    assert found.sentence.endswith(": above its max 0.05, with confidence 0.99")
    assert found.evidence == 1.0


def with_e(value: float) -> Standing:
    """Counters whose e-value is this, of two intervals."""
    start = begun(ERRORS)
    return replace(start, evidence=replace(start.evidence, process=Process(log(value), 2)))


@pytest.mark.parametrize(
    ("values", "failed"),
    [((99.9,), False), ((100.1,), True), ((199.0, 0.9), False), ((199.0, 1.1), True),
     ((101.0, 101.0), True), ((297.0, 1.0, 1.0), False), ((300.0, 1.0, 1.0), True)],
)  # fmt: skip
def test_the_mean_of_all_e_values_decides_and_the_largest_is_blamed(
    values: tuple[float, ...], failed: bool
) -> None:
    standings = {f"m{index}": with_e(value) for index, value in enumerate(values)}
    whole = findings.finding(standings, 0.99)
    assert exp(whole.log_mean) == pytest.approx(sum(values) / len(values))
    assert whole.failed is failed
    assert findings.blamed(whole) == ("m0" if failed else "")


def test_a_ceiling_that_has_seen_nothing_counts_in_the_mean() -> None:
    limited = replace(ERRORS, maximum=0.05)
    start = begun(limited)
    strong = replace(start, evidence=replace(start.evidence, process=Process(log(150.0), 2)))
    assert not findings.finding({"errors": strong}, 0.99).failed
    assert findings.finding({"errors": with_e(150.0)}, 0.99).failed


def test_nothing_to_compare_never_fails() -> None:
    assert not findings.finding({}, 0.99).failed
