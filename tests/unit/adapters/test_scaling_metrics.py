"""What the operator's metrics say of scaling: what is, and nothing of what is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from sluice.adapters.scaling_metrics import ScalingMetrics
from sluice.core.scaling.kept import Cause, Explanation, Memory, Proposal, Said, Scaled
from sluice.core.scaling.policy import TargetKind
from sluice.ports import Key

KEY = Key("shop", "web")
PLACE = {"namespace": "shop", "rollout": "web"}
SAID = Said(status=True, reason="ValidMetricFound", message="all metrics answer")


def proposal(name: str, value: float | None) -> Proposal:
    return Proposal(name, TargetKind.AVERAGE_VALUE, 50_000, value)


def scaled(*proposals: Proposal, fresh: bool = True) -> Scaled:
    return Scaled(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        current=4,
        desired=7,
        cause=Cause.METRIC,
        message="7: rps is 340, 50 a pod asks for 7",
        explanation=Explanation(1, 20, proposals),
        memory=Memory(),
        active=SAID,
        limited=SAID,
        fresh=fresh,
    )


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_a_decision_shows_replicas_values_and_its_reason(registry: CollectorRegistry) -> None:
    shown = ScalingMetrics(registry)
    shown.scaled(KEY, scaled(proposal("rps", 340.0), proposal("queue", None)))
    read = registry.get_sample_value
    assert read("sluice_scaling_current_replicas", PLACE) == 4
    assert read("sluice_scaling_desired_replicas", PLACE) == 7
    assert read("sluice_scaling_metric_value", {**PLACE, "metric": "rps"}) == 340
    assert read("sluice_scaling_metric_known", {**PLACE, "metric": "rps"}) == 1
    assert read("sluice_scaling_metric_value", {**PLACE, "metric": "queue"}) is None
    assert read("sluice_scaling_metric_known", {**PLACE, "metric": "queue"}) == 0
    assert read("sluice_scaling_decisions_total", {"reason": "Metric"}) == 1


def test_a_value_that_is_not_known_any_more_is_not_shown(registry: CollectorRegistry) -> None:
    shown = ScalingMetrics(registry)
    shown.scaled(KEY, scaled(proposal("rps", 340.0)))
    shown.scaled(KEY, scaled(proposal("rps", None)))
    assert (
        registry.get_sample_value("sluice_scaling_metric_value", {**PLACE, "metric": "rps"}) is None
    )


def test_what_decides_nothing_new_counts_nothing_and_keeps_the_values(
    registry: CollectorRegistry,
) -> None:
    shown = ScalingMetrics(registry)
    shown.scaled(KEY, scaled(proposal("rps", 340.0)))
    shown.scaled(KEY, replace(scaled(fresh=False), current=7))
    read = registry.get_sample_value
    assert read("sluice_scaling_current_replicas", PLACE) == 7
    assert read("sluice_scaling_metric_value", {**PLACE, "metric": "rps"}) == 340
    assert read("sluice_scaling_decisions_total", {"reason": "Metric"}) == 1


def test_metrics_that_left_the_spec_and_rollouts_that_are_gone_leave_nothing(
    registry: CollectorRegistry,
) -> None:
    shown, other = ScalingMetrics(registry), Key("shop", "other")
    shown.scaled(KEY, scaled(proposal("rps", 340.0), proposal("queue", 3.0)))
    shown.scaled(other, scaled(proposal("rps", 1.0)))
    shown.scaled(KEY, scaled(proposal("rps", 340.0)))
    assert series(registry, "web") == {"current", "desired", "value rps", "known rps"}
    shown.forget(KEY)
    shown.forget(KEY)
    assert series(registry, "web") == set()
    assert series(registry, "other") == {"current", "desired", "value rps", "known rps"}
    shown.clear()
    assert series(registry, "other") == set()


def series(registry: CollectorRegistry, rollout: str) -> set[str]:
    """What is shown of one Rollout, in short."""
    return {
        " ".join(
            (
                sample.name.removeprefix("sluice_scaling_")
                .removeprefix("metric_")
                .removesuffix("_replicas"),
                *filter(None, [sample.labels.get("metric")]),
            )
        )
        for family in registry.collect()
        for sample in family.samples
        if sample.labels.get("rollout") == rollout
    }
