"""The Rollout's spec on the wire.

The models are the source of the CRD's schema and the check of stored objects. What a field means
is said in its description, which `kubectl explain` shows; the relations are in `rules`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from sluice.api import rules
from sluice.api.rules import validations
from sluice.api.scaling import Scaling
from sluice.api.values import (
    Confidence,
    Duration,
    IntervalDuration,
    Number,
    PositiveDuration,
    Tolerance,
    Weight,
    check_histogram,
    check_metric_name,
    check_query,
    check_selector,
    check_source,
    check_target_name,
)
from sluice.api.wire import Wire

MAX_STEPS: Final = 20
MAX_METRICS: Final = 20


def _default(value: Any) -> dict[str, Any]:
    return {"default": value}


class TargetRef(Wire):
    """The Deployment that is released."""

    model_config = ConfigDict(json_schema_extra=validations(rules.TARGET_FIXED))

    api_version: Literal["apps/v1"] = Field(default="apps/v1", description="Always apps/v1.")
    kind: Literal["Deployment"] = Field(default="Deployment", description="Always Deployment.")
    name: Annotated[str, AfterValidator(check_target_name)] = Field(
        max_length=63,
        description="The Deployment's name, in the Rollout's namespace.",
        json_schema_extra=validations(rules.TARGET_NAME),
    )


class Step(Wire):
    """One step of a release."""

    weight: Weight = Field(description="The canary's share of the pods, in percent.")
    duration: Duration = Field(
        default="0s",
        description="How long the step lasts once its canary is available, such as 30s.",
    )
    approval: Literal["Required", "NotRequired"] = Field(
        default="NotRequired", description="Required: the step ends only with the command promote."
    )


class NoData(Wire):
    """What follows when a metric's value is unknown."""

    after: PositiveDuration = Field(
        default="2m", description="Unknown for so long, such as 2m; until then it holds."
    )
    action: Literal["Pause", "Rollback", "Continue"] = Field(
        default="Pause",
        description="Pause: hold until data or a command comes. Rollback. Continue: go on without.",
    )


class LowTraffic(Wire):
    """What follows when the canary gets too few requests to be judged by."""

    after: PositiveDuration = Field(
        default="30m",
        description="Fewer than minRequests for so long in one step, such as 30m; until then it "
        "waits for them.",
    )
    action: Literal["Pause", "Continue"] = Field(
        default="Pause", description="Pause: hold until they come, or a command. Continue: go on."
    )


def _selector(description: str) -> Any:
    return Field(
        max_length=rules.MAX_SELECTOR_LENGTH,
        description=description,
        json_schema_extra=validations(rules.SELECTOR, rules.OWN_LABELS),
    )


class Counters(Wire):
    """Two counters, compared between the canary's pods and the stable version's."""

    bad: Annotated[str, AfterValidator(check_selector)] = _selector(
        'Which requests were bad, such as http_requests_total{code=~"5.."}; without namespace and '
        "pod."
    )
    total: Annotated[str, AfterValidator(check_selector)] = _selector(
        "All requests, the bad ones among them, such as http_requests_total."
    )


class Metric(Wire):
    """What is measured: counters or a histogram of both versions, or a query with a range."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rules.ONE_FORM,
            rules.RANGE_GIVEN,
            rules.RANGE_ORDERED,
            rules.RATIO_MAX,
            rules.NOT_OF_COMPARISONS,
            rules.MAX_NOT_OF_HISTOGRAMS,
            rules.TOLERANCE_OF_COMPARISONS,
        )
    )

    name: Annotated[str, AfterValidator(check_metric_name)] = Field(
        max_length=63,
        description="Names the metric in status, events and messages.",
        json_schema_extra=validations(rules.METRIC_NAME),
    )
    query: Annotated[str, AfterValidator(check_query)] | None = Field(
        default=None,
        min_length=1,
        max_length=rules.MAX_QUERY_LENGTH,
        description="PromQL that gives one value. Placeholders: {{namespace}} and {{name}} of the "
        "Deployment; {{canary}}, {{stable}} and {{pods}} are regular expressions of pod names.",
        json_schema_extra=validations(rules.PLACEHOLDER),
    )
    min: Number | None = Field(
        default=None, description="The smallest good value: a whole number, or a decimal in quotes."
    )
    max: Number | None = Field(
        default=None, description="The greatest good value: a whole number, or a decimal in quotes."
    )
    failure_limit: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Readings in a row out of range that are still accepted.",
    )
    counters: Counters | None = Field(
        default=None,
        description="The ratio of bad to all requests, compared with the stable version's.",
    )
    histogram: Annotated[str, AfterValidator(check_histogram)] | None = Field(
        default=None,
        max_length=rules.MAX_SELECTOR_LENGTH,
        description="A classic histogram, such as http_request_duration_seconds: how many requests "
        "are slower, compared with the stable version's.",
        json_schema_extra=validations(rules.HISTOGRAM, rules.HISTOGRAM_SUFFIX, rules.OWN_LABELS),
    )
    tolerance: Tolerance | None = Field(
        default=None,
        description="How many times the stable version's ratio is still accepted, at least 1; "
        "1 where it is left out. For counters and histogram.",
    )

    @model_validator(mode="after")
    def _relations(self) -> Self:
        forms = [form for form in (self.counters, self.histogram, self.query) if form is not None]
        rules.ONE_FORM.require(len(forms) == 1)
        if self.query is not None:
            rules.RANGE_GIVEN.require(self.min is not None or self.max is not None)
            rules.TOLERANCE_OF_COMPARISONS.require(self.tolerance is None)
        else:
            rules.NOT_OF_COMPARISONS.require(self.min is None and not self.failure_limit)
        if self.histogram is not None:
            rules.MAX_NOT_OF_HISTOGRAMS.require(self.max is None)
        if self.min is not None and self.max is not None:
            rules.RANGE_ORDERED.require(float(self.min) <= float(self.max))
        if self.counters is not None and self.max is not None:
            rules.RATIO_MAX.require(0 < float(self.max) < 0.99)
        return self


def _length(metric: Metric) -> int:
    counters = metric.counters
    texts = [metric.query, metric.histogram]
    texts += [counters.bad, counters.total] if counters else []
    return sum(len(text or "") for text in texts)


def _check_metrics(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    rules.QUERIES_LENGTH.require(sum(map(_length, metrics)) <= rules.MAX_QUERIES_LENGTH)
    rules.METRICS_UNIQUE.require(len({metric.name for metric in metrics}) == len(metrics))
    return metrics


class Analysis(Wire):
    """What is measured during a release, and what follows from it."""

    source: Annotated[str, AfterValidator(check_source)] = Field(
        default="default",
        max_length=63,
        description="A metric source named in the operator's configuration.",
        json_schema_extra=validations(rules.SOURCE),
    )
    interval: IntervalDuration = Field(
        default="10s", description="How often the metrics are read, from 1s to 10m."
    )
    confidence: Confidence = Field(
        default="0.99",
        description="The chance, at least, that a good release is not rolled back by comparison, "
        "over the whole release: from 0.5 to below 1.",
    )
    initial_delay: Duration | None = Field(
        default=None,
        description="For so long after its start a pod's metrics are not judged, such as 30s. "
        "Left out: 30s for a histogram, else 0s.",
    )
    min_requests: int = Field(
        default=100,
        ge=1,
        le=1_000_000_000,
        description="Requests that the canary must have got in a step before the step can pass; "
        "for counters and histogram.",
    )
    low_traffic: LowTraffic = Field(default_factory=LowTraffic, json_schema_extra=_default({}))
    no_data: NoData = Field(default_factory=NoData, json_schema_extra=_default({}))
    on_failure: Literal["Rollback", "Pause"] = Field(
        default="Rollback", description="What a failed metric leads to."
    )
    metrics: Annotated[
        tuple[Metric, ...],
        Field(strict=False, max_length=MAX_METRICS),
        AfterValidator(_check_metrics),
    ] = Field(
        default=(),
        description="All must be good for a step to pass. Without any, only the pods are watched.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            **validations(rules.QUERIES_LENGTH),
        },
    )


def _check_steps(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    rules.STEPS_GIVEN.require(bool(steps))
    weights = [step.weight for step in steps]
    rules.ASCENDING.require(all(a < b for a, b in pairwise(weights)))
    return steps


class Canary(Wire):
    """How a new template is released."""

    steps: Annotated[
        tuple[Step, ...],
        Field(strict=False, max_length=MAX_STEPS),
        AfterValidator(_check_steps),
    ] = Field(
        default=(Step(weight=10, duration="2m"), Step(weight=50, duration="3m")),
        description="The steps of a release, with rising weights.",
        json_schema_extra={
            "x-kubernetes-list-type": "atomic",
            **validations(rules.STEPS_GIVEN, rules.ASCENDING),
        },
    )
    progress_deadline: PositiveDuration = Field(
        default="10m",
        description="How long the canary may have fewer available pods than wanted "
        "before it is rolled back, such as 10m.",
    )
    crash_restarts: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Restarts of one canary container, while the stable version's does not crash, "
        "after which the release is rolled back at once.",
    )
    analysis: Analysis = Field(default_factory=Analysis, json_schema_extra=_default({}))


class RolloutSpec(Wire):
    """What the user asks for."""

    target_ref: TargetRef
    paused: bool = Field(default=False, description="Hold the release where it is.")
    canary: Canary = Field(default_factory=Canary, json_schema_extra=_default({}))
    scaling: Scaling | None = Field(
        default=None,
        description="Replicas by metrics, with autoscaling/v2's arithmetic; no data never lowers "
        "them. Left out: replicas belong to whoever sets them.",
    )
