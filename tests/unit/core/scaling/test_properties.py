"""Whatever the policy and the readings are: the HPA's own arithmetic, and what never happens."""

from __future__ import annotations

from math import ceil, isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling.naive import NaiveHpa
from scaling.policies import any_values, policies, readings, usual_values
from scaling.rounds import INTERVAL_SECONDS, Course

from sluice.core.readings import Unknown
from sluice.core.scaling.arithmetic import (
    MOST_REPLICAS,
    Tolerance,
    by_average,
    by_value,
    thousandths,
)
from sluice.core.scaling.kept import Bounds
from sluice.core.scaling.policy import Scaling

replicas = st.integers(1, 60)
loads = st.lists(st.tuples(usual_values, usual_values, usual_values), min_size=1, max_size=25)


@settings(deadline=None, max_examples=200)
@given(policies(), replicas, loads, st.integers(1, 80))
def test_a_course_is_that_of_a_naive_hpa(
    scaling: Scaling, current: int, course: list[tuple[float, ...]], ready_percent: int
) -> None:
    naive, ours = NaiveHpa(scaling), Course(scaling, current)
    for number, load in enumerate(course):
        values = dict(zip("abc", load, strict=True))
        ready = max(1, ours.current * ready_percent // 80)
        wanted = naive.decide(number * INTERVAL_SECONDS, ours.current, ready, values)
        known = {metric.name: values[metric.name] for metric in scaling.metrics}
        scaled = ours.round(known, ready=ready)
        assert scaled.desired == wanted, scaled.message


bounds = st.builds(
    Bounds, st.none() | st.integers(1, 60), st.none() | st.integers(1, 60), st.just("day")
)


@settings(deadline=None, max_examples=300)
@given(st.data(), policies(fallback=True), replicas, bounds)
def test_what_never_happens(
    data: st.DataObject, scaling: Scaling, current: int, schedule: Bounds
) -> None:
    course = Course(scaling, current, bounds=schedule)
    for _ in range(data.draw(st.integers(1, 12))):
        before, answers = course.current, data.draw(readings(scaling))
        waits = data.draw(st.sampled_from(["", "", "a release is promoting"]))
        pending = data.draw(st.sampled_from([0, 0, 1, 7]))
        scaled = course.round(answers, lowering_waits=waits, pending=pending)
        low, high = scaled.explanation.floor, scaled.explanation.ceiling

        assert scaled.desired >= low
        assert scaled.desired <= high or (waits and scaled.desired == before)
        if any(isinstance(each, Unknown) for each in answers.values()):
            assert scaled.desired >= min(before, high)
        if waits:
            assert scaled.desired >= before
        if pending:
            assert scaled.desired <= max(before + 1, low, course.memory.probe or 0)
        # Told completely, and in one line.
        assert scaled.message.startswith(f"{scaled.desired}: ")
        assert "\n" not in scaled.message
        steps = scaled.explanation.steps
        assert not steps or steps[-1].after == scaled.desired


@settings(deadline=None)
@given(st.data(), policies(fallback=True), replicas)
def test_an_outage_of_any_length_lowers_nothing(
    data: st.DataObject, scaling: Scaling, current: int
) -> None:
    course = Course(scaling, current)
    course.round({metric.name: 1.0 for metric in scaling.metrics})
    before = course.current
    reason = data.draw(readings(scaling).filter(lambda each: isinstance(each["a"], Unknown)))["a"]
    out = {metric.name: reason for metric in scaling.metrics}

    after = course.rounds(out, 40)
    assert after == sorted(after)
    assert after[0] >= before
    assert after[-1] <= scaling.max_replicas
    # And one low reading after it lowers nothing either.
    assert course.round({metric.name: 0.0 for metric in scaling.metrics}).desired == after[-1]


@given(any_values)
def test_a_value_is_its_nearest_thousandth(value: float) -> None:
    milli = thousandths(value)

    assert abs(milli) <= 2**63 - 1
    if abs(value) < 1e9:
        assert abs(milli - value * 1000) <= 0.5 + abs(value) * 1e-12
    else:
        assert (milli > 0) is (value > 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_has_no_thousandths(value: float) -> None:
    with pytest.raises(ValueError, match="without thousandths"):
        thousandths(value)


@pytest.mark.parametrize(
    ("value", "milli"),
    [(0.1 + 0.2, 300), (349.99999999, 350_000), (0.0004, 0), (-1.0005, -1000), (7.0006, 7001),
     (1e300, 2**63 - 1), (-1e300, 1 - 2**63), (0.0, 0), (-0.0, 0), (5e-324, 0)],
)  # fmt: skip
def test_what_floats_add_in_the_sixteenth_digit_is_no_pod(value: float, milli: int) -> None:
    assert thousandths(value) == milli


@given(any_values, st.integers(1, 2**63 - 1), st.integers(0, MOST_REPLICAS), st.integers(0, 60))
def test_any_value_asks_for_a_number_that_the_api_can_hold(
    value: float, target: int, current: int, ready: int
) -> None:
    for asked in (
        by_average(thousandths(value), target, current, Tolerance()),
        by_value(thousandths(value), target, current, ready, Tolerance()),
    ):
        assert 0 <= asked.replicas <= MOST_REPLICAS
        assert isfinite(asked.ratio)


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 1000))
def test_outside_of_the_tolerance_each_pod_gets_its_share_or_less(
    milli: int, target: int, current: int
) -> None:
    asked = by_average(milli, target, current, Tolerance(0.0, 0.0))

    # Whole numbers: the floats of this size are exact enough.
    assert asked.replicas == min(MOST_REPLICAS, ceil(milli / target))
