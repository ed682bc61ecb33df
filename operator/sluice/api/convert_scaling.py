"""From `spec.scaling` to the core's policy."""

from __future__ import annotations

from sluice.api import scaling as wire
from sluice.api.durations import parse_seconds
from sluice.api.quantities import parse, parse_milli
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


def scaling_of(scaling: wire.Scaling) -> Scaling:
    """The core's policy of a spec that the models have accepted."""
    fallback, behavior = scaling.fallback, scaling.behavior
    return Scaling(
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        metrics=tuple(_metric(metric) for metric in scaling.metrics),
        mode=Mode(scaling.mode),
        interval_seconds=parse_seconds(scaling.interval),
        source=scaling.source,
        behavior=_behavior(behavior) if behavior else None,
        fallback=Fallback(fallback.replicas, parse_seconds(fallback.after)) if fallback else None,
        schedules=tuple(_schedule(schedule) for schedule in scaling.schedules),
    )


def _metric(metric: wire.ScalingMetric) -> ScalingMetric:
    target = metric.target
    if target.value is not None:
        kind, quantity = TargetKind.VALUE, target.value
    else:
        assert target.average_value is not None
        kind, quantity = TargetKind.AVERAGE_VALUE, target.average_value
    return ScalingMetric(metric.name, metric.query, kind, parse_milli(quantity))


def _behavior(behavior: wire.Behavior) -> Behavior:
    return Behavior(up=_direction(behavior.scale_up), down=_direction(behavior.scale_down))


def _direction(direction: wire.ScaleUp | wire.ScaleDown) -> Direction:
    return Direction(
        limits=tuple(
            RateLimit(PolicyKind(limit.type), limit.value, limit.period_seconds)
            for limit in direction.policies
        ),
        window_seconds=direction.stabilization_window_seconds,
        select=Select(direction.select_policy),
        tolerance=float(parse(direction.tolerance)),
    )


def _schedule(schedule: wire.Schedule) -> Schedule:
    return Schedule(
        name=schedule.name,
        start=schedule.start,
        duration_seconds=parse_seconds(schedule.duration),
        time_zone=schedule.time_zone,
        min_replicas=schedule.min_replicas,
        max_replicas=schedule.max_replicas,
    )
