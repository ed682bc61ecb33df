"""From a stored spec to the core's policy.

Objects may have been stored before a rule existed, or without the CRD's defaults: the models
repeat every rule, and what is wrong comes back as sentences that say what to write instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sluice.api import models
from sluice.api.convert_scaling import scaling_of
from sluice.api.durations import parse_seconds
from sluice.core.policy import Analysis, Metric, Policy, Step

MAX_PROBLEMS: Final = 10
_MAX_VALUE: Final = 60
# What to write instead, by pydantic's type of error; our own rules bring their sentence along.
_ADVICE: Final = {
    "bool_type": "write true or false",
    "dict_type": "write an object with fields",
    "greater_than_equal": "write a number of at least {ge}",
    "int_type": "write a whole number",
    "less_than_equal": "write a number of at most {le}",
    "literal_error": "write {expected}",
    "model_type": "write an object with fields",
    "string_too_long": "write at most {max_length} characters",
    "string_too_short": "write at least {min_length} character",
    "string_type": "write text",
    "string_unicode": "write text in valid Unicode",
    "too_long": "write at most {max_length} items",
    "too_short": "write at least {min_length} item",
    "tuple_type": "write a list",
}


class InvalidSpec(ValueError):
    """A stored spec that no release can be made from. `problems` are sentences for the user."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def policy_of(spec: object) -> Policy:
    """The spec as the core's policy, defaults filled in. InvalidSpec for any other JSON."""
    try:
        return _policy(
            models.RolloutSpec.model_validate(dict(spec) if isinstance(spec, Mapping) else spec)
        )
    except ValidationError as error:
        problems = [_sentence(detail) for detail in error.errors(include_url=False)]
    raise InvalidSpec(tuple(dict.fromkeys(problems))[:MAX_PROBLEMS])


def target_of(spec: object) -> str:
    """The name of the Deployment, also where the rest of the spec is invalid; empty without one."""
    reference = spec.get("targetRef") if isinstance(spec, Mapping) else None
    name = reference.get("name") if isinstance(reference, Mapping) else None
    return name if isinstance(name, str) else ""


def _policy(spec: models.RolloutSpec) -> Policy:
    canary = spec.canary
    return Policy(
        target=spec.target_ref.name,
        paused=spec.paused,
        steps=tuple(
            Step(step.weight, parse_seconds(step.duration), step.approval == "Required")
            for step in canary.steps
        ),
        progress_deadline_seconds=parse_seconds(canary.progress_deadline),
        crash_restarts=canary.crash_restarts,
        analysis=_analysis(canary.analysis),
        scaling=scaling_of(spec.scaling) if spec.scaling else None,
    )


def _analysis(analysis: models.Analysis) -> Analysis:
    return Analysis(
        source=analysis.source,
        interval_seconds=parse_seconds(analysis.interval),
        confidence=float(analysis.confidence),
        initial_delay_seconds=(
            None if analysis.initial_delay is None else parse_seconds(analysis.initial_delay)
        ),
        min_requests=analysis.min_requests,
        low_traffic_after_seconds=parse_seconds(analysis.low_traffic.after),
        low_traffic_action=analysis.low_traffic.action,
        no_data_after_seconds=parse_seconds(analysis.no_data.after),
        no_data_action=analysis.no_data.action,
        on_failure=analysis.on_failure,
        metrics=tuple(_metric(metric) for metric in analysis.metrics),
    )


def _metric(metric: models.Metric) -> Metric:
    counters = metric.counters
    return Metric(
        name=metric.name,
        query=metric.query or "",
        minimum=None if metric.min is None else float(metric.min),
        maximum=None if metric.max is None else float(metric.max),
        failure_limit=metric.failure_limit,
        counters=(counters.bad, counters.total) if counters else None,
        histogram=metric.histogram or "",
        tolerance=1.0 if metric.tolerance is None else float(metric.tolerance),
    )


def _sentence(detail: ErrorDetails) -> str:
    """One problem: the field, the value where it is short and simple, what to write instead."""
    path = _path(detail["loc"])
    if detail["type"] == "missing":
        return f"{path} is missing: write it"
    value = detail["input"]
    shown = "" if isinstance(value, Mapping | list | tuple) else f" is {_short(value)}"
    return f"{path}{shown}: {_advice(detail)}"


def _advice(detail: ErrorDetails) -> str:
    template = _ADVICE.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else detail["msg"]


def _path(location: tuple[int | str, ...]) -> str:
    """`spec.canary.steps[1].weight`, as kubectl writes it."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(("spec", *parts))


def _short(value: Any) -> str:
    text = repr(value).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 3]}..."
