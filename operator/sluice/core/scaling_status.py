"""What a Rollout's status says of scaling.

The load changes at every reading, and a status that follows it would be written for ever. So what
was written stays until its meaning changes: another number, another reason, a metric that answers
again or does so no more. The values of this moment are the operator's metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sluice.core import display, troubles
from sluice.core.plan import Condition, Status
from sluice.core.scaling.kept import Said, Scaled
from sluice.core.scaling.policy import Mode, Scaling
from sluice.core.scaling.shown import shown
from sluice.core.scaling.worth import worth_keeping
from sluice.core.situation import Situation
from sluice.core.table import Phase

ACTIVE: Final = "ScalingActive"
LIMITED: Final = "ScalingLimited"
CAPACITY: Final = "CapacityLimited"
# Reasons of ScalingActive that a person has to know of at once.
_CONFLICT: Final = "OtherAutoscaler"
# As of an HPA's condition AbleToScale.
_REFUSED: Final = "FailedUpdateScale"
_EXPECTED: Final = frozenset({"ScalingDisabled", "NoReadings"})


def with_scaling(
    situation: Situation, scaling: Scaling, status: Status, scaled: Scaled, *, written: bool = False
) -> Status:
    """The status of the release, with the decision in it. `written`: the replicas are what it says
    by now.
    """
    stored = situation.observed.rollout.stored_scaling
    told = [_said(ACTIVE, scaled.active), _said(LIMITED, scaled.limited)]
    if written or stored is None or worth_keeping(stored, scaled, scaling):
        new = shown(scaled, stored, written=written)
    else:
        new, told = dict(stored), _still(situation, scaled) or told
    if situation.observed.scaling_refused and scaled.desired != scaled.current:
        told[0] = _failed(scaled, situation.observed.scaling_refused)
    new["current"] = scaled.desired if written else scaled.current
    beside = replace(status, scaling=new, conditions=(*status.conditions, *told))
    whole = _with_capacity(situation, _with_unknown(beside, told[0]))
    # Who only recommends is in nobody's way.
    return _with_conflict(situation, whole) if scaling.mode is Mode.ACTIVE else whole


def as_before(situation: Situation, status: Status) -> Status:
    """The status of the release, with what it said of scaling before."""
    known = {condition.type for condition in status.conditions}
    kept = [c for c in _stored(situation, ACTIVE, LIMITED, CAPACITY) if c.type not in known]
    return replace(
        status,
        scaling=situation.observed.rollout.stored_scaling,
        conditions=(*status.conditions, *kept),
    )


def _still(situation: Situation, scaled: Scaled) -> list[Condition]:
    """The stored conditions, where they still hold: that the replicas could not be set does until
    somebody decides on them again.
    """
    stored = _stored(situation, ACTIVE, LIMITED)
    failed = any(condition.reason == _REFUSED for condition in stored)
    return [] if failed and scaled.fresh else stored


def _failed(scaled: Scaled, why: str) -> Condition:
    message = f"the replicas could not be set to {scaled.desired}: {why}"
    return Condition(ACTIVE, status=False, reason=_REFUSED, message=message)


def _said(kind: str, said: Said) -> Condition:
    return Condition(kind, status=said.status, reason=said.reason, message=said.message)


def _stored(situation: Situation, *kinds: str) -> list[Condition]:
    said = situation.observed.rollout.status.get("conditions")
    return [
        Condition(
            str(item["type"]),
            status=item.get("status") == "True",
            reason=str(item.get("reason", "")),
            message=str(item.get("message", "")),
        )
        for item in (said if isinstance(said, list) else ())
        if isinstance(item, Mapping) and item.get("type") in kinds
    ]


def _with_unknown(status: Status, active: Condition) -> Status:
    """That scaling is blind is no fault of what runs, but nobody must have to look for it."""
    if active.status or active.reason in _EXPECTED or status.phase != Phase.HEALTHY:
        return status
    return replace(status, message=f"{status.message}; scaling: {active.message}")


def _with_capacity(situation: Situation, status: Status) -> Status:
    """The pods that fit on no node, if that is not said of the canary's already."""
    if any(condition.type == CAPACITY for condition in status.conditions):
        return status
    sentence = troubles.unplaced(situation.observed.pods or ())
    if not sentence:
        return status
    limited = Condition(CAPACITY, status=True, reason="Unschedulable", message=sentence)
    return replace(status, conditions=(*status.conditions, limited))


def _with_conflict(situation: Situation, status: Status) -> Status:
    """What else sets the replicas, or that nobody can know: either way they are not written."""
    observed = situation.observed
    name = situation.deployment.ref.name
    if observed.autoscaler:
        message = (
            f"{observed.autoscaler} sets the replicas of Deployment {name}, too, so Sluice does "
            "not; delete it, or take spec.scaling out of this Rollout"
        )
    elif observed.autoscaler_problem:
        message = (
            f"whether something else sets the replicas of Deployment {name} cannot be known, so "
            f"Sluice does not: {observed.autoscaler_problem}"
        )
    else:
        return status
    if status.phase == Phase.HEALTHY:
        return display.with_conflict(status, _CONFLICT, message)
    conflict = Condition("Conflict", status=True, reason=_CONFLICT, message=message)
    kept = [condition for condition in status.conditions if condition.type != "Conflict"]
    return replace(status, conditions=(*kept, conflict))
