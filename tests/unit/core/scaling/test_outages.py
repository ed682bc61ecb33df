"""What is not known: it lowers nothing, neither at once nor just after."""

from __future__ import annotations

import pytest
from scaling.rounds import (
    NOW,
    OUT,
    UNLIMITED_BEHAVIOR,
    Course,
    ago,
    at,
    average,
    facts,
    policy,
    remembered,
    value,
    windows,
)

from sluice.core.readings import Answer, Known, Matrix, Reason, Unknown
from sluice.core.scaling.decision import decide
from sluice.core.scaling.kept import Cause, Memory
from sluice.core.scaling.policy import Behavior, Fallback, Scaling

TWO = (average(), average("lag"))


def with_fallback(replicas: int = 6, after_seconds: float = 180.0) -> Scaling:
    scaling = policy(high=20)
    return Scaling(1, 20, scaling.metrics, fallback=Fallback(replicas, after_seconds))


@pytest.mark.parametrize("reason", list(Reason))
def test_no_reason_for_knowing_nothing_lowers(reason: Reason) -> None:
    scaled = decide(policy(), facts(4, {"rps": Unknown(reason)}), remembered((ago(30), 1)), NOW)

    assert scaled.desired == 4
    assert scaled.cause is Cause.UNKNOWN
    assert scaled.message == f"4: rps is unknown ({reason}), nothing is lowered"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Known(float("nan")), "NotFinite"),
        (Known(float("-inf")), "NotFinite"),
        (Matrix(()), "WrongType"),
    ],
)
def test_what_is_no_number_is_unknown(answer: Answer, reason: str) -> None:
    scaled = decide(policy(), facts(4, {"rps": answer}), remembered((ago(30), 1)), NOW)

    assert scaled.desired == 4
    assert scaled.explanation.proposals[0].unknown == reason


def test_a_known_metric_raises_beside_an_unknown_one() -> None:
    scaled = decide(policy(*TWO), facts(4, {"rps": 7, "lag": OUT}), remembered(), NOW)

    assert scaled.desired == 7
    assert scaled.active.status is True
    assert "lag is unknown (Timeout)" in scaled.active.message
    assert scaled.message == "7: rps is 7, 1 a pod asks for 7; lag is unknown (Timeout)"


def test_a_metric_that_nobody_has_asked_yet_lowers_nothing() -> None:
    scaled = decide(policy(*TWO), facts(4, {"rps": 1}), remembered((ago(30), 1)), NOW)

    assert scaled.desired == 4
    assert scaled.explanation.proposals[1].unknown == "NotAsked"


def test_without_any_reading_nothing_is_decided() -> None:
    memory = remembered((ago(30), 1))
    scaled = decide(policy(), facts(4), memory, NOW)

    assert (scaled.desired, scaled.fresh, scaled.memory) == (4, False, memory)


def test_the_same_readings_decide_once() -> None:
    # Four pods at 1.75 times the target; then seven are ready, and the value is of before.
    scaling = policy(value())
    first = decide(scaling, facts(4, {"queue": 1.75}, asked_at=at(0)), Memory(), at(0))
    again = facts(7, {"queue": 1.75}, asked_at=at(0))
    second = decide(scaling, again, first.after_write, at(5))

    assert first.desired == 7
    assert (second.desired, second.fresh) == (7, False)


def test_pods_of_which_none_is_ready_are_not_without_load() -> None:
    scaled = decide(
        policy(value()), facts(4, {"queue": 5.0}, ready=0), remembered((ago(30), 1)), NOW
    )

    assert scaled.desired == 4
    assert scaled.explanation.proposals[0].unknown == "NoReadyPods"
    assert scaled.active.reason == "FailedComputeMetricsReplicas"


@pytest.mark.parametrize("behavior", [None, windows(0, 300), windows(300, 300)])
def test_after_an_outage_the_window_begins_again(behavior: Behavior | None) -> None:
    course = Course(policy(behavior=behavior), 8)
    course.rounds(8, 3)
    assert course.rounds(OUT_ALL, 40) == [8] * 40

    back = course.seconds
    lower = list(course.until(2, 2))
    assert lower[:-1] == [8] * (len(lower) - 1)
    waited = course.seconds - 15 - back
    assert 300 <= waited <= 315


def test_without_a_window_the_first_low_reading_after_an_outage_is_not_believed() -> None:
    course = Course(policy(behavior=UNLIMITED_BEHAVIOR), 8)
    course.rounds(8, 3)
    course.rounds(OUT_ALL, 40)

    assert course.rounds(2, 2) == [8, 2]


def test_an_outage_that_comes_and_goes_lowers_nothing() -> None:
    course = Course(policy(behavior=windows(0, 60)), 8)
    course.rounds(8, 1)

    for _ in range(10):
        assert course.rounds(2, 3) == [8] * 3
        assert course.rounds(OUT_ALL, 1) == [8]


def test_the_first_sight_of_a_deployment_does_not_lower_it_before_its_window() -> None:
    course = Course(policy(), 8)

    assert course.rounds(2, 20) == [8] * 20
    assert course.rounds(2, 2) == [8, 2]


def test_the_fallback_raises_when_nothing_has_answered_for_so_long() -> None:
    course = Course(with_fallback(), 4)
    course.rounds(4, 2)

    assert course.rounds(OUT_ALL, 12) == [4] * 12
    scaled = course.round(OUT_ALL)
    assert scaled.desired == 6
    assert scaled.cause is Cause.FALLBACK
    assert scaled.message == (
        "6: rps is unknown (Timeout), nothing is lowered; "
        "no metric has answered for 3m: fallback to 6"
    )
    assert course.rounds(OUT_ALL, 40) == [6] * 40


def test_the_fallback_never_lowers() -> None:
    course = Course(with_fallback(replicas=2), 4)

    assert course.rounds(OUT_ALL, 40) == [4] * 40


def test_the_fallback_does_not_exceed_the_bounds() -> None:
    course = Course(with_fallback(replicas=500), 4)

    assert course.rounds(OUT_ALL, 20)[-1] == 20


def test_one_metric_that_answers_is_no_case_for_the_fallback() -> None:
    scaling = Scaling(1, 20, TWO, fallback=Fallback(6, 60.0))
    course = Course(scaling, 4)

    assert course.rounds({"rps": 2, "lag": OUT}, 40) == [4] * 40


def test_while_nobody_asks_there_is_no_outage() -> None:
    course = Course(with_fallback(), 4)
    course.rounds(OUT_ALL, 4)
    course.seconds += 3600  # the operator is away

    # A minute was asked in before, less a last interval; two minutes more are to be asked in.
    assert course.rounds(OUT_ALL, 8) == [4] * 8
    assert course.round(OUT_ALL).desired == 6


def test_a_short_absence_does_not_stop_the_fallbacks_clock() -> None:
    course = Course(with_fallback(), 4)
    course.rounds(OUT_ALL, 4)
    course.seconds += 30

    assert course.rounds(OUT_ALL, 6) == [4] * 6
    assert course.round(OUT_ALL).desired == 6


OUT_ALL = {"rps": OUT}


def test_an_outage_does_not_lengthen_a_window_for_raising() -> None:
    course = Course(policy(behavior=windows(300, 300)), 2)
    course.rounds(2, 3)
    course.rounds(OUT_ALL, 40)

    assert course.round(8).desired == 8


def test_what_was_asked_for_before_an_outage_does_not_raise_after_it() -> None:
    course = Course(policy(high=5), 5)
    course.rounds(9, 3)
    course.rounds(OUT_ALL, 40)
    course.scaling = policy(high=20)

    assert course.rounds(3, 10) == [5] * 10
