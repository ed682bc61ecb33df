"""The counters that a simulated version exports: what a source of metrics answers to a question
about a span of time.

Each version has one pod here, which has counted all of its requests, and every request takes as
long as its version does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sluice.core import comparing, placeholders
from sluice.core.objects import ReplicaSet
from sluice.core.plan import Query, Span
from sluice.core.policy import Metric
from sluice.core.readings import Answer, Matrix, Reason, Series, Unknown
from sluice.model.traffic import Counts, Traffic, Version

# The bounds of the client libraries' default histogram, in seconds.
_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def answer(
    metric: Metric, query: Query, traffic: Traffic, old: ReplicaSet | None, new: ReplicaSet | None
) -> Answer:
    """The counters of both versions at each instant of the question's span."""
    assert query.span is not None, "a comparison asks about spans"
    instants = _instants(query.span)
    counts = [traffic.until(instant) for instant in instants]
    series: list[Series] = []
    for index, (side, version) in enumerate(((old, traffic.old), (new, traffic.new))):
        if side is None:
            continue
        own = [(at, pair[index]) for at, pair in zip(instants, counts, strict=True)]
        series += _series(metric, query.name, _pod_of(side), version, own)
    return Matrix(tuple(series)) if series else Unknown(Reason.EMPTY)


def _series(
    metric: Metric, name: str, pod: str, version: Version, counts: list[tuple[datetime, Counts]]
) -> list[Series]:
    # What has not answered yet exports nothing.
    counts = [(at, each) for at, each in counts if each.total]
    if not counts:
        return []

    def samples(value: Callable[[Counts], float]) -> tuple[tuple[float, float], ...]:
        return tuple((at.timestamp(), value(each)) for at, each in counts)

    if metric.histogram:
        bounds = [(f"{bound:g}", version.latency_seconds <= bound) for bound in _BOUNDS]
        return [
            Series(pod, (("le", le),), samples(lambda each, within=within: within * each.total))  # type: ignore[misc]
            for le, within in (*bounds, ("+Inf", True))
        ]
    bad = name.endswith(comparing.BAD)
    return [Series(pod, (), samples(lambda each: each.failed if bad else each.total))]


def _instants(span: Span) -> list[datetime]:
    number = round((span.end - span.start).total_seconds() / span.step_seconds)
    return [span.start + timedelta(seconds=span.step_seconds) * k for k in range(number + 1)]


def _pod_of(side: ReplicaSet) -> str:
    return f"{placeholders.pod_prefix(side.ref.name)}pod00"
