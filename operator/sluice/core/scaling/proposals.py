"""What each metric asks for: its reading through the arithmetic, or why nothing is known of it."""

from __future__ import annotations

from math import isfinite
from typing import Final

from sluice.core.readings import Answer, Known, Matrix, Reason
from sluice.core.scaling.arithmetic import (
    Asked,
    Tolerance,
    by_average,
    by_value,
    thousandths,
    tolerance_of,
)
from sluice.core.scaling.kept import Facts, Proposal
from sluice.core.scaling.policy import Scaling, ScalingMetric, TargetKind

# Not reasons of a source: nobody has asked it, or its answer is worth nothing yet.
NOT_ASKED: Final = "NotAsked"
NO_READY_PODS: Final = "NoReadyPods"
_BOTH_SIDES: Final = "{{pods}}"

Proposals = tuple[Proposal, ...]


def propose(scaling: Scaling, facts: Facts) -> Proposals:
    """One proposal for each metric, in the order of the spec."""
    answers = dict(facts.answers)
    tolerance = tolerance_of(scaling.behavior)
    return tuple(
        _proposal(metric, answers.get(metric.name), facts, tolerance) for metric in scaling.metrics
    )


def largest(proposals: Proposals) -> Proposal | None:
    """The proposal that wins: the first of the largest ones; None where nothing is known."""
    known = [each for each in proposals if each.replicas is not None]
    return max(known, key=lambda each: each.replicas or 0, default=None)


def unknown(proposals: Proposals) -> Proposals:
    """Those that propose nothing."""
    return tuple(each for each in proposals if each.replicas is None)


def unanswered(proposals: Proposals) -> bool:
    """Whether metrics were asked for and not one of them answered."""
    asked = [each for each in proposals if each.unknown != NOT_ASKED]
    return bool(asked) and all(each.value is None for each in asked)


def _proposal(
    metric: ScalingMetric, answer: Answer | None, facts: Facts, tolerance: Tolerance
) -> Proposal:
    match answer:
        case Known(value) if isfinite(value):
            return _known(metric, value, facts, tolerance)
        case Known():
            return _unknown(metric, Reason.NOT_FINITE)
        case Matrix():
            return _unknown(metric, Reason.WRONG_TYPE)
        case None:
            return _unknown(metric, NOT_ASKED)
        case _:
            return _unknown(metric, answer.reason, answer.detail)


def _unknown(metric: ScalingMetric, reason: str, detail: str = "") -> Proposal:
    return Proposal(
        metric.name, metric.kind, metric.target_milli, unknown=str(reason), detail=detail
    )


def _known(metric: ScalingMetric, value: float, facts: Facts, tolerance: Tolerance) -> Proposal:
    """The metric's proposal. An HPA takes a Deployment whose pods all fail for one without load,
    and lowers it; here a ratio to the target times no ready pods is not known.
    """
    found = _asked(metric, value, facts, tolerance)
    blind = metric.kind is TargetKind.VALUE and not found.within_tolerance
    if blind and not _ready(metric, facts):
        return Proposal(
            metric.name, metric.kind, metric.target_milli, value, NO_READY_PODS, ratio=found.ratio
        )
    return Proposal(
        metric.name,
        metric.kind,
        metric.target_milli,
        value,
        replicas=found.replicas,
        ratio=found.ratio,
        within_tolerance=found.within_tolerance,
    )


def _asked(metric: ScalingMetric, value: float, facts: Facts, tolerance: Tolerance) -> Asked:
    milli = thousandths(value)
    if metric.kind is TargetKind.AVERAGE_VALUE:
        return by_average(milli, metric.target_milli, facts.current, tolerance)
    ready = _ready(metric, facts)
    return by_value(milli, metric.target_milli, facts.current, ready, tolerance)


def _ready(metric: ScalingMetric, facts: Facts) -> int:
    """The ready pods that a value speaks of: a canary's only where the query counts them, or a
    canary as large as the stable side would double the proposal again and again.
    """
    return facts.ready_all if _BOTH_SIDES in metric.query else facts.ready
