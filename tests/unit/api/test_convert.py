from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.api.convert import MAX_PROBLEMS, InvalidSpec, policy_of, target_of
from sluice.core.policy import Analysis, Metric, Policy, Step

ROOT = Path(__file__).parents[3]
BAD_OBJECTS = sorted((ROOT / "tests/e2e/bad_objects").glob("*.yaml"))

FULL: dict[str, Any] = {
    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    "paused": True,
    "canary": {
        "steps": [
            {"weight": 10, "duration": "1m", "approval": "NotRequired"},
            {"weight": 50, "duration": "1h30m", "approval": "Required"},
        ],
        "progressDeadline": "5m",
        "analysis": {
            "source": "other",
            "interval": "500ms500ms",
            "initialDelay": "30s",
            "noData": {"after": "3m", "action": "Rollback"},
            "onFailure": "Pause",
            "metrics": [
                {"name": "errors", "query": "up", "min": -1, "max": "0.05", "failureLimit": 2},
                {"name": "queue", "query": 'x{pod=~"{{canary}}"}', "max": 100},
            ],
        },
    },
}


def with_metric(**fields: Any) -> dict[str, Any]:
    metric = {"name": "errors", "query": "up", **fields}
    return {"targetRef": {"name": "web"}, "canary": {"analysis": {"metrics": [metric]}}}


def problems_of(spec: object) -> tuple[str, ...]:
    with pytest.raises(InvalidSpec) as caught:
        policy_of(spec)
    return caught.value.problems


def test_a_spec_without_choices_has_the_core_s_defaults() -> None:
    assert policy_of({"targetRef": {"name": "web"}}) == Policy("web")


def test_every_field_reaches_the_policy() -> None:
    assert policy_of(FULL) == Policy(
        "web",
        paused=True,
        steps=(Step(10, 60.0), Step(50, 5400.0, approval_required=True)),
        progress_deadline_seconds=300.0,
        analysis=Analysis(
            source="other",
            interval_seconds=1.0,
            initial_delay_seconds=30.0,
            no_data_after_seconds=180.0,
            no_data_action="Rollback",
            on_failure="Pause",
            metrics=(
                Metric("errors", "up", -1.0, 0.05, 2),
                Metric("queue", 'x{pod=~"{{canary}}"}', None, 100.0),
            ),
        ),
    )


def test_every_field_of_a_comparison_reaches_the_policy() -> None:
    counters = {"bad": 'a{code=~"5.."}', "total": "a"}
    metrics = [
        {"name": "errors", "counters": counters, "tolerance": "1.5", "max": "0.05"},
        {"name": "latency", "histogram": 'b{job="web"}'},
    ]
    analysis = {
        "confidence": "0.95",
        "minRequests": 500,
        "lowTraffic": {"after": "10m", "action": "Continue"},
        "metrics": metrics,
    }
    assert policy_of(
        {"targetRef": {"name": "web"}, "canary": {"analysis": analysis}}
    ).analysis == Analysis(
        confidence=0.95,
        min_requests=500,
        low_traffic_after_seconds=600.0,
        low_traffic_action="Continue",
        metrics=(
            Metric("errors", maximum=0.05, counters=('a{code=~"5.."}', "a"), tolerance=1.5),
            Metric("latency", histogram='b{job="web"}'),
        ),
    )


def test_fields_of_a_newer_crd_are_ignored() -> None:
    assert policy_of({"targetRef": {"name": "web"}, "gateway": {"name": "public"}}) == Policy("web")


def test_all_placeholders_may_be_used() -> None:
    query = 'x{a="{{namespace}}{{name}}",b=~"{{canary}}|{{stable}}|{{pods}}"}'

    assert policy_of(with_metric(query=query, max=1)).analysis.metrics[0].query == query


@pytest.mark.parametrize("path", BAD_OBJECTS, ids=lambda path: path.stem)
def test_what_kubectl_apply_refuses_the_operator_refuses_too(path: Path) -> None:
    """Each file says what `kubectl apply` must print, and where that differs what we say."""
    text = path.read_text(encoding="utf-8")
    headers = dict(line[2:].split(": ", 1) for line in text.splitlines() if line.startswith("# "))
    expected = headers.get("policy", headers["expect"])
    spec = yaml.safe_load(text)["spec"]

    if expected == "accepted":
        policy_of(spec)
    else:
        (problem,) = problems_of(spec)
        assert problem.startswith("spec.")
        assert expected in problem


def test_a_problem_names_the_field_the_value_and_what_to_write() -> None:
    spec = {"targetRef": {"name": "web"}, "canary": {"steps": [{"weight": 10, "duration": 90}]}}

    assert problems_of(spec) == (
        "spec.canary.steps[0].duration is 90: write a duration such as 30s, 5m or 1h30m",
    )


def test_every_problem_is_told_at_once() -> None:
    spec = {"canary": {"progressDeadline": "0s", "analysis": {"interval": "1ms"}}, "paused": 1}

    assert [problem.split(":")[0] for problem in problems_of(spec)] == [
        "spec.targetRef is missing",
        "spec.paused is 1",
        "spec.canary.progressDeadline is '0s'",
        "spec.canary.analysis.interval is '1ms'",
    ]


def test_many_and_long_problems_are_cut() -> None:
    steps = [{"weight": 1000 * "x"}] * 20
    problems = problems_of({"targetRef": {"name": "web"}, "canary": {"steps": steps}})

    assert len(problems) == MAX_PROBLEMS
    assert all(len(problem) < 200 for problem in problems)


NO_NUMBERS: list[object] = [math.nan, math.inf, -math.inf, 0.5, 10**30, True, [], {}]
NO_NUMBERS += ["NaN", "1e5", "", " 1", "1\n", "0x10", "1" * 40]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_limit_that_is_no_finite_decimal_is_refused(value: object) -> None:
    (problem,) = problems_of(with_metric(max=value))

    assert "metrics[0].max" in problem
    assert 'write a decimal number such as 5 or "0.05"' in problem


@pytest.mark.parametrize(
    ("minimum", "maximum"), [(1, 1), ("1.0", 1), ("-0.5", "0.5"), (-(10**18), 10**18), (None, 0)]
)
def test_a_range_in_order_is_accepted(minimum: object, maximum: object) -> None:
    policy_of(with_metric(min=minimum, max=maximum))


def test_the_target_is_found_in_an_invalid_spec() -> None:
    assert target_of({"targetRef": {"name": "web"}, "canary": 7}) == "web"


@pytest.mark.parametrize(
    "spec", [None, [], {}, {"targetRef": None}, {"targetRef": "web"}, {"targetRef": {"name": 5}}]
)
def test_a_spec_without_a_target_has_none(spec: object) -> None:
    assert target_of(spec) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=8,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in items:
        yield value, key
        yield from places(child)


@settings(deadline=None)
@given(json_values)
def test_any_json_gives_a_policy_or_problems(spec: object) -> None:
    check_total(spec)


@settings(deadline=None)
@given(st.data(), json_values)
def test_any_json_at_any_place_gives_a_policy_or_problems(data: Any, value: object) -> None:
    spec = copy.deepcopy(FULL)
    container, key = data.draw(st.sampled_from(list(places(spec))))
    container[key] = value

    check_total(spec)
    target_of(spec)


def check_total(spec: object) -> None:
    try:
        policy = policy_of(spec)
    except InvalidSpec as error:
        check_problems(error.problems)
    else:
        check_rules(policy)


def check_problems(problems: tuple[str, ...]) -> None:
    assert problems
    assert all(problem.startswith("spec") for problem in problems)
    "".join(problems).encode()  # must be fit for the API server


def check_rules(policy: Policy) -> None:
    weights = [step.weight for step in policy.steps]
    assert weights
    assert weights == sorted(set(weights))
    assert all(1 <= weight <= 99 for weight in weights)
    assert 1 <= policy.analysis.interval_seconds <= 600
    assert policy.progress_deadline_seconds > 0
    assert policy.analysis.no_data_after_seconds > 0
    for metric in policy.analysis.metrics:
        limits = [limit for limit in (metric.minimum, metric.maximum) if limit is not None]
        assert limits
        assert limits == sorted(limits)
        assert all(math.isfinite(limit) for limit in limits)
