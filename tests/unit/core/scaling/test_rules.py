"""The rules of a whole decision that the HPA does not have: bounds by the clock, releases, pods
without a node; and what each says.
"""

from __future__ import annotations

import pytest
from scaling.rounds import (
    DEFAULT_BEHAVIOR,
    NOW,
    OUT,
    UNLIMITED_BEHAVIOR,
    Course,
    ago,
    at,
    average,
    facts,
    limited,
    pods,
    policy,
    remembered,
    value,
    windows,
)

from sluice.core.scaling.decision import decide
from sluice.core.scaling.kept import Bounds, Cause, Memory, ScaleEvent
from sluice.core.scaling.policy import Behavior, Direction, Select

OFFICE = Bounds(floor=6, floor_by="office")
NIGHT = Bounds(ceiling=3, ceiling_by="night")


@pytest.mark.parametrize(
    ("bounds", "current", "desired", "message"),
    [
        (OFFICE, 2, 6, "6: not below 6 (schedule office)"),
        (NIGHT, 8, 3, "3: not above 3 (schedule night)"),
        (Bounds(floor=6, ceiling=3, floor_by="a", ceiling_by="b"), 8, 6,
         "6: not above 6 (schedule a)"),
        (Bounds(floor=30, floor_by="peak"), 8, 30, "30: not below 30 (schedule peak)"),
        (Bounds(floor=1), 25, 20, "20: not above 20 (maxReplicas)"),
        (Bounds(ceiling=50, ceiling_by="sale"), 60, 50, "50: not above 50 (schedule sale)"),
        (Bounds(), 1, 2, "2: not below 2 (minReplicas)"),
    ],
)  # fmt: skip
def test_the_bounds_are_the_highest_floor_and_the_schedules_lowest_ceiling(
    bounds: Bounds, current: int, desired: int, message: str
) -> None:
    outage = facts(current, {"rps": OUT}, bounds=bounds)
    scaled = decide(policy(low=2, high=20), outage, remembered(), NOW)

    assert (scaled.desired, scaled.message) == (desired, message)


def test_a_schedule_ends_what_the_metrics_ask_for() -> None:
    scaled = decide(policy(), facts(3, 50, bounds=NIGHT), remembered(), NOW)

    assert scaled.desired == 3
    assert scaled.cause is Cause.SCHEDULE
    assert scaled.limited.reason == "TooManyReplicas"
    assert scaled.message == "3: rps is 50, 1 a pod asks for 50; not above 3 (schedule night)"


def test_the_first_of_the_largest_proposals_wins() -> None:
    scaling = policy(average("a"), average("b"), average("c"))
    scaled = decide(scaling, facts(4, {"a": 5, "b": 7, "c": 7}), remembered(), NOW)

    assert (scaled.desired, scaled.explanation.by, scaled.explanation.largest) == (7, "b", 7)
    assert [each.replicas for each in scaled.explanation.proposals] == [5, 7, 7]


def test_lowering_waits_for_a_release() -> None:
    memory = remembered((ago(30), 2))
    waiting = facts(8, 2, lowering_waits="release 4-abcde-1 is promoting")
    scaled = decide(policy(), waiting, memory, NOW)

    assert (scaled.desired, scaled.cause) == (8, Cause.WAITING)
    assert scaled.message == (
        "8: rps is 2, 1 a pod asks for 2; nothing is lowered: release 4-abcde-1 is promoting"
    )


def test_a_lowered_maximum_waits_for_a_release_too() -> None:
    waiting = facts(8, 2, lowering_waits="release 4-abcde-1 is promoting")

    assert decide(policy(high=5), waiting, remembered(), NOW).desired == 8
    assert decide(policy(high=5), facts(8, 2), remembered(), NOW).desired == 5


def test_raising_waits_for_no_release() -> None:
    waiting = facts(8, 12, lowering_waits="release 4-abcde-1 is promoting")

    assert decide(policy(), waiting, remembered(), NOW).desired == 12


def test_pods_without_a_node_allow_one_probe_and_no_more() -> None:
    course = Course(policy(), 4)
    course.rounds(4, 1)

    scaled = course.round(20, pending=3)
    assert scaled.desired == 5
    assert scaled.cause is Cause.PENDING
    assert scaled.limited.reason == "CapacityLimited"
    assert scaled.message == (
        "5: rps is 20, 1 a pod asks for 20; not above 8 (twice as many at once); "
        "3 pods fit on no node: not above 5 until they do"
    )
    assert course.rounds(20, 10, pending=4) == [5] * 10
    assert course.rounds(20, 2, pending=0) == [10, 20]


def test_pods_without_a_node_lower_nothing() -> None:
    course = Course(policy(), 8)
    course.rounds(8, 1)

    assert course.rounds(8, 3, pending=5) == [8] * 3


def test_the_minimum_holds_with_pods_without_a_node() -> None:
    assert decide(policy(low=10), facts(4, 4, pending=2), remembered(), NOW).desired == 10


def test_a_limit_never_pushes_against_the_direction() -> None:
    # Thirty were added and twenty taken away by hand since: the start of the period is below 0.
    memory = remembered((ago(30), 20), events=[ScaleEvent(ago(seconds=5), 30)])
    slow = limited(up=[pods(4, 60)], down=[pods(4, 60)])

    assert decide(policy(behavior=slow), facts(10, 20), memory, NOW).desired == 10


@pytest.mark.parametrize(("current", "asked", "word"), [(4, 9, "scaleUp"), (9, 4, "scaleDown")])
def test_a_disabled_direction_stays(current: int, asked: int, word: str) -> None:
    off = Direction((), 0, Select.DISABLED)
    memory = remembered((ago(30), asked))
    scaled = decide(policy(behavior=Behavior(off, off)), facts(current, asked), memory, NOW)

    assert scaled.desired == current
    assert f"{word} is disabled" in scaled.message


def test_each_direction_has_its_own_tolerance() -> None:
    up, down = UNLIMITED_BEHAVIOR.up, UNLIMITED_BEHAVIOR.down
    behavior = Behavior(
        Direction(up.limits, 0, tolerance=0.0), Direction(down.limits, 0, tolerance=0.5)
    )
    memory = remembered((ago(30), 1))

    assert decide(policy(behavior=behavior), facts(10, 10.1), memory, NOW).desired == 11
    assert decide(policy(behavior=behavior), facts(10, 5), memory, NOW).desired == 10
    assert decide(policy(behavior=behavior), facts(10, 4.9), memory, NOW).desired == 5


def test_a_canary_counts_where_the_query_counts_it() -> None:
    # Queue length 1.5 times the target, four stable pods and a canary of four.
    stable = policy(value())
    both = policy(value(query='max(q{pod=~"{{pods}}"})'))
    seen = facts(4, {"queue": 1.5}, ready=4, ready_all=8)

    assert decide(stable, seen, Memory(), NOW).desired == 6
    assert decide(both, seen, Memory(), NOW).desired == 8


def test_replicas_that_fit_the_tolerance_are_kept() -> None:
    scaled = decide(policy(average(target=50)), facts(4, 210), remembered(), NOW)

    assert (scaled.desired, scaled.cause) == (4, Cause.TOLERANCE)
    assert scaled.message == "4: rps is 210, within the tolerance of 50 a pod"


def test_the_message_of_a_raise() -> None:
    scaled = decide(policy(average(target=50)), facts(4, 340), remembered(), NOW)

    assert scaled.message == "7: rps is 340, 50 a pod asks for 7"
    assert (scaled.cause, scaled.explanation.steps) == (Cause.METRIC, ())


def test_the_message_of_a_value() -> None:
    scaled = decide(policy(value(target=0.7)), facts(4, {"queue": 1.4}), remembered(), NOW)

    assert scaled.message == "8: queue is 1.4, a target of 0.7 asks for 8"


def test_the_message_of_a_window() -> None:
    course = Course(policy(behavior=DEFAULT_BEHAVIOR), 8)
    course.rounds(8, 2)
    scaled = course.round(2)

    assert scaled.message == "8: rps is 2, 1 a pod asks for 2; 8 is the highest of the last 5m"
    (step,) = scaled.explanation.steps
    assert (step.cause, step.before, step.after) == (Cause.WINDOW, 2, 8)


def test_the_message_of_a_window_for_raising() -> None:
    course = Course(policy(behavior=windows(60, 300)), 4)
    course.rounds(4, 1)

    assert course.round(9).message == (
        "4: rps is 9, 1 a pod asks for 9; 4 is the lowest of the last 1m"
    )


def test_the_message_of_an_outage_that_has_just_ended() -> None:
    course = Course(policy(behavior=UNLIMITED_BEHAVIOR), 8)
    course.rounds({"rps": OUT}, 1)

    assert course.round(2).message == (
        "8: rps is 2, 1 a pod asks for 2; nothing is lowered so soon after an unknown metric"
    )


def test_several_unknown_metrics_are_counted() -> None:
    scaling = policy(average("a"), average("b"), average("c"))
    scaled = decide(scaling, facts(4, {"a": OUT, "b": OUT, "c": OUT}), remembered(), NOW)

    assert scaled.message == "4: a (Timeout) and 2 more are unknown, nothing is lowered"


def test_what_was_asked_for_before_0_is_forgotten() -> None:
    course = Course(policy(), 9)
    course.rounds(9, 3)
    course.current = 0  # by hand
    assert course.rounds(9, 3) == [0] * 3
    course.current = 2  # by hand

    assert course.rounds(1, 3) == [2] * 3


def test_a_recommendation_is_not_counted_as_a_change() -> None:
    slow = limited(up=[pods(2, 600)])
    seen = facts(4, 50)
    first = decide(policy(behavior=slow), seen, Memory(), at(0))

    assert (first.desired, first.memory.events) == (6, ())
    assert first.after_write.events == (ScaleEvent(at(0), 2),)
    again = decide(policy(behavior=slow), facts(4, 50, asked_at=at(15)), first.memory, at(15))
    assert again.desired == 6
