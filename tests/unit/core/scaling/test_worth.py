"""What is worth a write of the status, and what a restart loses where nothing was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling.policies import policies
from scaling.rounds import OUT, Course, average, limited, pods, policy, windows

from sluice.core.readings import Answer
from sluice.core.scaling.kept import Memory, Scaled
from sluice.core.scaling.policy import Behavior, Fallback, Scaling
from sluice.core.scaling.remembering import remember
from sluice.core.scaling.shown import shown
from sluice.core.scaling.worth import worth_keeping

HOUR = 240  # rounds


@dataclass
class Operator(Course):
    """An operator that writes its status where that is worth it, and counts the writes."""

    stored: Mapping[str, Any] = field(default_factory=dict)
    writes: int = 0

    def round(self, answers: Mapping[str, Answer | float] | float, **others: object) -> Scaled:
        scaled = super().round(answers, **others)
        if worth_keeping(self.stored, scaled, self.scaling):
            self.stored = shown(scaled, self.stored, written=True)
            self.writes += 1
        return scaled

    def restart(self) -> None:
        """Another process, which has only the status."""
        self.memory = remember(self.stored)


def settled(scaling: Scaling, current: int) -> Operator:
    """An operator whose metric has asked for the present number for a while."""
    operator = Operator(scaling, current)
    operator.rounds(current, 10)
    operator.writes = 0
    return operator


def test_a_settled_system_writes_nothing() -> None:
    operator = settled(policy(), 8)
    for number in range(HOUR):
        operator.round(7.9 + 0.2 * (number % 2))

    assert (operator.current, operator.writes) == (8, 0)


@pytest.mark.parametrize(
    ("loads", "current", "most"),
    [
        # Once a minute what informs; and where it was stored that less is asked for, the rise.
        pytest.param([3, 2], 3, 120, id="one pod more or less"),
        pytest.param([8, 6, 7, 5], 8, 120, id="up to what there is"),
        pytest.param([31, 45, 38, 52], 20, 60, id="above the maximum"),
        pytest.param([0, 1, 0.5], 2, 60, id="below the minimum"),
    ],
)
def test_what_flickers_does_not_write_every_round(
    loads: list[float], current: int, most: int
) -> None:
    operator = settled(policy(low=2, high=20), current)
    operator.round(loads[0])
    operator.writes = 0
    for number in range(HOUR):
        operator.round(loads[number % len(loads)])

    assert operator.current == current
    assert operator.writes <= most


def test_a_value_that_moved_by_a_tenth_is_shown_after_a_minute() -> None:
    operator = settled(policy(), 8)
    operator.rounds(8.5, 10)
    assert operator.writes == 0
    operator.rounds(7.1, 10)
    assert operator.writes == 1
    assert operator.stored["decision"]["metrics"][0]["value"] == "7.1"


def test_a_change_is_written_at_once() -> None:
    operator = settled(policy(), 8)
    operator.round(12)

    assert operator.writes == 1
    assert (operator.stored["current"], operator.stored["desired"]) == (8, 12)


def test_an_unknown_metric_is_written_at_once_and_so_is_its_return() -> None:
    operator = settled(policy(), 8)
    operator.rounds({"rps": OUT}, 20)
    assert operator.writes == 1
    operator.rounds(8, 4)
    assert operator.writes == 2


def test_pods_without_a_node_are_written_at_once() -> None:
    operator = settled(policy(), 8)
    operator.round(8, pending=2)
    assert operator.stored["probe"] == 9
    operator.round(8)
    assert "probe" not in operator.stored


def test_the_same_readings_again_are_worth_nothing() -> None:
    operator = settled(policy(), 8)
    scaled = replace(operator.round(12), fresh=False)

    assert not worth_keeping({}, scaled, operator.scaling)


def test_the_fallbacks_clock_is_written_until_it_is_due() -> None:
    scaling = Scaling(1, 20, (average(),), fallback=Fallback(6, 180.0))
    operator = settled(scaling, 8)
    operator.rounds({"rps": OUT}, HOUR)

    # The outage itself, and every half minute of three minutes.
    assert 2 <= operator.writes <= 7

    restarting = settled(scaling, 4)
    restarting.rounds({"rps": OUT}, 9)
    restarting.restart()
    assert restarting.rounds({"rps": OUT}, 4) == [4, 4, 4, 6]


def test_without_a_fallback_an_outage_is_written_once() -> None:
    operator = settled(policy(), 8)
    operator.rounds({"rps": OUT}, HOUR)

    assert operator.writes == 1


def test_a_write_that_failed_is_made_up_for() -> None:
    operator = settled(policy(behavior=limited(up=[pods(2, 600)])), 8)
    before = operator.stored
    operator.round(20)
    operator.stored = before
    operator.round(20)

    assert operator.stored["events"] == [{"at": "2026-11-02T12:02:30.000Z", "change": 2}]


@pytest.mark.parametrize("rounds_after", range(6))
def test_a_window_is_kept_to_an_interval_whenever_the_operator_restarts(rounds_after: int) -> None:
    behavior = windows(0, 120)
    steady, restarting = (
        settled(policy(behavior=behavior), 8),
        settled(policy(behavior=behavior), 8),
    )
    steady.rounds(2, rounds_after)
    restarting.rounds(2, rounds_after)
    restarting.restart()

    list(steady.until(2, 2))
    list(restarting.until(2, 2))
    assert 0 <= restarting.seconds - steady.seconds <= 15


loads = st.lists(st.integers(0, 12), min_size=1, max_size=40)


@settings(deadline=None, max_examples=300)
@given(loads, st.integers(0, 40), st.sampled_from([None, windows(0, 60), windows(0, 300)]))
def test_a_restart_never_lowers_sooner(
    course: list[int], where: int, behavior: Behavior | None
) -> None:
    steady, restarting = (
        Operator(policy(behavior=behavior), 8),
        Operator(policy(behavior=behavior), 8),
    )
    for number, load in enumerate(course):
        if number == where:
            restarting.restart()
        steady.round(load)
        restarting.round(load)
        assert restarting.current >= steady.current
        if restarting.current != steady.current:
            return


@settings(deadline=None, max_examples=100)
@given(policies(), st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_what_is_stored_stands_for_what_is_remembered(scaling: Scaling, course: list[int]) -> None:
    operator = Operator(scaling, 5)
    for load in course:
        operator.round({metric.name: load for metric in scaling.metrics})
        kept = remember(operator.stored)
        assert set(operator.memory.events) <= set(kept.events)
        assert kept.probe == operator.memory.probe
        assert (kept.unknown_since is None) is (operator.memory.unknown_since is None)


@given(st.dictionaries(st.sampled_from(["decision", "desired"]), st.none() | st.integers()))
def test_a_status_that_somebody_has_edited_is_written_anew(stored: dict[str, Any]) -> None:
    scaled = Course(policy(), 8, Memory()).round(8)

    assert worth_keeping(stored, scaled, policy())
