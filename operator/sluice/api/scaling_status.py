"""`status.scaling` on the wire: the last decision, and what scaling remembers.

The form is the core's (`core.scaling.shown`). Here it is told to the API server, field by field: a
field that is not declared here would be lost with what scaling remembers in it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sluice.api.wire import Time, Wire, said
from sluice.core.scaling.kept import Cause

_ATOMIC = {"x-kubernetes-list-type": "atomic"}


def _list(description: str) -> Any:
    return Field(
        default=None, strict=False, description=description, json_schema_extra=dict(_ATOMIC)
    )


class MetricProposal(Wire):
    """What one metric asks for."""

    name: str
    kind: Literal["averageValue", "value"] | None = said("Which target it has.")
    target: str | None = said("Its target.")
    value: str | None = said("The query's value.")
    unknown: str | None = said("Why there is no value, in a word.")
    detail: str | None = said("The same, as the source of metrics said it.")
    proposal: int | None = said("The replicas that it asks for.")
    ratio: str | None = said("The value, as a multiple of what the target allows these replicas.")
    within_tolerance: bool | None = said("True: so near its target that it asks for no change.")


class ScalingStep(Wire):
    """A rule that changed the number on its way from the metrics to the replicas."""

    cause: str = Field(description=f"One of {', '.join(Cause)}.")
    from_: int = Field(alias="from", description="The replicas before it.")
    to: int = Field(description="The replicas after it.")
    why: str = Field(description="The rule in a sentence, with its numbers.")


class ScalingDecision(Wire):
    """How the number came about."""

    at: Time | None = said("When it was decided.")
    cause: str | None = said("What made the number what it is, in a word.")
    message: str | None = said("The decision in a sentence; it begins with the number.")
    active: str | None = said("The reason of condition ScalingActive.")
    limited: str | None = said("The reason of condition ScalingLimited.")
    floor: int | None = said("The fewest replicas allowed at that time.")
    ceiling: int | None = said("The most replicas allowed at that time.")
    metrics: tuple[MetricProposal, ...] | None = _list("What each metric asks for.")
    largest: int | None = said("The largest proposal, which counts.")
    by: str | None = said("The metric that asks for it.")
    steps: tuple[ScalingStep, ...] | None = _list("The rules that changed the number, in order.")


class ScalingChange(Wire):
    """A change of the replicas that Sluice wrote."""

    at: Time
    from_: int = Field(alias="from", description="The replicas before it.")
    to: int = Field(description="The replicas after it.")
    message: str = Field(description="The decision in a sentence.")


class Recommendation(Wire):
    """What the metrics asked for, before windows, policies and bounds."""

    at: Time
    replicas: int


class ScaleEvent(Wire):
    """Pods that were added, or removed where it is negative."""

    at: Time
    change: int


class ScalingStatus(Wire):
    """How many replicas there shall be, why, and what the next decision remembers."""

    current: int | None = said("The replicas that the Deployment has.")
    desired: int | None = said("The replicas that it shall have.")
    decision: ScalingDecision | None = None
    next_change: Time | None = said("When a schedule begins or ends next.")
    changes: tuple[ScalingChange, ...] | None = _list("The last 5 changes, newest last.")
    recommendations: tuple[Recommendation, ...] | None = _list(
        "What stabilization windows look back on, oldest first."
    )
    events: tuple[ScaleEvent, ...] | None = _list("What policies count, oldest first.")
    asked_at: Time | None = said("When the readings of the last round were asked for.")
    unknown_since: Time | None = said("Since when a metric is unknown; nothing is lowered.")
    unknown_until: Time | None = said("The first round after that.")
    unanswered_since: Time | None = said("Since when no metric answers; the fallback's clock.")
    unanswered_at: Time | None = said("The last round in which none did.")
    probe: int | None = said("How many replicas pods that do not fit on a node allow.")
