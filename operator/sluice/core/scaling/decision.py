"""The decision: how many replicas there shall be now, and why."""

from __future__ import annotations

from datetime import datetime

from sluice.core.scaling.kept import Cause, Explanation, Facts, Memory, Said, Scaled
from sluice.core.scaling.policy import Scaling


def decide(scaling: Scaling, facts: Facts, memory: Memory, now: datetime) -> Scaled:
    """What `scaling` makes of the facts. To be called once a round: readings that the last
    decision was made from decide nothing again, or a `value` metric would be multiplied twice.
    """
    return Scaled(
        at=now,
        current=facts.current,
        desired=facts.current,
        cause=Cause.NO_READINGS,
        message=f"{facts.current}: no readings yet",
        explanation=Explanation(scaling.min_replicas, scaling.max_replicas),
        memory=memory,
        active=Said(status=False, reason="NoReadings", message="no metric has been read yet"),
        limited=Said(status=False, reason="DesiredWithinRange", message=""),
        fresh=False,
    )
