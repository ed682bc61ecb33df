"""`spec.scaling` on the wire, in the manner of `models`: schema, descriptions and checks.

`behavior` is autoscaling/v2's, field for field, with its defaults and its bounds.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from sluice.api import rules, scaling_rules
from sluice.api.rules import validations
from sluice.api.scaling_values import (
    CronStart,
    NonNegativeQuantity,
    PositiveQuantity,
    TimeZone,
    check_schedule_name,
)
from sluice.api.values import (
    IntervalDuration,
    PositiveDuration,
    check_metric_name,
    check_query,
    check_source,
)
from sluice.api.wire import Wire

MAX_METRICS: Final = 20
MAX_POLICIES: Final = 20
MAX_SCHEDULES: Final = 20
_BY_NAME: Final[dict[str, Any]] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}


def _replicas(description: str, default: Any = ...) -> Any:
    return Field(
        default=default, ge=1, le=scaling_rules.MAX_REPLICAS, description=description, strict=True
    )


class Target(Wire):
    """What the metric's value is held at."""

    model_config = ConfigDict(json_schema_extra=validations(scaling_rules.ONE_TARGET))

    average_value: PositiveQuantity | None = Field(
        default=None,
        description="So much per pod: the query gives the sum of all pods. A quantity such as 50, "
        '"0.7" or 500m.',
    )
    value: PositiveQuantity | None = Field(
        default=None,
        description="The query's value itself is held at this: twice as much asks for twice as "
        'many pods. A quantity such as 100, "0.7" or 500m.',
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        scaling_rules.ONE_TARGET.require((self.average_value is None) != (self.value is None))
        return self


class ScalingMetric(Wire):
    """A query and the value it is held at, as an External metric of autoscaling/v2."""

    name: Annotated[str, AfterValidator(check_metric_name)] = Field(
        max_length=63,
        description="Names the metric in status, events and messages.",
        json_schema_extra=validations(rules.METRIC_NAME),
    )
    query: Annotated[str, AfterValidator(check_query)] = Field(
        min_length=1,
        max_length=rules.MAX_QUERY_LENGTH,
        description="PromQL that gives one value. Placeholders: {{namespace}} and {{name}} of the "
        "Deployment; {{pods}}, {{stable}} and {{canary}} are regular expressions of pod names.",
        json_schema_extra=validations(rules.PLACEHOLDER),
    )
    target: Target


class RateLimit(Wire):
    """At most so much change within a period."""

    type: Literal["Pods", "Percent"] = Field(description="What value counts.")
    value: int = Field(
        ge=1,
        le=scaling_rules.MAX_REPLICAS,
        description="So many pods, or percent of the pods at the period's start.",
    )
    period_seconds: int = Field(
        ge=1, le=1800, description="The period that ends now, in seconds: 1 to 1800."
    )


def _check_policies(policies: tuple[RateLimit, ...]) -> tuple[RateLimit, ...]:
    scaling_rules.POLICIES_GIVEN.require(bool(policies))
    return policies


Policies = Annotated[
    tuple[RateLimit, ...],
    Field(strict=False, max_length=MAX_POLICIES),
    AfterValidator(_check_policies),
]
_POLICIES_SCHEMA: Final[dict[str, Any]] = {
    "x-kubernetes-list-type": "atomic",
    **validations(scaling_rules.POLICIES_GIVEN),
}


def _window(default: int, which: str) -> Any:
    return Field(
        default=default,
        ge=0,
        le=3600,
        description=f"The {which} recommendation of so many seconds counts: 0 to 3600.",
    )


class _Direction(Wire):
    select_policy: Literal["Max", "Min", "Disabled"] = Field(
        default="Max",
        description="Max: the policy that allows the largest change holds. Min: the smallest. "
        "Disabled: never this way.",
    )
    tolerance: NonNegativeQuantity = Field(
        default="0.1",
        description="A metric this near its target, as a ratio, changes nothing.",
    )


class ScaleUp(_Direction):
    """How fast replicas may rise."""

    stabilization_window_seconds: int = _window(0, "lowest")
    policies: Policies = Field(
        default=(
            RateLimit(type="Pods", value=4, period_seconds=15),
            RateLimit(type="Percent", value=100, period_seconds=15),
        ),
        description="How many pods may be added, and how soon.",
        json_schema_extra=_POLICIES_SCHEMA,
    )


class ScaleDown(_Direction):
    """How fast replicas may fall."""

    stabilization_window_seconds: int = _window(300, "highest")
    policies: Policies = Field(
        default=(RateLimit(type="Percent", value=100, period_seconds=15),),
        description="How many pods may be removed, and how soon.",
        json_schema_extra=_POLICIES_SCHEMA,
    )


class Behavior(Wire):
    """How fast replicas may rise and fall."""

    scale_up: ScaleUp = Field(default_factory=ScaleUp, json_schema_extra={"default": {}})
    scale_down: ScaleDown = Field(default_factory=ScaleDown, json_schema_extra={"default": {}})


class Fallback(Wire):
    """Replicas while no metric answers."""

    replicas: int = _replicas("Raise to so many, within the bounds; more are never lowered to it.")
    after: PositiveDuration = Field(
        default="3m", description="Once no metric has answered for so long, such as 3m."
    )


class Schedule(Wire):
    """A floor, a ceiling or both, for a time that comes again."""

    model_config = ConfigDict(
        json_schema_extra=validations(scaling_rules.SCHEDULE_BOUND, scaling_rules.SCHEDULE_ORDERED)
    )

    name: Annotated[str, AfterValidator(check_schedule_name)] = Field(
        max_length=63,
        description="Names the schedule in status, events and messages.",
        json_schema_extra=validations(scaling_rules.SCHEDULE_NAME),
    )
    start: CronStart = Field(
        description="When it begins: five cron fields (minute, hour, day of month, month, day of "
        "week), such as 0 8 * * 1-5.",
    )
    duration: PositiveDuration = Field(
        description="How long it lasts from each start, such as 10h."
    )
    time_zone: TimeZone = Field(
        default="UTC", description="The IANA time zone of start, such as Europe/Berlin."
    )
    min_replicas: int | None = _replicas("At least so many while it lasts.", None)
    max_replicas: int | None = _replicas(
        "At most so many while it lasts, in the place of scaling's maxReplicas. Of several "
        "schedules the highest floor and the lowest ceiling hold, and the floor wins.",
        None,
    )

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        low, high = self.min_replicas, self.max_replicas
        scaling_rules.SCHEDULE_BOUND.require(low is not None or high is not None)
        scaling_rules.SCHEDULE_ORDERED.require(low is None or high is None or low <= high)
        return self


def _check_metrics(metrics: tuple[ScalingMetric, ...]) -> tuple[ScalingMetric, ...]:
    scaling_rules.SCALING_METRICS_GIVEN.require(bool(metrics))
    names = {metric.name for metric in metrics}
    scaling_rules.SCALING_METRICS_UNIQUE.require(len(names) == len(metrics))
    return metrics


def _check_schedules(schedules: tuple[Schedule, ...]) -> tuple[Schedule, ...]:
    names = {schedule.name for schedule in schedules}
    scaling_rules.SCHEDULES_UNIQUE.require(len(names) == len(schedules))
    return schedules


class Scaling(Wire):
    """Replicas by metrics, with autoscaling/v2's arithmetic; no data never lowers them."""

    model_config = ConfigDict(json_schema_extra=validations(scaling_rules.BOUNDS_ORDERED))

    mode: Literal["Active", "Recommend"] = Field(
        default="Active",
        description="Active: carry decisions out. Recommend: decide and show, never write.",
    )
    min_replicas: int = _replicas("Never fewer replicas than these.")
    max_replicas: int = _replicas("Never more replicas than these.")
    interval: IntervalDuration = Field(
        default="15s", description="How often the metrics are read, from 1s to 10m."
    )
    source: Annotated[str, AfterValidator(check_source)] = Field(
        default="default",
        max_length=63,
        description="A metric source named in the operator's configuration.",
        json_schema_extra=validations(rules.SOURCE),
    )
    metrics: Annotated[
        tuple[ScalingMetric, ...],
        Field(strict=False, max_length=MAX_METRICS),
        AfterValidator(_check_metrics),
    ] = Field(
        description="Each proposes a number of replicas, and the largest counts. While one is "
        "unknown nothing is lowered.",
        json_schema_extra={**_BY_NAME, **validations(scaling_rules.SCALING_METRICS_GIVEN)},
    )
    behavior: Behavior | None = Field(
        default=None,
        description="How fast replicas may rise and fall, as in autoscaling/v2. Left out: up to "
        "twice as many at a time, or to 4, and down to the highest recommendation of 5m.",
    )
    fallback: Fallback | None = Field(
        default=None, description="Replicas while no metric answers. Left out: those there are."
    )
    schedules: Annotated[
        tuple[Schedule, ...],
        Field(strict=False, max_length=MAX_SCHEDULES),
        AfterValidator(_check_schedules),
    ] = Field(
        default=(),
        description="Floors and ceilings by the clock.",
        json_schema_extra=_BY_NAME,
    )

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        scaling_rules.BOUNDS_ORDERED.require(self.min_replicas <= self.max_replicas)
        return self
