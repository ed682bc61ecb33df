"""Releases in virtual time: how each scenario ends, and that nothing is left to chance twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.policy import Analysis, Metric, NoDataAction, Policy, Step
from sluice.model.meters import NoMeter
from sluice.model.scenario import Given, Order, Scenario, Span, Story
from sluice.model.simulation import play
from sluice.model.traffic import Version

QUERY = (
    'sum(rate(requests{pod=~"{{canary}}",code=~"5.."}[30s]))'
    ' / sum(rate(requests{pod=~"{{canary}}"}[30s]))'
)
ERRORS = Metric("errors", QUERY, maximum=0.01)
GOOD = Version(error_ratio=0.0)
BAD = Version(error_ratio=1.0)


def scenario(metric: Metric = ERRORS, action: NoDataAction = "Pause", **fields: object) -> Scenario:
    analysis = Analysis(no_data_after_seconds=30.0, no_data_action=action, metrics=(metric,))
    policy = Policy("web", steps=(Step(10, 60.0), Step(50, 60.0)), analysis=analysis)
    return Scenario(**{"policy": policy, **fields})  # type: ignore[arg-type]


def whats(story: Story) -> list[str]:
    return [moment.what for moment in story.moments]


steps = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 90)),
    min_size=1,
    max_size=4,
    unique_by=lambda s: s[0],
)


@settings(deadline=None, max_examples=20, derandomize=True, database=None)
@given(steps, st.integers(1, 12), st.integers(0, 20), st.integers(0, 99))
def test_a_good_release_ends_healthy_when_its_steps_and_starts_are_over(
    planned: list[tuple[int, int]], replicas: int, start: int, seed: int
) -> None:
    ordered = sorted(planned)
    wanted = scenario(replicas=replicas, pod_start_seconds=float(start), seed=seed)
    policy = replace(wanted.policy, steps=tuple(Step(w, float(d)) for w, d in ordered))
    story = play(replace(wanted, policy=policy))
    assert story.outcome == "Healthy"
    assert story.decided_seconds is not None
    durations, interval = sum(duration for _, duration in ordered), 10.0
    assert story.decided_seconds >= durations
    assert story.decided_seconds <= durations + (len(ordered) + 1) * (start + interval)
    assert story.least_ready == replicas
    assert (story.lost, story.new.failed) == (0, 0)


@settings(deadline=None, max_examples=10, derandomize=True, database=None)
@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 99))
def test_a_version_that_only_fails_is_rolled_back_at_its_first_reading(
    replicas: int, start: int, seed: int
) -> None:
    story = play(scenario(replicas=replicas, pod_start_seconds=float(start), canary=BAD, seed=seed))
    assert story.outcome == "RolledBack"
    assert story.decided_seconds is not None
    assert start <= story.decided_seconds <= start + 10.0
    assert story.least_ready == replicas


def test_the_same_seed_gives_the_same_story_and_another_one_other_errors() -> None:
    some = scenario(canary=Version(0.005))
    assert play(some) == play(some)
    failed = {play(replace(some, seed=seed)).new.failed for seed in range(5)}
    assert len(failed) > 1


@pytest.mark.parametrize(
    ("action", "outcome", "decided"),
    [("Pause", "Paused", None), ("Rollback", "RolledBack", 35.0), ("Continue", "Healthy", None)],
)
def test_metrics_that_are_away_for_good_lead_to_what_no_data_says(
    action: NoDataAction, outcome: str, decided: float | None
) -> None:
    story = play(scenario(action=action, metrics_down=(Span(6.0),)))
    assert story.outcome == outcome
    if decided is not None:
        assert story.decided_seconds == decided


def test_metrics_that_come_back_in_time_change_nothing() -> None:
    assert play(scenario(metrics_down=(Span(20, 45),))).decided_seconds == 130.0
    assert play(scenario()).decided_seconds == 130.0


def test_metrics_that_are_away_hold_a_release_until_they_are_back() -> None:
    story = play(scenario(metrics_down=(Span(20, 200),)))
    assert story.outcome == "Healthy"
    assert whats(story).count("holds") >= 1
    passed = next(m.at_seconds for m in story.moments if m.what == "grow to the next step")
    assert 200.0 <= passed <= 210.0


def test_a_crash_loop_is_rolled_back_at_the_third_restart() -> None:
    story = play(scenario(crash_after_seconds=2.0))
    assert story.outcome == "RolledBack"
    # Starts at 0, 2, 14 and 36 seconds; pods are looked at every two.
    assert story.decided_seconds is not None
    assert 36.0 <= story.decided_seconds <= 38.0
    assert story.new.total == 0


def test_an_operator_that_is_away_delays_a_release_and_changes_nothing_else() -> None:
    story = play(scenario(operator_down=(Span(50, 100),)))
    assert story.outcome == "Healthy"
    assert story.decided_seconds == 165.0, "step 1 was over at 65"
    assert "operator starts" in whats(story)
    assert not any(50 <= m.at_seconds < 100 and m.ours for m in story.moments)


def test_an_approval_is_awaited_and_given_by_a_command() -> None:
    held = scenario()
    step = replace(held.policy.steps[1], approval_required=True)
    held = replace(held, policy=replace(held.policy, steps=(held.policy.steps[0], step)))
    assert play(held).outcome == "Paused"
    given = play(replace(held, orders=(Order(300.0, "promote"),)))
    assert (given.outcome, given.decided_seconds) == ("Healthy", 300.0)


def test_a_rollback_after_the_promotion_brings_the_old_version_back() -> None:
    story = play(scenario(orders=(Order(300.0, "rollback"),)))
    assert story.outcome == "RolledBack"
    assert story.moments[-1].old.ready == 8
    assert story.moments[-1].new.ready == 0
    assert story.least_ready == 8


def test_a_given_value_goes_before_what_was_simulated() -> None:
    story = play(scenario(values={"errors": (Given(0.5, Span(20, 30)),)}))
    assert (story.outcome, story.decided_seconds) == ("RolledBack", 20.0)


def test_a_query_that_cannot_be_known_needs_a_value() -> None:
    depth = Metric("queue", 'avg(queue_depth{pod=~"{{canary}}"})', maximum=9)
    with pytest.raises(NoMeter, match="queue"):
        play(scenario(depth))
    assert play(scenario(depth, values={"queue": (Given(3),)})).outcome == "Healthy"
    story = play(scenario(depth, values={"queue": (Given(10),)}))
    assert (story.outcome, story.decided_seconds) == ("RolledBack", 5.0)


@pytest.mark.parametrize(
    ("metric", "outcome"),
    [
        (Metric("good", QUERY.replace("=~\"5", "!~\"5", 1), minimum=0.99), "RolledBack"),
        (Metric("all", QUERY.replace("{{canary}}", "{{pods}}"), maximum=0.2), "Healthy"),
        (Metric("p99", 'histogram_quantile(0.99,rate(x{pod=~"{{canary}}"}[1m]))', maximum=0.2),
         "RolledBack"),
    ],
)  # fmt: skip
def test_other_shapes_of_queries(metric: Metric, outcome: str) -> None:
    canary = Version(error_ratio=0.3, latency_seconds=0.5)
    assert play(scenario(metric, canary=canary)).outcome == outcome


def test_without_an_operator_nothing_is_decided() -> None:
    story = play(scenario(operator_down=(Span(),)))
    assert (story.outcome, story.decided_seconds, story.ended_seconds) == ("UnderWay", None, 0.0)
    assert story.least_ready == 8


def test_what_comes_after_the_end_is_not_waited_for_but_a_command_is() -> None:
    assert play(scenario(metrics_down=(Span(900),))).ended_seconds == 130.0
    story = play(scenario(canary=BAD, orders=(Order(60.0, "retry"),)))
    assert [moment.at_seconds for moment in story.moments if moment.warning] == [10.0, 70.0]
    assert (story.outcome, story.decided_seconds) == ("RolledBack", 70.0)


def test_it_ends_where_it_is_told_to() -> None:
    story = play(scenario(until_seconds=90.0))
    assert (story.outcome, story.ended_seconds) == ("UnderWay", 90.0)


# --- comparisons

COUNTED = Metric("errors", counters=('requests_total{code=~"5.."}', "requests_total"))
TIMED = Metric("latency", histogram="request_seconds")


@pytest.mark.parametrize(
    ("metric", "stable", "canary", "outcome"),
    [
        (COUNTED, Version(0.01), Version(0.01), "Healthy"),
        (COUNTED, Version(0.01), Version(0.08), "RolledBack"),
        (replace(COUNTED, tolerance=20.0), Version(0.01), Version(0.08), "Healthy"),
        (COUNTED, Version(0.2), Version(0.2), "Healthy"),
        (replace(COUNTED, maximum=0.05), Version(0.2), Version(0.2), "RolledBack"),
        (TIMED, Version(latency_seconds=0.2), Version(latency_seconds=0.2), "Healthy"),
        (TIMED, Version(latency_seconds=0.2), Version(latency_seconds=0.4), "RolledBack"),
        (TIMED, Version(latency_seconds=0.2), Version(latency_seconds=0.1), "Healthy"),
    ],
)
def test_a_canary_is_compared_with_the_version_before(
    metric: Metric, stable: Version, canary: Version, outcome: str
) -> None:
    story = play(scenario(metric, stable=stable, canary=canary))
    assert story.outcome == outcome, story.why


def test_a_canary_with_few_requests_waits_for_more() -> None:
    story = play(scenario(COUNTED, per_second=0.3))
    assert story.outcome == "Paused"
    assert "of 100 requests in this step (minRequests)" in story.why
    assert story.ended_seconds > 1800.0


def test_an_operator_that_was_away_finds_the_evidence_in_the_counters() -> None:
    """The same errors, counted when it is back: two intervals are there at once."""
    bad = scenario(COUNTED, stable=Version(0.001), canary=Version(0.05))
    seen = play(bad).decided_seconds
    assert seen is not None
    away = play(replace(bad, operator_down=(Span(8.0, 50.0),)))
    assert away.outcome == "RolledBack"
    assert away.decided_seconds is not None
    assert away.decided_seconds - 50.0 < seen
