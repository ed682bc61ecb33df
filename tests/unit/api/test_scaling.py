"""`spec.scaling` becomes the core's policy, or sentences that say what to write."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api import scaling_rules
from sluice.api.convert import InvalidSpec, policy_of
from sluice.api.scaling_values import time_zones
from sluice.core.scaling.policy import (
    Behavior,
    Direction,
    Fallback,
    Mode,
    PolicyKind,
    RateLimit,
    Scaling,
    ScalingMetric,
    Schedule,
    Select,
    TargetKind,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "scaling.yaml"
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)

LEAST: dict[str, Any] = {
    "minReplicas": 2,
    "maxReplicas": 20,
    "metrics": [{"name": "rps", "query": "up", "target": {"averageValue": 50}}],
}
DEFAULT_UP = Direction(
    (RateLimit(PolicyKind.PODS, 4, 15), RateLimit(PolicyKind.PERCENT, 100, 15)), 0
)
DEFAULT_DOWN = Direction((RateLimit(PolicyKind.PERCENT, 100, 15),), 300)


def scaling_of(**changes: Any) -> Scaling:
    scaling = policy_of({"targetRef": {"name": "web"}, "scaling": {**LEAST, **changes}}).scaling
    assert scaling is not None
    return scaling


def problems_of(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidSpec) as caught:
        scaling_of(**changes)
    return caught.value.problems


def schedule(**changes: Any) -> dict[str, Any]:
    plain = {"name": "office", "start": "0 8 * * 1-5", "duration": "10h", "minReplicas": 6}
    return {**plain, **changes}


def test_without_scaling_there_is_none() -> None:
    assert policy_of({"targetRef": {"name": "web"}}).scaling is None


def test_what_is_left_out_has_the_core_s_defaults() -> None:
    metric = ScalingMetric("rps", "up", TargetKind.AVERAGE_VALUE, 50_000)

    assert scaling_of() == Scaling(2, 20, (metric,))


def test_every_field_reaches_the_policy() -> None:
    assert scaling_of(
        mode="Recommend",
        interval="30s",
        source="other",
        metrics=[
            {"name": "rps", "query": 'x{pod=~"{{pods}}"}', "target": {"averageValue": "0.5"}},
            {"name": "queue", "query": "y", "target": {"value": "1m"}},
        ],
        behavior={
            "scaleUp": {
                "stabilizationWindowSeconds": 60,
                "selectPolicy": "Min",
                "policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}],
                "tolerance": "50m",
            },
            "scaleDown": {"selectPolicy": "Disabled", "tolerance": 0},
        },
        fallback={"replicas": 6, "after": "90s"},
        schedules=[schedule(timeZone="Europe/Berlin", maxReplicas=40)],
    ) == Scaling(
        2,
        20,
        (
            ScalingMetric("rps", 'x{pod=~"{{pods}}"}', TargetKind.AVERAGE_VALUE, 500),
            ScalingMetric("queue", "y", TargetKind.VALUE, 1),
        ),
        mode=Mode.RECOMMEND,
        interval_seconds=30.0,
        source="other",
        behavior=Behavior(
            Direction((RateLimit(PolicyKind.PODS, 2, 30),), 60, Select.MIN, 0.05),
            Direction(DEFAULT_DOWN.limits, 300, Select.DISABLED, 0.0),
        ),
        fallback=Fallback(6, 90.0),
        schedules=(Schedule("office", "0 8 * * 1-5", 36000.0, "Europe/Berlin", 6, 40),),
    )


@pytest.mark.parametrize("behavior", [{}, {"scaleUp": {}}, {"scaleDown": {}}])
def test_a_behavior_block_of_any_size_has_autoscaling_s_defaults(behavior: Any) -> None:
    """SetDefaults_HorizontalPodAutoscalerBehavior in kubernetes/pkg/apis/autoscaling/v2."""
    assert scaling_of(behavior=behavior).behavior == Behavior(DEFAULT_UP, DEFAULT_DOWN)


def test_a_fallback_comes_after_three_minutes() -> None:
    assert scaling_of(fallback={"replicas": 6}).fallback == Fallback(6, 180.0)


def test_the_example_is_accepted() -> None:
    spec = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["spec"]

    scaling = policy_of(spec).scaling

    assert scaling is not None
    assert [metric.target_milli for metric in scaling.metrics] == [50_000, 500]


# --- schedules

CRONS = ["* * * * *", "*/15 0-6,8 1,15 * MON-FRI", "0 0 L * *", "0 0 LW 2 *", "0 0 * * 5L"]
CRONS += ["5/10 22-23/1 31 JAN,mar sun#2", "59 23 31 12 7", "0 8 1 1 1"]


@pytest.mark.parametrize("start", CRONS)
def test_cron_s_ways_of_writing_are_accepted(start: str) -> None:
    scaling_of(schedules=[schedule(start=start)])


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("0 8 * * 5-1", "the day of week never comes or is none"),
        ("0 8 30 2 *", "the day of month never comes or is none"),
        ("0 8 * FOO *", "the month never comes or is none"),
        ("*/0 8 * * *", "the minute never comes or is none"),
        ("0 8-9-10 * * *", "the hour never comes or is none"),
        ("0 8 */31 * 1#5", "it never comes"),
        ("0 8 * * ", "write five cron fields"),
        ("0 8 * * 1-5\n", "write five cron fields"),
        ("0 8 * * \u0661", "write five cron fields"),
        ("", "write five cron fields"),
    ],
)
def test_what_only_looks_like_cron_is_told_with_the_field(start: str, said: str) -> None:
    (problem,) = problems_of(schedules=[schedule(start=start)])

    assert problem.startswith("spec.scaling.schedules[0].start is ")
    assert said in problem
    assert problem.endswith("such as 0 8 * * 1-5")


@settings(deadline=None)
@given(
    st.from_regex(scaling_rules.CRON_PATTERN, fullmatch=True).filter(lambda text: len(text) < 99)
)
def test_what_the_pattern_lets_through_is_accepted_or_told(start: str) -> None:
    try:
        moment = next(CronSim(start, NOON))
    except (CronSimError, StopIteration):
        moment = None
    if moment is None:
        assert "write five cron fields" in problems_of(schedules=[schedule(start=start)])[0]
    else:
        scaling_of(schedules=[schedule(start=start)])


atoms = st.one_of(
    st.just("*"),
    st.integers(0, 70).map(str),
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.integers(1, 40).map(lambda step: f"*/{step}"),
    st.sampled_from(["L", "LW", "MON", "dec", "2#1", "5L", "?", "1W", "@daily", "1-5/2"]),
)


@settings(deadline=None)
@given(st.lists(st.lists(atoms, min_size=1, max_size=2).map(",".join), min_size=4, max_size=6))
def test_the_pattern_refuses_nothing_that_comes(fields: list[str]) -> None:
    """But steps wider than their field, which come once a field, as its first number does."""
    start = " ".join(fields)
    wide = any(int(step) > 12 for step in re.findall("/([0-9]+)", start))
    try:
        CronSim(start, NOON)
        good = len(fields) == 5
    except CronSimError:
        good = False

    assert wide or good <= (re.fullmatch(scaling_rules.CRON_PATTERN, start) is not None)


def test_every_time_zone_is_accepted_and_found() -> None:
    assert len(time_zones()) > 400
    for name in time_zones():
        assert len(name) <= scaling_rules.MAX_ZONE_LENGTH
        assert re.fullmatch(scaling_rules.ZONE_PATTERN, name)
        ZoneInfo(name)


@pytest.mark.parametrize("name", ["Local", "", "europe/berlin", "../etc/passwd", "CEST", "+01:00"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    (problem,) = problems_of(schedules=[schedule(timeZone=name)])

    assert "write an IANA time zone such as Europe/Berlin or UTC" in problem


def test_a_misspelt_time_zone_is_guessed() -> None:
    (problem,) = problems_of(schedules=[schedule(timeZone="Europe/Berlni")])

    assert problem == (
        "spec.scaling.schedules[0].timeZone is 'Europe/Berlni': write an IANA time zone such as "
        "Europe/Berlin or UTC; did you mean Europe/Berlin?"
    )


# --- anything else

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=8,
)
FULL: dict[str, Any] = {
    **LEAST,
    "mode": "Active",
    "interval": "15s",
    "source": "default",
    "behavior": {
        "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}]},
        "scaleDown": {"tolerance": "0.2", "selectPolicy": "Min"},
    },
    "fallback": {"replicas": 3, "after": "1m"},
    "schedules": [schedule(maxReplicas=9, timeZone="UTC")],
}
PLACES: list[tuple[str | int, ...]] = [
    *((name,) for name in FULL),
    ("metrics", 0, "target"),
    ("metrics", 0, "target", "averageValue"),
    ("metrics", 0, "query"),
    ("behavior", "scaleUp", "policies"),
    ("behavior", "scaleUp", "policies", 0, "value"),
    ("behavior", "scaleDown", "tolerance"),
    ("fallback", "replicas"),
    *(("schedules", 0, name) for name in FULL["schedules"][0]),
]


@settings(deadline=None)
@given(st.sampled_from(PLACES), json_values)
def test_any_json_at_any_place_gives_a_policy_or_problems(
    place: tuple[str | int, ...], value: object
) -> None:
    changed = copy.deepcopy(FULL)
    inside: Any = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value

    try:
        scaling = scaling_of(**changed)
    except InvalidSpec as invalid:
        check_problems(invalid.problems)
    else:
        check_rules(scaling)


def check_problems(problems: tuple[str, ...]) -> None:
    assert problems
    assert all(problem.startswith("spec.scaling") for problem in problems)
    "".join(problems).encode()  # must be fit for the API server


def check_rules(scaling: Scaling) -> None:
    assert 1 <= scaling.min_replicas <= scaling.max_replicas
    assert scaling.metrics
    assert all(metric.target_milli >= 1 for metric in scaling.metrics)
    assert 1 <= scaling.interval_seconds <= 600
