"""autoscaling/v2's own cases, by the numbers that its table tests have here and there: A the
calculator, B limits and behavior, C stabilization, D whole reconciles.
"""

from __future__ import annotations

from datetime import datetime

import pytest
from scaling.rounds import (
    DEFAULT_BEHAVIOR,
    NOW,
    OUT,
    Course,
    ago,
    average,
    facts,
    limited,
    percent,
    pods,
    policy,
    remembered,
    value,
    windows,
)

from sluice.core.scaling.arithmetic import Tolerance, by_average, by_value, thousandths
from sluice.core.scaling.decision import decide
from sluice.core.scaling.kept import Recommendation, ScaleEvent
from sluice.core.scaling.policy import Behavior, Select
from sluice.core.scaling.windows import stabilized

DEFAULT = Tolerance()


@pytest.mark.parametrize(
    ("current", "ready", "milli", "target", "up", "replicas"),
    [
        pytest.param(3, 3, 50_000, 10_000, 0.1, 15, id="A45 with all ready"),
        pytest.param(3, 1, 50_000, 10_000, 0.1, 5, id="A45"),
        pytest.param(3, 3, 20_666, 20_000, 0.1, 3, id="A47"),
        pytest.param(3, 3, 20_666, 20_000, 0.01, 4, id="A47 with a tolerance of 0.01"),
        pytest.param(3, 1, 8_600, 4_400, 0.1, 2, id="A55"),
        pytest.param(3, 3, 8_600, 4_400, 0.1, 6, id="A55 if all were counted"),
        pytest.param(3, 3, 8_600, 8_888, 0.1, 3, id="A57"),
        pytest.param(3, 3, 2**63 - 1, 2**63 - 1, 0.1, 3, id="A59"),
        pytest.param(0, 0, 20_000, 15_000, 0.1, 2, id="D13 (the calculator at 0)"),
    ],
)
def test_value(
    *, current: int, ready: int, milli: int, target: int, up: float, replicas: int
) -> None:
    assert by_value(milli, target, current, ready, Tolerance(up)).replicas == replicas


@pytest.mark.parametrize(
    ("current", "milli", "target", "up", "replicas"),
    [
        pytest.param(3, 20_000, 5_000, 0.1, 4, id="A49"),
        pytest.param(4, 20_166, 5_000, 0.1, 4, id="A51"),
        pytest.param(0, 20_000, 5_000, 0.1, 4, id="A53"),
        pytest.param(5, 8_600, 2_867, 0.1, 3, id="A61"),
        pytest.param(3, 8_600, 2_800, 0.01, 4, id="A63"),
        pytest.param(3, 8_600, 2_800, 0.1, 3, id="A63 with the default tolerance"),
    ],
)
def test_average_value(current: int, milli: int, target: int, up: float, replicas: int) -> None:
    assert by_average(milli, target, current, Tolerance(up)).replicas == replicas


def test_a59_a_sum_that_overflows_is_the_largest_there_is() -> None:
    assert thousandths(2 * 2.0**62) == 2**63 - 1


def events(added: int = 0, removed: int = 0) -> list[ScaleEvent]:
    """Pods added and removed ten seconds ago, inside of every period."""
    changes = [change for change in (added, -removed) if change]
    return [ScaleEvent(ago(seconds=10), change) for change in changes]


@pytest.mark.parametrize(
    ("current", "wanted", "low", "high", "behavior", "before", "desired", "reason"),
    [
        pytest.param(5, 7, 3, 8, None, [], 7, "DesiredWithinRange", id="B1"),
        pytest.param(1, 0, 0, 10, None, [], 0, "DesiredWithinRange", id="B3"),
        pytest.param(3, 1000, 1, 2000, None, [], 6, "ScaleUpLimit", id="B5"),
        pytest.param(
            10, 500, 1, 1000, limited(up=[pods(100, 60), percent(100, 60)]), [], 110,
            "ScaleUpLimit", id="B7",
        ),
        pytest.param(
            10, 500, 1, 1000, limited(up=[pods(30, 60)]), [], 40, "ScaleUpLimit", id="B9"
        ),
        pytest.param(
            10, 500, 1, 1000, limited(up=[percent(200, 60)]), [], 30, "ScaleUpLimit", id="B10"
        ),
        pytest.param(
            3, 500, 1, 1000, limited(up=[percent(1, 60)]), [], 4, "ScaleUpLimit", id="B11"
        ),
        pytest.param(
            100, 2, 1, 1000, limited(down=[pods(2, 60), percent(1, 60)]), [], 98,
            "ScaleDownLimit", id="B13",
        ),
        pytest.param(
            10, 5, 1, 1000, limited(down=[percent(50, 60)]), [], 5, "DesiredWithinRange", id="B15"
        ),
        pytest.param(
            10, 2, 5, 1000, limited(down=[percent(100, 60)]), [], 5, "TooFewReplicas", id="B17"
        ),
        pytest.param(
            100, 500, 1, 1000, limited(up=[pods(150, 120)]), events(added=15), 235,
            "ScaleUpLimit", id="B19",
        ),
        pytest.param(
            100, 500, 1, 200, limited(up=[pods(300, 60)]), [], 200, "TooManyReplicas", id="B21"
        ),
        pytest.param(
            100, 2, 1, 1000, limited(down=[pods(5, 120)]), events(removed=15), 100,
            "ScaleDownLimit", id="B23",
        ),
        pytest.param(
            10, 1, 1, 1000, limited(down=[percent(50, 180)]), events(added=2, removed=4), 6,
            "ScaleDownLimit", id="B25",
        ),
        pytest.param(
            10, 5, 1, 1000, limited(down=[percent(1000, 120)]), events(removed=30), 5,
            "DesiredWithinRange", id="B27",
        ),
        pytest.param(
            5, 1, 1, 1000, limited(down=[pods(2, 60), percent(50, 60)], select=Select.MIN), [], 3,
            "ScaleDownLimit", id="B29",
        ),
    ],
)  # fmt: skip
def test_limits(
    *,
    current: int,
    wanted: int,
    low: int,
    high: int,
    behavior: Behavior | None,
    before: list[ScaleEvent],
    desired: int,
    reason: str,
) -> None:
    # Asked for since long: no window is in the way.
    memory = remembered((ago(30), wanted), events=before)
    scaled = decide(
        policy(low=low, high=high, behavior=behavior), facts(current, wanted), memory, NOW
    )

    assert scaled.desired == desired
    assert scaled.limited.reason == reason
    assert scaled.limited.status is (reason != "DesiredWithinRange")


@pytest.mark.parametrize(
    ("history", "current", "wanted", "behavior", "result"),
    [
        pytest.param([], 5, 5, None, 5, id="C1"),
        pytest.param([(ago(), 1), (ago(), 2)], 3, 3, None, 3, id="C3"),
        pytest.param(
            [(ago(10), 10), (ago(9), 9), (ago(2), 5), (ago(1), 4)], 3, 3, None, 5, id="C5"
        ),
        pytest.param([(ago(0.5), 4), (ago(0.2), 5)], 1, 7, windows(300, 300), 4, id="C7"),
        pytest.param([(ago(3), 3)], 2, 1, windows(300, 300), 2, id="C9"),
        pytest.param([], 100, 5, DEFAULT_BEHAVIOR, 5, id="C11"),
    ],
)
def test_stabilization(
    history: list[tuple[datetime, int]],
    current: int,
    wanted: int,
    behavior: Behavior | None,
    result: int,
) -> None:
    recommendations = tuple(Recommendation(*each) for each in history)

    window = stabilized(policy(behavior=behavior), current, wanted, recommendations, NOW)
    assert window.replicas == result

    # The same in a whole decision; the HPA's own first round has the present number before it.
    if history:
        memory = remembered(*history)
        scaled = decide(policy(behavior=behavior), facts(current, wanted), memory, NOW)
        assert scaled.desired == result


def test_c5_only_recommendations_that_can_still_matter_are_kept() -> None:
    history = [(ago(10), 10), (ago(9), 9), (ago(2), 5), (ago(1), 4)]
    scaled = decide(policy(), facts(3, 3), remembered(*history), NOW)

    # The last one held until an interval ago.
    expected = [(ago(2), 5), (ago(seconds=15), 4), (NOW, 3)]
    assert scaled.memory.recommendations == tuple(Recommendation(*each) for each in expected)


def test_d1_the_largest_number_is_asked_for() -> None:
    scaled = decide(
        policy(value(target=0.3), low=2, high=6), facts(3, {"queue": 0.5}), remembered(), NOW
    )
    assert scaled.desired == 5


def test_d3_a_metric_that_fails_keeps_what_another_would_lower() -> None:
    scaling = policy(average(), average("lag"))
    scaled = decide(scaling, facts(5, {"rps": 2, "lag": OUT}), remembered((ago(30), 2)), NOW)

    assert scaled.desired == 5
    assert scaled.active.status is False
    assert scaled.active.reason == "FailedGetExternalMetric"


def test_d5_below_the_minimum_no_metric_is_read() -> None:
    assert decide(policy(low=2), facts(1), remembered(), NOW).desired == 2
    assert decide(policy(low=2), facts(1, {"rps": OUT}), remembered(), NOW).desired == 2


@pytest.mark.parametrize("answer", [pytest.param(0.0, id="D7"), pytest.param(20.0, id="D15")])
def test_0_replicas_are_left_alone(answer: float) -> None:
    scaled = decide(policy(value(target=15), low=3), facts(0, {"queue": answer}), remembered(), NOW)

    assert scaled.desired == 0
    assert scaled.active.status is False
    assert scaled.active.reason == "ScalingDisabled"


def test_d9_not_above_the_maximum() -> None:
    scaled = decide(policy(value(target=0.9), high=5), facts(3, {"queue": 8.0}), remembered(), NOW)

    assert scaled.desired == 5
    assert scaled.limited.status is True
    assert scaled.limited.reason == "TooManyReplicas"


def test_d17_a_value_of_0_asks_for_0() -> None:
    scaling = policy(value(), low=0)
    scaled = decide(scaling, facts(5, {"queue": 0.0}), remembered((ago(30), 0)), NOW)
    assert scaled.desired == 0


def test_d19_value_and_average_value() -> None:
    by_its_value = policy(value(target=6.666))
    assert decide(by_its_value, facts(3, {"queue": 8.6}), remembered(), NOW).desired == 4
    by_its_average = policy(average(target=2.222))
    assert decide(by_its_average, facts(3, 8.6), remembered(), NOW).desired == 4


@pytest.mark.parametrize(
    ("behavior", "ramp"),
    [
        pytest.param(None, [4, 8, 16, 32, 64, 100], id="no behavior"),
        pytest.param(DEFAULT_BEHAVIOR, [5, 10, 20, 40, 80, 100], id="default behavior"),
    ],
)
def test_a_ramp_to_100_takes_six_decisions(behavior: Behavior | None, ramp: list[int]) -> None:
    course = Course(policy(high=100, behavior=behavior), 1)

    assert course.rounds(1_000_000, 6) == ramp
    # 75 seconds after the first, since each is 15 after the one before.
    assert course.rounds(1_000_000, 2) == [100, 100]


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_both_ends_of_the_tolerance_belong_to_it(ratio: float) -> None:
    assert by_average(round(10_000 * ratio), 1_000, 10, DEFAULT).within_tolerance
    assert by_value(round(10_000 * ratio), 10_000, 10, 10, DEFAULT).within_tolerance


@pytest.mark.parametrize(
    ("current", "share", "replicas"), [(2, 0.51, 2), (3, 0.67, 3), (3, 0.66, 2), (10, 0.91, 10)]
)
def test_rounding_up_is_stricter_than_the_tolerance_below_ten(
    current: int, share: float, replicas: int
) -> None:
    milli = round(1000 * current * share)
    assert by_average(milli, 1_000, current, DEFAULT).replicas == replicas


def test_forty_one_tasks_on_ten_pods_of_four_get_no_eleventh_pod() -> None:
    assert by_average(41_000, 4_000, 10, DEFAULT).replicas == 10
    assert by_average(41_000, 4_000, 10, Tolerance(up=0.02)).replicas == 11
