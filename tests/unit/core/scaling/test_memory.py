"""What is remembered: through status and back, over restarts, within its room."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling.policies import policies, readings
from scaling.rounds import (
    INTERVAL_SECONDS,
    NOW,
    OUT,
    Course,
    ago,
    at,
    average,
    facts,
    limited,
    pods,
    policy,
    windows,
)

from sluice.core.readings import Reason, Unknown
from sluice.core.scaling.decision import decide
from sluice.core.scaling.kept import Memory, Recommendation, Scaled, ScaleEvent
from sluice.core.scaling.limits import MOST_EVENTS, recent
from sluice.core.scaling.policy import Fallback, Scaling
from sluice.core.scaling.remembering import remember
from sluice.core.scaling.shown import shown
from sluice.core.scaling.windows import MOST_KEPT, recommended, stabilized


def restarted(memory: Memory) -> Memory:
    """The memory as another process reads it from the status."""
    scaled = replace(decide(policy(), facts(1, 1), Memory(), NOW), memory=memory)
    return remember(json.loads(json.dumps(shown(scaled))))


@settings(deadline=None)
@given(st.data(), policies(fallback=True), st.integers(1, 60))
def test_what_is_shown_is_remembered(data: st.DataObject, scaling: Scaling, current: int) -> None:
    course = Course(scaling, current)
    for _ in range(data.draw(st.integers(1, 8))):
        # Instants are kept to the millisecond; so a decision's are of such.
        course.seconds += data.draw(st.floats(0, 30))
        scaled = course.round(data.draw(readings(scaling)), pending=data.draw(st.integers(0, 1)))
        assert remember(shown(scaled)) == scaled.memory
        assert remember(shown(scaled, written=True)) == scaled.after_write


@settings(deadline=None, max_examples=150)
@given(st.data(), policies(fallback=True), st.integers(1, 60))
def test_a_restart_at_any_time_changes_nothing(
    data: st.DataObject, scaling: Scaling, current: int
) -> None:
    steady, restarting = Course(scaling, current), Course(scaling, current)
    for _ in range(data.draw(st.integers(1, 30))):
        answers = data.draw(readings(scaling))
        if data.draw(st.booleans()):
            restarting.memory = restarted(restarting.memory)
        assert restarting.round(answers).message == steady.round(answers).message
        assert restarting.current == steady.current


@pytest.mark.parametrize("lost_seconds", [0, 20, 100])
def test_a_restart_in_the_middle_of_a_window_keeps_it(lost_seconds: int) -> None:
    course = Course(policy(behavior=windows(0, 300)), 8)
    course.rounds(8, 10)
    low_since = course.seconds
    assert course.rounds(2, 10) == [8] * 10

    course.memory = restarted(course.memory)
    course.seconds += lost_seconds
    steps = list(course.until(2, 2))

    assert steps[:-1] == [8] * (len(steps) - 1)
    # The last high round was an interval before the first low one.
    assert 285 <= course.seconds - INTERVAL_SECONDS - low_since < 285 + 2 * INTERVAL_SECONDS


def test_a_restart_in_the_middle_of_a_window_for_raising_keeps_it() -> None:
    course = Course(policy(behavior=windows(120, 0)), 2)
    course.rounds(2, 10)
    high_since = course.seconds
    assert course.rounds(8, 4) == [2] * 4

    course.memory = restarted(course.memory)
    list(course.until(8, 8))

    assert course.seconds - INTERVAL_SECONDS - high_since == 120 - INTERVAL_SECONDS


def test_a_restart_in_the_middle_of_a_period_keeps_its_limit() -> None:
    course = Course(policy(behavior=limited(up=[pods(4, 120)])), 2)
    assert course.rounds(50, 3) == [6, 6, 6]

    course.memory = restarted(course.memory)

    assert course.rounds(50, 6) == [6, 6, 6, 6, 6, 10]


def test_a_restart_during_an_outage_keeps_the_fallbacks_clock() -> None:
    scaling = Scaling(1, 20, (average(),), fallback=Fallback(6, 120.0))
    course = Course(scaling, 4)
    course.rounds(4, 1)
    assert course.rounds({"rps": OUT}, 5) == [4] * 5

    course.memory = restarted(course.memory)

    assert course.rounds({"rps": OUT}, 4) == [4, 4, 4, 6]


def test_while_the_operator_is_down_a_recommendation_holds() -> None:
    course = Course(policy(), 8)
    course.rounds(8, 3)
    course.memory = restarted(course.memory)
    course.seconds += 7200

    assert course.rounds(2, 19) == [8] * 19


def test_a_longer_interval_does_not_forget_the_window() -> None:
    course = Course(policy(behavior=windows(0, 300)), 10)
    for _ in range(40):
        course.round(10)
    course.scaling = replace(course.scaling, interval_seconds=600.0)
    assert course.round(3).desired == 10


def test_the_zero_time_of_go_is_no_time() -> None:
    edited = {"unknownSince": "0001-01-01T00:00:00Z", "askedAt": "9999-12-31T23:59:59Z"}
    stored = {**edited, "recommendations": [{"at": "2026-01-01T12:00:00Z", "replicas": 3}]}
    memory = remember(stored)
    assert (memory.unknown_since, memory.asked_at) == (None, None)
    assert len(memory.recommendations) == 1
    decide(policy(), facts(4, 50), memory, NOW)


def test_a_change_of_a_later_time_is_not_counted_until_then() -> None:
    behavior = limited(up=(pods(2, 60),))
    events = (ScaleEvent(at(3600), 2), ScaleEvent(at(5), 1), ScaleEvent(at(-30), 1))
    assert [event.change for event in recent(behavior, events, NOW)] == [1, 1]


def test_a_constant_recommendation_is_remembered_once() -> None:
    course = Course(policy(), 8)
    course.round(8)
    first = course.memory.recommendations
    course.rounds(8, 500)

    assert course.memory.recommendations == first


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=80),
    st.sampled_from([(0, 300), (120, 300), (300, 60), (600, 0)]),
)
def test_what_is_dropped_cannot_matter(course: list[int], seconds: tuple[int, int]) -> None:
    scaling, memory = policy(behavior=windows(*seconds)), Memory()
    everything: list[Recommendation] = []
    for number, wanted in enumerate(course):
        now = at(number * INTERVAL_SECONDS)
        if not number:
            everything.append(Recommendation(now, 20))
        memory = Memory(recommended(memory, scaling, 20, wanted, now))
        everything.append(Recommendation(now, wanted))
        kept = memory.recommendations
        for current in (1, 20, 40):
            for later in (now, at(number * INTERVAL_SECONDS + 100)):
                expected = stabilized(scaling, current, wanted, tuple(everything), later)
                # Now the newest is of this round, as it is in `everything`.
                assert stabilized(scaling, current, wanted, kept, later) == expected


@pytest.mark.parametrize("falling", [True, False])
def test_a_slope_is_kept_within_its_room_and_only_held_longer(falling: bool) -> None:
    scaling, memory = policy(high=2000, behavior=windows(3600, 3600)), Memory()
    everything = []
    for number in range(200):
        now = at(number * INTERVAL_SECONDS)
        wanted = 1000 - number if falling else 1000 + number
        memory = Memory(recommended(memory, scaling, 1000, wanted, now))
        everything.append(Recommendation(now, wanted))
        assert len(memory.recommendations) <= MOST_KEPT + 1

    for minutes in range(48, 110, 3):
        now = at(minutes * 60)
        exact = stabilized(scaling, 1, 1, tuple(everything), now).replicas
        exact_down = stabilized(scaling, 2000, 1, tuple(everything), now).replicas
        assert stabilized(scaling, 1, 1, memory.recommendations, now).replicas <= exact
        kept = stabilized(scaling, 2000, 1, memory.recommendations, now).replicas
        # A thirtieth of the window's slope, or two of its entries.
        assert exact_down <= kept <= exact_down + 20


def test_events_are_kept_within_their_room_and_their_sum() -> None:
    behavior = limited(up=[pods(4, 1800)])
    many = [ScaleEvent(ago(seconds=1500 - 10 * k), 1 + k % 3) for k in range(150)]
    old = [ScaleEvent(ago(seconds=1800), 50)]
    kept = recent(behavior, [*old, *many], NOW)

    assert len(kept) == MOST_EVENTS
    assert sum(event.change for event in kept) == sum(event.change for event in many)
    assert recent(None, many, NOW) == ()


def test_the_status_of_scaling_has_room() -> None:
    names = [f"{'m' * 60}{k:03}" for k in range(20)]
    scaling = Scaling(1, 2**31 - 1, tuple(average(name, 1e12) for name in names))
    out = Unknown(Reason.SEVERAL_SERIES, "x" * 5000)
    memory = Memory(
        tuple(Recommendation(ago(seconds=k), 2**31 - 1 - k) for k in range(2 * MOST_KEPT)),
        tuple(ScaleEvent(ago(seconds=k), -(2**30)) for k in range(MOST_EVENTS)),
        NOW,
        NOW,
        NOW,
        NOW,
        NOW,
        2**31 - 1,
    )
    scaled = decide(scaling, facts(7, dict.fromkeys(names, out)), Memory(), NOW)
    scaled = replace(scaled, memory=memory, desired=9, message="m" * 5000)
    stored: Mapping[str, Any] = {}
    for _ in range(20):
        stored = shown(scaled, stored, written=True)

    assert len(json.dumps(stored)) < 20 * 1024
    assert len(stored["changes"]) == 5


def test_the_last_changes_are_shown() -> None:
    course, stored = Course(policy(), 2), dict[str, Any]()
    for load in (3, 3, 6, 9):
        stored = shown(course.round(load), stored, written=True)

    assert [(each["from"], each["to"]) for each in stored["changes"]] == [(2, 3), (3, 6), (6, 9)]
    assert stored["changes"][0]["message"] == "3: rps is 3, 1 a pod asks for 3"


def test_the_wire_form_of_a_decision() -> None:
    course = Course(policy(average(target=50), average("lag"), high=6), 4)
    scaled = course.round({"rps": 340, "lag": OUT})

    assert shown(scaled, written=True) == {
        "current": 4,
        "desired": 6,
        "decision": {
            "at": "2026-11-02T12:00:00.000Z",
            "cause": "Bound",
            "message": "6: rps is 340, 50 a pod asks for 7; lag is unknown (Timeout); "
            "not above 6 (maxReplicas)",
            "active": "ValidMetricFound",
            "limited": "TooManyReplicas",
            "floor": 1,
            "ceiling": 6,
            "metrics": [
                {
                    "name": "rps",
                    "kind": "averageValue",
                    "target": "50",
                    "value": "340",
                    "proposal": 7,
                    "ratio": "1.7",
                },
                {"name": "lag", "kind": "averageValue", "target": "1", "unknown": "Timeout"},
            ],
            "largest": 7,
            "by": "rps",
            "steps": [{"cause": "Bound", "from": 7, "to": 6, "why": "not above 6 (maxReplicas)"}],
        },
        "changes": [
            {
                "at": "2026-11-02T12:00:00.000Z",
                "from": 4,
                "to": 6,
                "message": scaled.message,
            }
        ],
        "recommendations": [
            {"at": "2026-11-02T12:00:00.000Z", "replicas": 7},
        ],
        "events": [{"at": "2026-11-02T12:00:00.000Z", "change": 2}],
        "askedAt": "2026-11-02T12:00:00.000Z",
        "unknownSince": "2026-11-02T12:00:00.000Z",
    }


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["2026-11-02T12:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
entries = st.lists(
    st.fixed_dictionaries({"at": json_values, "replicas": json_values, "change": json_values}),
    max_size=4,
)
garbage = st.fixed_dictionaries(
    {},
    optional={
        "recommendations": json_values | entries,
        "events": json_values | entries,
        "changes": json_values | entries,
        "decision": json_values,
        "askedAt": json_values,
        "unknownSince": json_values,
        "unknownUntil": json_values,
        "unansweredSince": json_values,
        "unansweredAt": json_values,
        "probe": json_values,
    },
)


@settings(deadline=None)
@given(st.data(), garbage | json_values, policies(fallback=True))
def test_a_status_that_somebody_has_edited_stops_nothing(
    data: st.DataObject, stored: Any, scaling: Scaling
) -> None:
    course = Course(scaling, 5, remember(stored))
    for _ in range(4):
        scaled: Scaled = course.round(data.draw(readings(scaling)), pending=1)
        assert remember(shown(scaled, stored if isinstance(stored, dict) else {})) == scaled.memory
